"""A few passes of a single item, before all others: what samplers can be asked for."""

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

# Weights of several draws share a forward pass while they hold so few numbers together.
_TOGETHER = 2**22


def prepare(worker: Worker, predicted: PredictedBatch) -> Worker:
    """Let parameter samplers refuse the model or get to know it, by passes of its first item.

    Raises:
        InputError: Items of a batch influence each other, or a sampler cannot serve the model.
    """
    _refuse_batch_statistics(worker)
    if worker.parameters:
        return _try_parameters(worker, predicted)
    if worker.weights is not None and worker.draws.total > 1:
        return _try_together(worker, predicted)
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


def _try_together(worker: Worker, predicted: PredictedBatch) -> Worker:
    """Whether small models may run with several draws of weights in one pass."""
    assert worker.weights is not None
    n_fitting = _TOGETHER // max(1, worker.weights.numbers())
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
        except Exception:  # whatever the user's forward does that has no batched form
            same = False
    # What vmap has no rule for, it does draw by draw, slowly, and warns.
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
    # Two draws of the item must come out the same in one pass as in a pass for each; they do not
    # where a tensor is flattened with the rows inside, say, and then each row runs alone.
    twice = predicted.batch.select(first.repeat(2))
    keys = row_keys(worker.seed, predicted.keys[:1], torch.arange(2)).to(first.device)
    both, at = score_of(worker, predicted, twice, keys)
    apart, _ = score_of(replace(worker, one_row_per_pass=True), predicted, twice, keys)
    same = _near(both.value(at), apart.value(at), predicted) and _same_slopes(both, apart, at)
    return replace(worker, one_row_per_pass=not same)


def _same_slopes(one: Score, other: Score, x: Values) -> bool:
    """Whether gradients differ by no more than rounding and a kink that it moves.

    Where other units are dropped they differ by much, even where a large constant or a mean over
    many positions hides it in the scores.
    """
    try:
        mine, yours = one.gradient(x)[1], other.gradient(x)[1]
    except InputError:  # no way by autograd: the scores have to do
        return True
    tolerance = 0.2 if one.probe.is_half else 1e-2
    return all(bool((mine[n] - yours[n]).norm() <= tolerance * yours[n].norm()) for n in x)


def _near(one: Tensor, other: Tensor, predicted: PredictedBatch) -> bool:
    """Whether scores differ by no more than rounding in a batch of another size."""
    scale = float(predicted.score.abs().max())
    if isinstance(predicted.prediction, Tensor) and predicted.prediction.is_floating_point():
        scale = max(scale, float(predicted.prediction.abs().max()) / 100)
    return close(one, other, 3e-2, scale)
