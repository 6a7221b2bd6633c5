"""Collecting the draws of a batch: aggregated as they come, or kept; and what is told of its items.

A per-item column of :class:`ItemTable` gets its values in :func:`collected`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from salience.calculators.base import Calculator
from salience.calculators.gradient import Gradient
from salience.calculators.integrated_gradients import IntegratedGradients
from salience.data.domain import joined
from salience.data.views import RowView
from salience.engine.batching import PredictedBatch
from salience.engine.collecting.aggregate import (
    Aggregation,
    DrawsOf,
    Saliencies,
    ranked,
    reduced,
)
from salience.engine.collecting.completeness import CompletenessSums
from salience.engine.collecting.pooled import PooledAggregation, names_of_positions
from salience.engine.draws import Block, axes_of, blocks, rows_of
from salience.engine.promises import info_of
from salience.engine.request import Request
from salience.engine.units import Unit, UnitResult
from salience.model.probe import Values
from salience.plugins.faults import Asked
from salience.results.items import ItemTable
from salience.samplers.design import Draws
from salience.scoring.runner import Runner
from salience.scoring.score import Score


def _settled(request: Request, runner: Runner, predicted: PredictedBatch) -> Request:
    """The request whose calculator has decided what the draws of this batch share.

    Args:
        request: The request.
        runner: Runs the model, which is not moved here.
        predicted: The batch.
    """
    if not request.samplers:
        return request

    def clean() -> tuple[Score, Values]:
        without = replace(request, samplers=(), verdicts=replace(request.verdicts, samplers=()))
        unmoved = replace(runner, samplers=(), source=None)
        return rows_of(without, unmoved, predicted, torch.zeros(1, dtype=torch.int64))

    asked = Asked("calculators", request.calculator, "settle")
    settled = asked(clean)
    asked.expect(isinstance(settled, Calculator), settled, "a salience.Calculator")
    return request if settled is request.calculator else replace(request, calculator=settled)


def collected(
    request: Request,
    runner: Runner,
    predicted: PredictedBatch,
    unit: Unit,
    report: Callable[[int], object],
) -> UnitResult:
    """Compute and collect the draws of a batch.

    Args:
        request: The parts, the draws and the aggregator; without one the draws are kept.
        runner: Runs the model.
        predicted: The batch.
        unit: The items of the batch.
        report: Called with the number of draws, summed over items, that were computed or spared.
    """
    sums = CompletenessSums.of(predicted.score)
    request = _settled(request, runner, predicted)

    def draws_of(going: PredictedBatch, start: int, stop: int) -> Iterator[Block]:
        for block in blocks(request, runner, going, start, stop):
            sums.add(block, going.rows.items)
            yield block
            report(block.delta.numel())

    views = {name: predicted.view(name) for name in predicted.x}
    counts = {name: view.counts() for name, view in views.items()}
    arranged: dict[str, Any] = {
        "axes": {name: axes_of(request, view) for name, view in views.items()},
        "counts": {name: None if count is None else count.cpu() for name, count in counts.items()},
        "grids": {name: view.grid() for name, view in views.items()},
    }
    if request.aggregator is None:
        saliency = _kept(predicted, request.draws, draws_of)
    else:
        collector = aggregation(request, views, unit)
        if isinstance(collector, PooledAggregation) and _resolves(request.calculator):
            layout = request.settings.domain.layout
            collector.check(predicted, layout.components if request.calculator.additive else ())
        saliency = collector.collect(predicted, draws_of, report)
        if isinstance(collector, PooledAggregation):
            saliency, arranged = collector.arranged(saliency)
    dtype = predicted.score.dtype
    items = ItemTable(
        ids=unit.called(),
        prediction=predicted.prediction.cpu(),
        score=predicted.score.cpu(),
        delta=(sums.delta / sums.draws).to(dtype).cpu(),
        completeness_gap=(sums.gap / sums.draws).to(dtype).cpu(),
        converged=sums.converged.cpu(),
        n_points=sums.n_points.cpu(),
        n_independent=sums.draws.cpu() // request.draws.group,
        drawn=sums.drawn.cpu(),
        annotations=predicted.rows.batch.annotations,
    )
    return UnitResult(saliency=saliency, **arranged, items=items)


def _resolves(calculator: Calculator) -> bool:
    """Whether saliency is known to have the shape of the variable before it is computed."""
    return isinstance(calculator, Gradient | IntegratedGradients)


def aggregation(request: Request, views: Mapping[str, RowView], unit: Unit) -> Aggregation:
    """What aggregates the draws of a batch.

    Args:
        request: What is computed, with an aggregator.
        views: Target variable → how it hangs together with the items of the batch.
        unit: The items of the batch, or some among which these are.
    """
    assert request.aggregator is not None
    domain = request.settings.domain
    axes = {name: reduced(axes_of(request, view), domain.layout) for name, view in views.items()}
    if request.pool is None:
        return Aggregation(ranked(request.aggregator, request.draws, domain), request.draws, axes)
    info = info_of(domain, unit.samples)
    return PooledAggregation(
        request.aggregator,
        request.draws,
        axes,
        pool=request.pool,
        join=lambda saliency: joined(domain, saliency, info),
        names_of=names_of_positions(request, info),
    )


def _kept(predicted: PredictedBatch, draws: Draws, draws_of: DrawsOf) -> Saliencies:
    """All the draws of a batch, shape (M, L, …) each."""
    kept: dict[str, list[Tensor]] = {}
    for block in draws_of(predicted, 0, draws.total):
        for name, values in block.draws.items():
            kept.setdefault(name, []).append(values.cpu())
    return {name: {"draws": torch.cat(values)} for name, values in kept.items()}
