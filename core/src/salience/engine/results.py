"""From a run to an explanation: draws are aggregated as they come."""

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
    """What an aggregator has made of the draws of a target variable.

    Args:
        values: Saliency, shape (L, …): L items or elements.
        errors: Its standard errors, same shape.
        parts: Part of the variance over draws → its values, same shape; only of nested draws.
    """

    values: Tensor
    errors: Tensor
    parts: Mapping[str, Tensor] = field(default_factory=dict)

    @staticmethod
    def of(aggregator: Aggregator, state: Any, draws: Draws) -> Estimate:
        """What the state says."""
        values, errors = aggregator.finalize(state)
        parts = state.parts() if draws.nested else {}
        return Estimate(
            values.cpu(), errors.cpu(), {n: v.to(values.dtype).cpu() for n, v in parts.items()}
        )

    def tensors(self) -> dict[str, Tensor]:
        """All of them by name."""
        return {"values": self.values, "errors": self.errors, **self.parts}

    @staticmethod
    def named(tensors: Mapping[str, Tensor]) -> Estimate:
        """What :meth:`tensors` came from."""
        parts = {name: v for name, v in tensors.items() if name not in ("values", "errors")}
        return Estimate(tensors["values"], tensors["errors"], parts)


#: Target variable → what was found, batch after batch.
Batches = dict[str, list[Estimate]]


def streamed(run: Run, aggregator: Aggregator, progress: Any, partial: bool = False) -> Batches:
    """Aggregate block by block; where interrupted and asked to, what is finished."""
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
    """Saliency of the items of a batch; those whose draws are enough leave it."""
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
    """Which items' errors are small enough, bool of shape (B,)."""
    assert run.draws.until is not None
    squares, errors = torch.zeros(2, n_items, dtype=torch.float64)
    for name, one in found.items():
        for total, values in ((squares, one.values), (errors, one.errors)):
            each = values.double()[:, None].flatten(1).square().sum(1)
            total.index_add_(0, owners[name], each)
    small: Tensor = errors <= run.draws.until.rel_error**2 * (squares - errors)
    return small


def _owners(predicted: PredictedBatch, name: str) -> Tensor:
    """Item of each position along the first axis of what is found, int64."""
    counts, items = counts_of(predicted)[name], torch.arange(len(predicted.keys))
    return items if counts is None else torch.repeat_interleave(items, counts)


def _places(predicted: PredictedBatch, name: str) -> Tensor:
    """Number of each of these positions, int64."""
    return torch.arange(len(_owners(predicted, name)))


def shared_out(
    run: Run, requests: Sequence[Request], aggregator: Aggregator, progress: Any
) -> Batches:
    """Let each plan, on a device of its own, do a share of the items in a thread of its own."""
    shares = run.shares(requests)
    work = isolated()(streamed)  # modes of autograd belong to a thread
    with ThreadPoolExecutor(len(shares)) as pool:
        each = [f.result() for f in [pool.submit(work, s, aggregator, progress) for s in shares]]
    run.gather(shares)
    return {name: [found for batches in each for found in batches[name]] for name in each[0]}


def reduced(axes: tuple[str, ...], domain: Domain) -> tuple[int, ...]:
    """Positions in (D, L, …) of the axes that the domain reduces."""
    return tuple(i + 2 for i, axis in enumerate(axes) if axis in domain.layout.reduce)


def explanation(batches: Batches, run: Run, aggregator: Aggregator) -> Explanation:
    """What a run has found, as a whole."""
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
    """The explanation that saliency with its standard error makes with all that is known."""
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
