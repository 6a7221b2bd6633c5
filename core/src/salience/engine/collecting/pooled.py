"""Aggregation of draws whose saliency is summed over groups of positions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from salience.aggregators.base import Aggregator
from salience.data.groups import Pool
from salience.data.pooling import Arrangement, Pooling, pooling
from salience.engine.batching import PredictedBatch
from salience.engine.collecting.aggregate import Aggregation, Saliencies
from salience.engine.draws import Block
from salience.engine.record import recorded_targets
from salience.engine.request import Request
from salience.results.provenance import column_names


@dataclass(frozen=True)
class PooledAggregation(Aggregation):
    """Aggregates, for each draw, the sums of groups of positions.

    Args:
        pool: The groups.
        join: Combines the saliency of several variables; see :meth:`salience.Domain.join`.
        names_of: Finds names of the positions of a variable.
    """

    pool: Pool = field(default_factory=Pool)
    join: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]] = dict
    names_of: Callable[[str], Sequence[str] | None] = lambda _: None
    _made: dict[int, Pooling] = field(default_factory=dict)
    _first: list[Pooling] = field(default_factory=list)

    def update(self, states: dict[str, Any], going: PredictedBatch, block: Block) -> dict[str, Any]:
        """The state after a further block of draws, each of which is pooled."""
        shapes = {name: tuple(values.shape[1:]) for name, values in block.draws.items()}
        found = self._pooling(going, shapes)
        state = states.get(found.variable, self.aggregator.init(self.draws.group))
        return {found.variable: pooled(self.aggregator, state, block.draws, found)}

    def owners(self, going: PredictedBatch) -> dict[str, Tensor]:
        """Index in the batch of the item that each group belongs to, int64 of shape (N,)."""
        found = self.of(going)
        return {found.variable: torch.arange(len(going)).repeat_interleave(found.counts)}

    def of(self, going: PredictedBatch) -> Pooling:
        """Which entries each group of a batch sums, after its first block."""
        return self._made[id(going)]

    def arranged(self, saliency: Saliencies) -> tuple[Saliencies, dict[str, Any]]:
        """The estimates of a batch by item, and how they are arranged, as :class:`UnitResult` asks.

        Args:
            saliency: What :meth:`collect` returned.
        """
        found = self._first[0]
        name = found.variable
        arranged = {what: found.arranged(values) for what, values in saliency[name].items()}
        described = {
            "axes": {name: ()},
            "counts": {name: found.ragged_counts},
            "grids": {name: found.grid},
            "names": {name: found.names},
            "own_groups": found.of_items,
        }
        return {name: arranged}, described

    def check(self, predicted: PredictedBatch, components: Sequence[str]) -> None:
        """Raise InputError where the groups do not fit saliency of the shape of the variables.

        Args:
            predicted: The batch, of which nothing was drawn yet.
            components: Axes that are summed before anything else; see :class:`salience.Layout`.
        """
        shapes = {}
        for name, values in predicted.x.items():
            view = predicted.view(name)
            length, *inner = view.flat(values.detach(), 1).shape[1:]
            named = zip(view.inner_axes, inner, strict=True)
            shapes[name] = (length, *(n for axis, n in named if axis not in components))
        self._pooling(predicted, shapes)

    def _pooling(self, going: PredictedBatch, shapes: Mapping[str, tuple[int, ...]]) -> Pooling:
        """Which entries each group sums, where draws have the shapes (D, L, …) without D."""
        known = self._made.get(id(going))
        if known and all(known.arrangements[name].shape == own for name, own in shapes.items()):
            return known
        arrangements = {}
        for name, shape in shapes.items():
            view = going.view(name)
            counts = view.counts()
            arrangements[name] = Arrangement(
                shape,
                tuple(axis - 1 for axis in self.axes[name]),  # without the axis of draws
                None if counts is None else counts.cpu(),
                view.grid(),
            )
        items = going.rows.positions.tolist()
        found = pooling(self.pool, arrangements, items, self.join, self.names_of)
        self._made.clear()  # items that are done leave the batch, which is then another
        self._made[id(going)] = found
        self._first.append(found)
        return found


def pooled(aggregator: Aggregator, state: Any, draws: Mapping[str, Tensor], found: Pooling) -> Any:
    """The state of an aggregator after a block of draws, each pooled.

    Args:
        aggregator: The aggregator.
        state: Its state so far.
        draws: Target variable → draws of shape (D, L, …).
        found: Which entries each group sums.
    """
    # One draw at a time, as Aggregator.update does it, so that rounding does not depend on blocks.
    for draw in range(len(next(iter(draws.values())))):
        one = {name: values[draw : draw + 1] for name, values in draws.items()}
        state = state.add(found.sums(aggregator.reduce, one)[0])
    return state


def names_of_positions(
    request: Request, dataset_info: Mapping[str, Any]
) -> Callable[[str], Sequence[str] | None]:
    """A function from a target variable to the names of its positions."""
    known: dict[str, Sequence[str] | None] = {}

    def names_of(variable: str) -> Sequence[str] | None:
        if variable not in known:
            record = {"target": recorded_targets(request)}
            domain = request.settings.domain
            known[variable] = column_names(domain, dataset_info, record, variable)
        return known[variable]

    return names_of
