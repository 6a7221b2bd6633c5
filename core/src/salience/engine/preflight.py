"""Preflight: short passes of one row, before all others, that show how the model may be run.

They find out whether the samplers can serve the model, whether several rows or several draws of
weights can share a forward pass, and which speed-ups leave the model's output unchanged.
"""

from __future__ import annotations

import warnings
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from salience.data.batch import Batch
from salience.engine.batching import PredictedBatch, first_row, predict_row
from salience.engine.draws import score_of
from salience.engine.request import Request
from salience.engine.units import Unit
from salience.engine.worker import Worker
from salience.errors import InputError
from salience.model.probe import Values
from salience.model.weighted import row_axes
from salience.samplers.base import ModelDraw, NoiseSampler
from salience.samplers.keyed import row_keys
from salience.scoring.score import Score
from salience.support.numerics import close

# Draws of weights share a forward pass as long as they hold no more than this many numbers.
_WEIGHTS_PER_PASS = 2**22
# To try the speed-ups takes about as long as this many rows.
_WORTH_TRYING = 64


def preflight(worker: Worker, unit: Unit) -> Worker:
    """Find the verdicts about the model, by passes with the first item of a unit.

    Args:
        worker: The worker, before any draw.
        unit: The items.

    Returns:
        The worker with these verdicts in its request.

    Raises:
        InputError: Items of a batch influence each other, or a sampler cannot serve the model.
    """
    request, probe = worker.request, worker.runner.probe
    _refuse_batch_statistics(worker)
    moving = [s for s in request.samplers if not isinstance(s, NoiseSampler)]
    try_speedups = not probe.speedups_settled and _many_rows(request, unit)
    if not moving and not try_speedups:
        return worker
    batch = first_row(worker.runner, unit, request)
    if moving:
        worker = _prepared(worker, batch)
    if try_speedups:
        worker = _decided(worker, speedups=probe.try_speedups(batch))
    request = worker.request
    if request.parameters:
        return _try_parameters(worker, predict_row(worker.runner, batch, unit))
    if request.weights and request.draws.total > 1:
        return _try_packed_weights(worker, predict_row(worker.runner, batch, unit))
    return worker


def _many_rows(request: Request, unit: Unit) -> bool:
    one_pass = request.calculator.gradient_at_x and not request.samplers
    return not one_pass or len(unit) > _WORTH_TRYING


def _decided(worker: Worker, **found: object) -> Worker:
    """The worker with further verdicts."""
    verdicts = replace(worker.request.verdicts, **found)  # type: ignore[arg-type]
    return worker.having(replace(worker.request, verdicts=verdicts))


def _refuse_batch_statistics(worker: Worker) -> None:
    model, budget = worker.runner.probe.model, worker.runner.budget
    if not isinstance(model, nn.Module) or (budget.fixed and budget.current == 1):
        return
    for name, module in model.named_modules():
        if isinstance(module, _BatchNorm) and module.running_mean is None:
            raise InputError(
                f"module {name!r} normalises by the statistics of its batch "
                f"(track_running_stats=False), so that items influence each other; let it keep "
                f"running statistics, or explain items one by one with max_rows=1"
            )


def _prepared(worker: Worker, row: Batch) -> Worker:
    """Let each sampler that moves the model prepare for it, by a pass of a single row."""
    probe = worker.runner.probe
    key = torch.zeros(1, dtype=torch.int64, device=row.device)
    draw = ModelDraw(key, row.all_rows(), probe.model)
    with torch.no_grad():
        ready = [
            s if isinstance(s, NoiseSampler) else s.prepare(draw, lambda: probe.predict(row))
            for s in worker.request.samplers
        ]
    return _decided(worker, samplers=tuple(ready))


def _try_packed_weights(worker: Worker, row: PredictedBatch) -> Worker:
    """Let several draws of weights share a pass, where the model is small and gives equal scores.

    Returns:
        The worker with the verdict ``weight_draws_per_pass``; the worker unchanged where draws of
        weights cannot share a pass, or where sharing would be slow.
    """
    request, runner = worker.request, worker.runner
    assert runner.source is not None
    n_fitting = _WEIGHTS_PER_PASS // max(1, runner.source.numbers())
    if n_fitting < 2 or 2 * row.rows.batch.size() > runner.budget.current:
        return worker
    draws, batch = torch.arange(2), row.rows.batch
    apart = [
        score_of(request, runner, row, batch.repeat(1), draws=draw)
        for draw in torch.split(draws, 1)
    ]
    separate = torch.cat([score.value(x) for score, x in apart])
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            both, at = score_of(request, runner, row, batch.repeat(2), draws=draws)
            same = close(both.value(at), separate) and _same_slopes_of_draws(both, at, apart)
        except Exception:  # the user's forward may raise anything where vmap cannot batch it
            same = False
    # Where vmap has no rule for an operation, it warns and runs draw by draw, which is slow.
    slow = any("performance drop" in str(warning.message) for warning in warned)
    return _decided(worker, weight_draws_per_pass=n_fitting) if same and not slow else worker


def _try_parameters(worker: Worker, row: PredictedBatch) -> Worker:
    """Give each row a pass of its own, where a shared pass of two draws does not serve both.

    Two draws of the item must give the same scores and gradients in one shared pass as in two
    passes. They do not where, for example, the model flattens the row axis together with another
    axis.
    """
    request, runner = worker.request, worker.runner
    twice = row.rows.batch.repeat(2)
    keys = row_keys(request.seed, row.rows.keys, torch.arange(2, device=row.rows.keys.device))
    both, at = score_of(request, runner, row, twice, keys)
    one_by_one = replace(runner, one_row_per_pass=True)
    apart, _ = score_of(request, one_by_one, row, twice, keys)
    same = _near(both.value(at), apart.value(at), row) and _same_slopes(both, apart, at)
    return _decided(worker, one_row_per_pass=not same)


def _same_slopes_of_draws(both: Score, x: Values, apart: list[tuple[Score, Values]]) -> bool:
    """Whether one pass of several draws of weights has the gradients of a pass for each draw.

    It has not where backward hooks of the user's see the draws together, for example.

    Args:
        both: The score of all draws in one pass.
        x: Target variable → its values for all draws.
        apart: The score of each draw and the values of its target variables.
    """
    try:
        found = [score.gradient(values)[1] for score, values in apart]
    except InputError:  # no gradient by autograd: only the scores can be compared
        return True
    probe = both.runner.probe
    axes = row_axes(probe.variables, both.rows.batch.layout)
    packed = both.gradient(x)[1]
    tolerance = 0.2 if probe.is_half else 1e-2
    return all(
        bool((one - other).norm() <= tolerance * other.norm())
        for name, axis in axes.items()
        for one, other in zip(
            packed[name].chunk(len(apart), axis), (f[name] for f in found), strict=True
        )
    )


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
    tolerance = 0.2 if one.runner.probe.is_half else 1e-2
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
