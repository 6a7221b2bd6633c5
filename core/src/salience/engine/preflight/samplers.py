"""What is found out before all other passes: how the samplers move the model, and what is worth it.

A pass or two of a single item show whether the samplers can serve the model, whether they move the
target variables, and whether several draws of weights may share a pass.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from salience.data.batch import Batch
from salience.engine.batching import PredictedBatch, predict_row, sample_row
from salience.engine.draws import score_of
from salience.engine.preflight.training import Order, Training
from salience.engine.request import Request
from salience.engine.units import Unit
from salience.engine.worker import Worker
from salience.errors import InputError
from salience.plugins.faults import Asked
from salience.samplers.base import ModelDraw, NoiseSampler, ParameterSampler, moves_model

# Draws of weights share a forward pass as long as they hold no more than this many numbers.
_WEIGHTS_PER_PASS = 2**22
# To prepare the speed-ups takes about as long as this many rows.
_WORTH_TRYING = 64


def preflight(worker: Worker, unit: Unit) -> Worker:
    """Find the verdicts about the samplers, by passes with an item of a unit.

    Args:
        worker: The worker, before any draw.
        unit: The items.

    Returns:
        The worker with these verdicts in its request.

    Raises:
        InputError: Items of a batch influence each other, a sampler cannot serve the model, or one
            target variable is computed from another.
    """
    request, probe = worker.request, worker.runner.probe
    _refuse_batch_statistics(worker)
    if not probe.speedups_settled and _many_rows(request, unit):
        worker = _decided(worker, speedups=tuple(request.settings.speedups))
    moving = [s for s in request.samplers if not isinstance(s, NoiseSampler)]
    several = len(probe.variables) > 1 and probe.has_inner_targets
    if not moving and not several:
        return worker
    row, item = sample_row(worker.runner, unit, request)
    if several:
        probe.predict(row, graph=True)  # refuses what depends on each other
    if moving:
        worker = _prepared(worker, row)
    if request.weights and request.draws.total > 1:
        runner = replace(worker.runner, observer=None)
        return _try_packed_weights(worker, predict_row(runner, row, item))
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
    request, probe = worker.request, worker.runner.probe
    key = torch.zeros(1, dtype=torch.int64, device=row.device)
    draw = ModelDraw(key, row.all_rows(), probe.model)
    training = Training(request, row, key)
    ready: list[Any] = []
    order, paths = Order(probe, row), set[str]()
    with torch.no_grad():
        for sampler in request.samplers:
            if isinstance(sampler, NoiseSampler):
                ready.append(sampler)
                continue
            parameters = isinstance(sampler, ParameterSampler)
            forward = order.forward(sampler) if parameters else lambda: probe.predict(row)
            asked = Asked("samplers", sampler, "prepare")
            made = asked(draw, forward)
            asked.expect(moves_model(made), made, "a sampler that takes part")
            if isinstance(made, ParameterSampler):
                paths |= set(training.paths(made))
            ready.append(made)
    if order.moves and request.weights:
        raise InputError(
            "dropout and drawn weights both move a target variable inside the model; explain an "
            "input of the model, or take one sampler at a time"
        )
    found = {"moves_targets": order.moves, "training": tuple(sorted(paths)), "calm": bool(paths)}
    worker = _decided(worker, samplers=tuple(ready), **found)
    # The replica has to be made anew where modules of it are to run in training mode.
    return worker.rebuilt(worker.request) if paths else worker


def _try_packed_weights(worker: Worker, row: PredictedBatch) -> Worker:
    """Let several draws of weights share a pass, where the model is small and the pass is fast.

    Returns:
        The worker with the verdict ``weight_draws_per_pass``; the worker unchanged where draws of
        weights cannot share a pass, or where sharing would be slow.
    """
    request, runner = worker.request, replace(worker.runner, observer=None)
    assert runner.source is not None
    n_fitting = _WEIGHTS_PER_PASS // max(1, runner.source.numbers())
    if n_fitting < 2 or 2 * row.rows.batch.size() > runner.budget.current:
        return worker
    draws, batch = torch.arange(2), row.rows.batch
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            both, at = score_of(request, runner, row, batch.repeat(2), draws=draws)
            both.value(at)
        except Exception:  # the user's forward may raise anything where vmap cannot batch it
            return worker
    # Where vmap has no rule for an operation, it warns and runs draw by draw, which is slow.
    slow = any("performance drop" in str(warning.message) for warning in warned)
    return worker if slow else _decided(worker, weight_draws_per_pass=n_fitting)
