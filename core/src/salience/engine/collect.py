"""Collecting the draws of a batch: aggregated as they come, or kept; and what is told of its items.

A per-item column of :class:`ItemTable` gets its values in :func:`collected`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from salience.aggregators.base import Aggregator
from salience.aggregators.moments import as_float64
from salience.data.layout import Layout
from salience.engine.batching import PredictedBatch
from salience.engine.draws import Block, axes_of, blocks, rows_of
from salience.engine.request import Request
from salience.engine.units import Unit, UnitResult
from salience.errors import InputError
from salience.model.probe import Values
from salience.results.items import ItemTable
from salience.samplers.design import Draws
from salience.scoring.runner import Runner
from salience.scoring.score import Score
from salience.support.numerics import all_finite

#: Target variable → name of a tensor → its values, as in :class:`UnitResult`.
Saliencies = dict[str, dict[str, Tensor]]
#: Computes the draws of a batch, or of some of its items, from the first number to the last.
DrawsOf = Callable[[PredictedBatch, int, int], Iterator[Block]]


@dataclass
class CompletenessSums:
    """Sums, over the draws of each item of a batch, from which completeness is reported.

    Args:
        delta: Sum of f(x') − f(baseline) over the draws, with x' the point that noise moved x to,
            shape (B,).
        gap: Sum of |Σ saliency − (f(x') − f(baseline))| over the draws, shape (B,).
        draws: Number of draws so far, int64 of shape (B,).
        drawn: Whether anything was drawn for each item, bool of shape (B,).
        converged: Whether the integrals of all draws have converged, bool of shape (B,).
        n_points: Largest number of points of these integrals, int64 of shape (B,).
    """

    delta: Tensor
    gap: Tensor
    draws: Tensor
    drawn: Tensor
    converged: Tensor
    n_points: Tensor

    @staticmethod
    def of(score: Tensor) -> CompletenessSums:
        """Sums without any draw yet, for as many items as there are scores."""
        # A sum over many draws needs more digits than the dtype of a single draw has.
        nothing = as_float64(torch.zeros_like(score))
        none = nothing.long()
        return CompletenessSums(
            nothing,
            nothing.clone(),
            none,
            drawn=none != 0,
            converged=none == 0,
            n_points=none.clone(),
        )

    def add(self, block: Block, items: Tensor) -> None:
        """Add the draws of a block.

        Args:
            block: Draws of all or some of the items of the batch.
            items: Index in the predicted batch of each item of the block, int64.
        """
        delta, gap = as_float64(block.delta).sum(0), as_float64(block.gap).sum(0)
        if len(items) == len(self.delta):  # all of them, in order
            self.delta += delta
            self.gap += gap
            self.draws += len(block.delta)
        else:
            self.delta[items] += delta
            self.gap[items] += gap
            self.draws[items] += len(block.delta)
        self.drawn[items] |= block.drawn
        if block.converged is not None and block.n_points is not None:
            self.converged[items] &= block.converged.all(0)
            self.n_points[items] = block.n_points.amax(0).maximum(self.n_points[items])


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

    settled = request.calculator.settle(clean)
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
    if request.aggregator is None:
        saliency = _kept(predicted, request.draws, draws_of)
    else:
        layout = request.settings.domain.layout
        axes = {name: reduced(axes_of(request, view), layout) for name, view in views.items()}
        collector = _Aggregation(request.aggregator, request.draws, axes)
        saliency = collector.collect(predicted, draws_of, report)
    dtype = predicted.score.dtype
    items = ItemTable(
        ids=unit.ids if unit.names is None else unit.names,
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
    return UnitResult(
        saliency=saliency,
        axes={name: axes_of(request, view) for name, view in views.items()},
        counts={name: None if count is None else count.cpu() for name, count in counts.items()},
        grids={name: view.grid() for name, view in views.items()},
        items=items,
    )


def _kept(predicted: PredictedBatch, draws: Draws, draws_of: DrawsOf) -> Saliencies:
    """All the draws of a batch, shape (M, L, …) each."""
    kept: dict[str, list[Tensor]] = {}
    for block in draws_of(predicted, 0, draws.total):
        for name, values in block.draws.items():
            kept.setdefault(name, []).append(values.cpu())
    return {name: {"draws": torch.cat(values)} for name, values in kept.items()}


def reduced(axes: tuple[str, ...], layout: Layout) -> tuple[int, ...]:
    """Positions, among the axes of saliency (D, L, …), of the axes that the layout reduces.

    Args:
        axes: Names of the axes behind L.
        layout: The layout of the domain.
    """
    summed = (*layout.reduce, *layout.components)
    return tuple(i + 2 for i, axis in enumerate(axes) if axis in summed)


def estimate(aggregator: Aggregator, state: Any, draws: Draws) -> dict[str, Tensor]:
    """Read values, errors and parts of the variance from an aggregator's state, on the CPU.

    Args:
        aggregator: The aggregator that made the state.
        state: The state after the draws so far.
        draws: Number and structure of the draws of an item.
    """
    values, errors = aggregator.finalize(state)
    if not all_finite(values):
        raise InputError(
            f"the saliency is beyond the range of {str(values.dtype).removeprefix('torch.')} when "
            f"it is aggregated by {type(aggregator).__name__}; pass the model and the data in "
            f"double precision, or scale the output"
        )
    parts = state.parts() if draws.nested else {}
    cast = {name: part.to(values.dtype).cpu() for name, part in parts.items()}
    return {"values": values.cpu(), "errors": errors.cpu(), **cast}


@dataclass(frozen=True)
class _Aggregation:
    """Aggregates the draws of a batch in rounds, after each of which items may be done.

    Args:
        aggregator: The aggregator of the draws.
        draws: Number and structure of the draws of an item.
        axes: Target variable → positions, in a block's draws, of the axes that are summed.
    """

    aggregator: Aggregator
    draws: Draws
    axes: Mapping[str, tuple[int, ...]]

    def collect(
        self, predicted: PredictedBatch, draws_of: DrawsOf, report: Callable[[int], object]
    ) -> Saliencies:
        """Estimate the saliency of the items of a batch.

        After each round, items whose standard errors are small enough are left out of later rounds.
        """
        states = {name: self.aggregator.init(self.draws.group) for name in predicted.x}
        going = predicted
        places = {name: torch.arange(len(_owners(predicted, name))) for name in predicted.x}
        full: Saliencies = {name: {} for name in predicted.x}
        for start, stop in self.draws.rounds():
            for block in draws_of(going, start, stop):
                for name, values in block.draws.items():
                    states[name] = self.aggregator.update(states[name], values, self.axes[name])
            found = {n: estimate(self.aggregator, s, self.draws) for n, s in states.items()}
            last = stop == self.draws.total
            if last and going is predicted:
                return found
            owners = {name: _owners(going, name) for name in going.x}
            done = self._sure(found, owners, len(going))
            done |= last
            for name, tensors in found.items():
                ready = done[owners[name]]
                for what, values in tensors.items():
                    shape = (len(_owners(predicted, name)), *values.shape[1:])
                    into = full[name].setdefault(what, values.new_empty(shape))
                    into[places[name][ready]] = values[ready]
                places[name] = places[name][~ready]
                left = (~ready).nonzero()[:, 0].to(predicted.rows.batch.device)
                states[name] = states[name].select(left)
            report(int(done.sum()) * (self.draws.total - stop))
            if done.all():
                break
            if done.any():
                going = going.select((~done).nonzero()[:, 0].to(predicted.rows.batch.device))
        return full

    def _sure(self, found: Saliencies, owners: Mapping[str, Tensor], n_items: int) -> Tensor:
        """Whether the error of each item is small enough by :class:`Until`, bool of shape (B,).

        Args:
            found: The estimates of B items.
            owners: Target variable → index of the item of each position, as from :func:`_owners`.
            n_items: Number of items B.
        """
        assert self.draws.until is not None
        squares, errors = torch.zeros(2, n_items, dtype=torch.float64)
        for name, tensors in found.items():
            for total, values in ((squares, tensors["values"]), (errors, tensors["errors"])):
                each = values.double()[:, None].flatten(1).square().sum(1)
                total.index_add_(0, owners[name], each)
        small: Tensor = errors <= self.draws.until.rel_error**2 * (squares - errors)
        return small


def _owners(predicted: PredictedBatch, name: str) -> Tensor:
    """Index in the batch of the item that each position belongs to, int64 of shape (L,).

    Positions are those along the first axis of an estimate of the target variable ``name``.
    """
    counts, items = predicted.view(name).counts(), torch.arange(len(predicted))
    return items if counts is None else torch.repeat_interleave(items, counts.cpu())
