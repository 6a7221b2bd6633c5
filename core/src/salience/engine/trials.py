"""Trial passes with a single item, before all others, that adapt a worker to the model.

The trial passes find out whether the samplers can serve the model, and whether several rows or
several draws of weights can share a forward pass.
"""

from __future__ import annotations

import warnings
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from salience.engine.rows import PredictedBatch, Worker, score_of
from salience.errors import InputError
from salience.model.probe import Values
from salience.samplers.base import ModelDraw
from salience.samplers.keyed import row_keys
from salience.scoring.score import Score
from salience.support.numerics import close

# Draws of weights share a forward pass as long as they hold no more than this many numbers.
_WEIGHTS_PER_PASS = 2**22


def prepare(worker: Worker, predicted: PredictedBatch) -> Worker:
    """Adapt a worker to the model, by trial passes with the first item of a batch.

    Args:
        worker: The worker, before any draw.
        predicted: The batch.

    Returns:
        The worker with prepared parameter samplers, ``one_row_per_pass`` and
        ``weight_draws_per_pass``.

    Raises:
        InputError: Items of a batch influence each other, or a sampler cannot serve the model.
    """
    _refuse_batch_statistics(worker)
    if worker.parameters:
        return _try_parameters(worker, predicted)
    if worker.weights is not None and worker.draws.total > 1:
        return _try_packed_weights(worker, predicted)
    return worker


def _refuse_batch_statistics(worker: Worker) -> None:
    model = worker.probe.model
    if not isinstance(model, nn.Module) or (worker.budget.fixed and worker.budget.current == 1):
        return
    for name, module in model.named_modules():
        if isinstance(module, _BatchNorm) and module.running_mean is None:
            raise InputError(
                f"module {name!r} normalises by the statistics of its batch "
                f"(track_running_stats=False), so that items influence each other; let it keep "
                f"running statistics, or explain items one by one with max_rows=1"
            )


def _try_packed_weights(worker: Worker, predicted: PredictedBatch) -> Worker:
    """Let several draws of weights share a pass, where the model is small and gives equal scores.

    Returns:
        The worker with ``weight_draws_per_pass`` set; the worker unchanged where draws of weights
        cannot share a pass, or where sharing would be slow.
    """
    assert worker.weights is not None
    n_fitting = _WEIGHTS_PER_PASS // max(1, worker.weights.numbers())
    item = predicted.select(torch.zeros(1, dtype=torch.int64, device=predicted.batch.device))
    if n_fitting < 2 or 2 * item.batch.size() > worker.budget.current:
        return worker
    draws = torch.arange(2)
    one = item.batch.repeat(1)
    apart = [score_of(worker, item, one, None, draw) for draw in torch.split(draws, 1)]
    separate = torch.cat([score.value(x) for score, x in apart])
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            both, at = score_of(worker, item, item.batch.repeat(2), None, draws)
            same = close(both.value(at), separate)
        except Exception:  # the user's forward may raise anything where vmap cannot batch it
            same = False
    # Where vmap has no rule for an operation, it warns and runs draw by draw, which is slow.
    slow = any("performance drop" in str(warning.message) for warning in warned)
    return replace(worker, weight_draws_per_pass=n_fitting) if same and not slow else worker


def _try_parameters(worker: Worker, predicted: PredictedBatch) -> Worker:
    first = torch.zeros(1, dtype=torch.int64, device=predicted.batch.device)
    score, x = score_of(worker, predicted, predicted.batch.select(first), first)
    draw = ModelDraw(first, score.batch.all_rows(), worker.probe.model)
    with torch.no_grad():
        ready = [
            s.prepare(draw, lambda: worker.probe(score.batch, x, score.fixed))
            for s in worker.parameters
        ]
    worker = replace(worker, parameters=ready)
    # Two draws of the item must give the same scores and gradients in one shared pass as in two
    # passes. They do not where, for example, the model flattens the row axis together with another
    # axis. Each row then gets a pass of its own.
    twice = predicted.batch.select(first.repeat(2))
    keys = row_keys(worker.seed, predicted.keys[:1], torch.arange(2)).to(first.device)
    both, at = score_of(worker, predicted, twice, keys)
    apart, _ = score_of(replace(worker, one_row_per_pass=True), predicted, twice, keys)
    same = _near(both.value(at), apart.value(at), predicted) and _same_slopes(both, apart, at)
    return replace(worker, one_row_per_pass=not same)


def _same_slopes(one: Score, other: Score, x: Values) -> bool:
    """Whether the gradients of two scores agree: ‖a − b‖ ≤ tolerance · ‖b‖ for each variable.

    The tolerance, 0.01 or, in 16-bit precision, 0.2, allows for rounding and for kinks of the model
    (such as those of ReLU) that rounding crosses. Where the two passes drop different units, the
    gradients differ by more, even where a large constant or a mean over many positions hides the
    difference in the scores. The result is True where the model has no gradient by autograd.

    Args:
        one: The score whose gradient is a.
        other: The score whose gradient is b, the reference.
        x: Target variable → its values.
    """
    try:
        mine, yours = one.gradient(x)[1], other.gradient(x)[1]
    except InputError:  # no gradient by autograd: only the scores can be compared
        return True
    tolerance = 0.2 if one.probe.is_half else 1e-2
    return all(bool((mine[n] - yours[n]).norm() <= tolerance * yours[n].norm()) for n in x)


def _near(one: Tensor, other: Tensor, predicted: PredictedBatch) -> bool:
    """Whether scores from passes of different sizes agree, up to rounding.

    They may differ by 3 % of the largest of: the scores in ``other``, the scores of the batch, and
    1/100 of the model's output, in absolute value.

    Args:
        one: Scores, shape (R,).
        other: Scores to compare with, shape (R,).
        predicted: The batch, whose scores and model output give the scale of the rounding.
    """
    scale = float(predicted.score.abs().max())
    if isinstance(predicted.prediction, Tensor) and predicted.prediction.is_floating_point():
        scale = max(scale, float(predicted.prediction.abs().max()) / 100)
    return close(one, other, 3e-2, scale)
