"""Aggregation of the draws of a batch as they come, in rounds after which items may be done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from salience.aggregators.base import Aggregator
from salience.aggregators.ranked import Ranked
from salience.data.domain import Domain
from salience.data.layout import Layout, summed_axes
from salience.engine.batching import PredictedBatch
from salience.engine.draws import Block
from salience.engine.promises import finalized
from salience.errors import InputError
from salience.plugins.faults import Asked
from salience.samplers.design import Draws
from salience.support.numerics import all_finite

#: Target variable → name of a tensor → its values, as in :class:`UnitResult`.
Saliencies = dict[str, dict[str, Tensor]]
#: Computes the draws of a batch, or of some of its items, from the first number to the last.
DrawsOf = Callable[[PredictedBatch, int, int], Iterator[Block]]


def reduced(axes: tuple[str, ...], layout: Layout) -> tuple[int, ...]:
    """Positions, among the axes of saliency (D, L, …), of the axes that the layout reduces.

    Args:
        axes: Names of the axes behind L.
        layout: The layout of the domain.
    """
    return tuple(2 + axis for axis in summed_axes(axes, layout))


def updated(
    aggregator: Aggregator,
    state: Any,
    draws: Tensor,
    axes: tuple[int, ...],
    counts: Tensor | None,
) -> Any:
    """The state of an aggregator after a further block of draws.

    Args:
        aggregator: The aggregator.
        state: Its state so far.
        draws: Saliency, shape (D, L, …).
        axes: Positions, in ``draws``, of the axes to sum over.
        counts: Number of the L elements of each item, or ``None``.
    """
    update = Asked("aggregators", aggregator, "update")
    if aggregator.by_item:
        return update(state, draws, axes, counts=counts)
    return update(state, draws, axes)


def estimate(aggregator: Aggregator, state: Any, draws: Draws) -> dict[str, Tensor]:
    """Read values, errors and what is known beside them from an aggregator's state, on the CPU.

    Args:
        aggregator: The aggregator that made the state.
        state: The state after the draws so far.
        draws: Number and structure of the draws of an item.
    """
    values, errors = finalized(aggregator, state)
    if not all_finite(values):
        raise InputError(
            f"the saliency is beyond the range of {str(values.dtype).removeprefix('torch.')} when "
            f"it is aggregated by {type(aggregator).__name__}; pass the model and the data in "
            f"double precision, or scale the output"
        )
    # A state of another author's need not know where the variance comes from.
    parts = state.parts() if draws.nested and hasattr(state, "parts") else {}
    cast = {name: part.to(values.dtype).cpu() for name, part in parts.items()}
    beside = {name: figures.cpu() for name, figures in aggregator.beside(state).items()}
    return {"values": values.cpu(), "errors": errors.cpu(), **cast, **beside}


def ranked(aggregator: Aggregator, draws: Draws, domain: Domain) -> Aggregator:
    """The aggregator, which counts the top places as well where the domain shows them.

    Args:
        aggregator: The aggregator.
        draws: Number and structure of the draws of an item.
        domain: The domain; :attr:`salience.Domain.counts_top_places` says whether it shows them.
    """
    wanted = domain.counts_top_places and aggregator.of_magnitudes and draws.total > 1
    return Ranked(aggregator) if wanted else aggregator


@dataclass(frozen=True)
class Aggregation:
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
        going = predicted
        states: dict[str, Any] = {}
        sizes: dict[str, int] = {}
        places: dict[str, Tensor] = {}
        full: Saliencies = {}
        for start, stop in self.draws.rounds():
            for block in draws_of(going, start, stop):
                states = self.update(states, going, block)
            found = {n: estimate(self.aggregator, s, self.draws) for n, s in states.items()}
            last = stop == self.draws.total
            if last and going is predicted:
                return found
            owners = self.owners(going)
            if not sizes:
                sizes = {name: len(own) for name, own in owners.items()}
                places = {name: torch.arange(size) for name, size in sizes.items()}
                full = {name: {} for name in owners}
            done = self._sure(found, owners, len(going))
            done |= last
            for name, tensors in found.items():
                ready = done[owners[name]]
                for what, values in tensors.items():
                    shape = (sizes[name], *values.shape[1:])
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

    def update(self, states: dict[str, Any], going: PredictedBatch, block: Block) -> dict[str, Any]:
        """The states after a further block of draws, by the name of what is aggregated."""
        made = {}
        for name, values in block.draws.items():
            state = states.get(name, self.aggregator.init(self.draws.group))
            counts = going.view(name).counts() if self.aggregator.by_item else None
            made[name] = updated(self.aggregator, state, values, self.axes[name], counts)
        return made

    def owners(self, going: PredictedBatch) -> dict[str, Tensor]:
        """Index in the batch of the item that each position belongs to, int64 of shape (L,).

        Positions are those along the first axis of an estimate, by the name of what is aggregated.
        """
        items, found = torch.arange(len(going)), {}
        for name in going.x:
            counts = going.view(name).counts()
            found[name] = items if counts is None else items.repeat_interleave(counts.cpu())
        return found

    def _sure(self, found: Saliencies, owners: Mapping[str, Tensor], n_items: int) -> Tensor:
        """Whether the error of each item is small enough by :class:`Until`, bool of shape (B,).

        Args:
            found: The estimates of B items.
            owners: Target variable → index of the item of each position, as from :meth:`owners`.
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
