"""Aggregation of the draws of a run, block by block, into an explanation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from salience.aggregators.base import Aggregator
from salience.data.domain import Domain
from salience.engine import record as provenance
from salience.engine.request import Request
from salience.engine.rows import PredictedBatch
from salience.engine.run import Run, counts_of, joined
from salience.results.explanation import Explanation
from salience.results.saliency import Saliency
from salience.results.samples import ItemTable
from salience.samplers.design import Draws
from salience.support.isolation import isolated


@dataclass(frozen=True)
class Estimate:
    """Saliency of one target variable with its standard errors, aggregated over the draws.

    Args:
        values: Saliency, shape (L, …): L items, or elements or real positions of all the items.
        errors: Standard error of each value, same shape.
        parts: ``"parameters"``, ``"noise"`` and ``"total"`` → that part of the variance of a draw,
            same shape; empty unless the draws are nested.
    """

    values: Tensor
    errors: Tensor
    parts: Mapping[str, Tensor] = field(default_factory=dict)

    @staticmethod
    def of(aggregator: Aggregator, state: Any, draws: Draws) -> Estimate:
        """Read the estimate from the aggregator's state; its tensors are copied to the CPU.

        Args:
            aggregator: The aggregator that made the state.
            state: The state after the draws so far.
            draws: Number and structure of the draws of an item.
        """
        values, errors = aggregator.finalize(state)
        parts = state.parts() if draws.nested else {}
        return Estimate(
            values.cpu(), errors.cpu(), {n: v.to(values.dtype).cpu() for n, v in parts.items()}
        )

    def tensors(self) -> dict[str, Tensor]:
        """The tensors by name: ``"values"``, ``"errors"`` and the names in :attr:`parts`."""
        return {"values": self.values, "errors": self.errors, **self.parts}

    @staticmethod
    def named(tensors: Mapping[str, Tensor]) -> Estimate:
        """Build an estimate from tensors that are named as in :meth:`tensors`."""
        parts = {name: v for name, v in tensors.items() if name not in ("values", "errors")}
        return Estimate(tensors["values"], tensors["errors"], parts)


#: Target variable → its estimate in each batch, in the order of the data.
Batches = dict[str, list[Estimate]]


def streamed(run: Run, aggregator: Aggregator, progress: Any, partial: bool = False) -> Batches:
    """Explain the samples of a run batch by batch, aggregating each block of draws as it comes.

    Args:
        run: The run, which records the other results of each batch.
        aggregator: The aggregator of the draws.
        progress: A progress bar that counts draws of items.
        partial: Whether a KeyboardInterrupt ends the run, with the batches that are finished by
            then; without any, and by default, it is raised.

    Returns:
        Target variable → its estimate in each batch.
    """
    kept: Batches = {}
    try:
        for predicted in run.batches():
            for name, found in _explained(run, predicted, aggregator, progress).items():
                kept.setdefault(name, []).append(found)
    except KeyboardInterrupt:
        if not partial or not kept:
            raise
    n_batches = min(len(batches) for batches in kept.values())
    run.keep(n_batches)
    return {name: batches[:n_batches] for name, batches in kept.items()}


def _explained(
    run: Run, predicted: PredictedBatch, aggregator: Aggregator, progress: Any
) -> dict[str, Estimate]:
    """Estimate the saliency of the items of a batch, in rounds of draws.

    After each round, items whose standard errors are small enough are left out of later rounds.

    Args:
        run: The run that the batch belongs to.
        predicted: The batch.
        aggregator: The aggregator of the draws.
        progress: A progress bar that counts draws of items.

    Returns:
        Target variable → its estimate for all the items of the batch.
    """
    completeness = run.begin(predicted)
    states = {name: aggregator.init(run.draws.group) for name in predicted.x}
    going, places = predicted, {name: _places(predicted, name) for name in predicted.x}
    full: dict[str, dict[str, Tensor]] = {name: {} for name in predicted.x}
    for start, stop in run.draws.rounds():
        for block in run.blocks(going, completeness, progress, start, stop):
            for name, draws in block.draws.items():
                axes = reduced(run.axes[name], run.domain)
                states[name] = aggregator.update(states[name], draws, axes)
        found = {name: Estimate.of(aggregator, state, run.draws) for name, state in states.items()}
        last = stop == run.draws.total
        if last and going is predicted:
            full = {name: dict(one.tensors()) for name, one in found.items()}
            break
        owners = {name: _owners(going, name) for name in going.x}
        done = _sure(found, owners, len(going.keys), run)
        done |= last
        for name, one in found.items():
            ready = done[owners[name]]
            for what, values in one.tensors().items():
                shape = (len(_owners(predicted, name)), *values.shape[1:])
                into = full[name].setdefault(what, values.new_empty(shape))
                into[places[name][ready]] = values[ready]
            places[name] = places[name][~ready]
            states[name] = states[name].select((~ready).nonzero()[:, 0].to(predicted.batch.device))
        progress.update(int(done.sum()) * (run.draws.total - stop))
        if done.all():
            break
        if done.any():
            going = going.select((~done).nonzero()[:, 0].to(predicted.batch.device))
    run.end(predicted, completeness)
    return {name: Estimate.named(tensors) for name, tensors in full.items()}


def _sure(
    found: Mapping[str, Estimate], owners: Mapping[str, Tensor], n_items: int, run: Run
) -> Tensor:
    """Whether the error of each item is small enough by :class:`Until`, bool of shape (B,).

    Args:
        found: Target variable → its estimate for B items.
        owners: Target variable → index of the item of each position, as from :func:`_owners`.
        n_items: Number of items B.
        run: The run, whose draws hold the limit of the relative error.
    """
    assert run.draws.until is not None
    squares, errors = torch.zeros(2, n_items, dtype=torch.float64)
    for name, one in found.items():
        for total, values in ((squares, one.values), (errors, one.errors)):
            each = values.double()[:, None].flatten(1).square().sum(1)
            total.index_add_(0, owners[name], each)
    small: Tensor = errors <= run.draws.until.rel_error**2 * (squares - errors)
    return small


def _owners(predicted: PredictedBatch, name: str) -> Tensor:
    """Index in the batch of the item that each position belongs to, int64 of shape (L,).

    Positions are those along the first axis of an estimate of the target variable ``name``.
    """
    counts, items = counts_of(predicted)[name], torch.arange(len(predicted.keys))
    return items if counts is None else torch.repeat_interleave(items, counts)


def _places(predicted: PredictedBatch, name: str) -> Tensor:
    """Index, from 0, of each position along the first axis of an estimate, int64 of shape (L,)."""
    return torch.arange(len(_owners(predicted, name)))


def shared_out(
    run: Run, requests: Sequence[Request], aggregator: Aggregator, progress: Any
) -> Batches:
    """Explain the samples of a run on several devices, one thread and one share of the items each.

    Args:
        run: The run over all the samples; it takes over what the runs over the shares recorded.
        requests: One request for each device.
        aggregator: The aggregator of the draws.
        progress: A progress bar that counts draws of items.

    Returns:
        Target variable → its estimate in each batch, in the order of the data.
    """
    shares = run.shares(requests)
    work = isolated()(streamed)  # each thread has autograd modes of its own, to be set there
    with ThreadPoolExecutor(len(shares)) as pool:
        each = [f.result() for f in [pool.submit(work, s, aggregator, progress) for s in shares]]
    run.gather(shares)
    return {name: [found for batches in each for found in batches[name]] for name in each[0]}


def reduced(axes: tuple[str, ...], domain: Domain) -> tuple[int, ...]:
    """Positions, among the axes of saliency (D, L, …), of the axes that the domain reduces.

    Args:
        axes: Names of the axes behind L.
        domain: The domain.
    """
    return tuple(i + 2 for i, axis in enumerate(axes) if axis in domain.layout.reduce)


def explanation(batches: Batches, run: Run, aggregator: Aggregator) -> Explanation:
    """Join the estimates of all batches of a run into one explanation.

    Args:
        batches: Target variable → its estimate in each batch.
        run: The run, which recorded the other results of each batch.
        aggregator: The aggregator that made the estimates.
    """
    full = {}
    for name, estimates in batches.items():
        tensors = [found.tensors() for found in estimates]
        full[name] = Estimate.named(
            {what: joined([t[what] for t in tensors]) for what in tensors[0]}
        )
    return finished(full, run.counts(), run.dataset_info(), aggregator)


def finished(
    found: Mapping[str, Estimate],
    counts: Mapping[str, Tensor | None],
    items: ItemTable,
    aggregator: Aggregator,
) -> Explanation:
    """Build an explanation from the estimates of a data set, combined by :meth:`Domain.join`.

    Args:
        found: Target variable → its estimate for all the items.
        counts: Target variable → number of elements or real positions of each item, int64 of shape
            (B,), or ``None`` where it is the same for all the items.
        items: The other results and data of the items.
        aggregator: The aggregator that made the estimates.
    """
    tensors = {name: one.tensors() for name, one in found.items()}
    whats = next(iter(tensors.values()))
    joint = {
        what: items.domain.join({name: t[what] for name, t in tensors.items()}, items.dataset_info)
        for what in whats
    }
    full = {
        name: Estimate.named({what: joint[what][name] for what in whats})
        for name in joint["values"]
    }
    return Explanation(
        {n: Saliency(one.values, one.errors, counts.get(n), one.parts) for n, one in full.items()},
        items.prediction,
        items.score,
        items.delta,
        items.completeness_gap,
        items.annotations,
        items.dataset_info,
        dict(items.provenance)
        | {"aggregator": provenance.part("aggregators", aggregator), "signed": aggregator.signed},
        items.domain,
        items.ids,
        items.n_independent,
    )
