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
from salience.engine.plan import Plan
from salience.engine.rows import Clean
from salience.engine.run import Run, counts_of, joined
from salience.results.explanation import Explanation
from salience.results.saliency import Saliency
from salience.results.samples import Facts
from salience.samplers.draws import Draws
from salience.support.isolation import isolated


@dataclass(frozen=True)
class Found:
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
    def of(aggregator: Aggregator, state: Any, draws: Draws) -> Found:
        """What the state says."""
        values, errors = aggregator.finalize(state)
        parts = state.parts() if draws.nested else {}
        return Found(
            values.cpu(), errors.cpu(), {n: v.to(values.dtype).cpu() for n, v in parts.items()}
        )

    def tensors(self) -> dict[str, Tensor]:
        """All of them by name."""
        return {"values": self.values, "errors": self.errors, **self.parts}

    @staticmethod
    def named(tensors: Mapping[str, Tensor]) -> Found:
        """What :meth:`tensors` came from."""
        parts = {name: v for name, v in tensors.items() if name not in ("values", "errors")}
        return Found(tensors["values"], tensors["errors"], parts)


#: Target variable → what was found, batch after batch.
Batches = dict[str, list[Found]]


def streamed(run: Run, aggregator: Aggregator, bar: Any, partial: bool = False) -> Batches:
    """Aggregate block by block; where interrupted and asked to, what is finished."""
    kept: Batches = {}
    try:
        for clean in run.batches():
            for name, found in _explained(run, clean, aggregator, bar).items():
                kept.setdefault(name, []).append(found)
    except KeyboardInterrupt:
        if not partial or not kept:
            raise
    n_batches = min(len(batches) for batches in kept.values())
    run.keep(n_batches)
    return {name: batches[:n_batches] for name, batches in kept.items()}


def _explained(run: Run, clean: Clean, aggregator: Aggregator, bar: Any) -> dict[str, Found]:
    """Saliency of the items of a batch; those whose draws are enough leave it."""
    tally = run.begin(clean)
    states = {name: aggregator.init(run.draws.group) for name in clean.x}
    going, places = clean, {name: _places(clean, name) for name in clean.x}
    whole: dict[str, dict[str, Tensor]] = {name: {} for name in clean.x}
    for start, stop in run.draws.rounds():
        for block in run.blocks(going, tally, bar, start, stop):
            for name, draws in block.draws.items():
                axes = reduced(run.axes[name], run.domain)
                states[name] = aggregator.update(states[name], draws, axes)
        found = {name: Found.of(aggregator, state, run.draws) for name, state in states.items()}
        last = stop == run.draws.total
        if last and going is clean:
            whole = {name: dict(one.tensors()) for name, one in found.items()}
            break
        owners = {name: _owners(going, name) for name in going.x}
        done = _sure(found, owners, len(going.keys), run)
        done |= last
        for name, one in found.items():
            ready = done[owners[name]]
            for what, values in one.tensors().items():
                shape = (len(_owners(clean, name)), *values.shape[1:])
                into = whole[name].setdefault(what, values.new_empty(shape))
                into[places[name][ready]] = values[ready]
            places[name] = places[name][~ready]
            states[name] = states[name].pick((~ready).nonzero()[:, 0].to(clean.batch.device))
        bar.update(int(done.sum()) * (run.draws.total - stop))
        if done.all():
            break
        if done.any():
            going = going.pick((~done).nonzero()[:, 0].to(clean.batch.device))
    run.end(clean, tally)
    return {name: Found.named(tensors) for name, tensors in whole.items()}


def _sure(
    found: Mapping[str, Found], owners: Mapping[str, Tensor], n_items: int, run: Run
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


def _owners(clean: Clean, name: str) -> Tensor:
    """Item of each position along the first axis of what is found, int64."""
    counts, items = counts_of(clean)[name], torch.arange(len(clean.keys))
    return items if counts is None else torch.repeat_interleave(items, counts)


def _places(clean: Clean, name: str) -> Tensor:
    """Number of each of these positions, int64."""
    return torch.arange(len(_owners(clean, name)))


def shared_out(run: Run, plans: Sequence[Plan], aggregator: Aggregator, bar: Any) -> Batches:
    """Let each plan, on a device of its own, do a share of the items in a thread of its own."""
    shares = run.shares(plans)
    work = isolated()(streamed)  # modes of autograd belong to a thread
    with ThreadPoolExecutor(len(shares)) as pool:
        each = [f.result() for f in [pool.submit(work, s, aggregator, bar) for s in shares]]
    run.gather(shares)
    return {name: [found for batches in each for found in batches[name]] for name in each[0]}


def reduced(axes: tuple[str, ...], domain: Domain) -> tuple[int, ...]:
    """Positions in (D, L, …) of the axes that the domain reduces."""
    return tuple(i + 2 for i, axis in enumerate(axes) if axis in domain.layout.reduce)


def explanation(batches: Batches, run: Run, aggregator: Aggregator) -> Explanation:
    """What a run has found, as a whole."""
    whole = {}
    for name, founds in batches.items():
        tensors = [found.tensors() for found in founds]
        whole[name] = Found.named({what: joined([t[what] for t in tensors]) for what in tensors[0]})
    return finished(whole, run.counts(), run.facts(), aggregator)


def finished(
    found: Mapping[str, Found],
    counts: Mapping[str, Tensor | None],
    known: Facts,
    aggregator: Aggregator,
) -> Explanation:
    """The explanation that saliency with its standard error makes with all that is known."""
    tensors = {name: one.tensors() for name, one in found.items()}
    whats = next(iter(tensors.values()))
    joint = {
        what: known.domain.join({name: t[what] for name, t in tensors.items()}, known.facts)
        for what in whats
    }
    whole = {
        name: Found.named({what: joint[what][name] for what in whats}) for name in joint["values"]
    }
    return Explanation(
        {n: Saliency(one.values, one.errors, counts.get(n), one.parts) for n, one in whole.items()},
        known.prediction,
        known.score,
        known.delta,
        known.completeness_gap,
        known.annotations,
        known.facts,
        dict(known.provenance)
        | {"aggregator": provenance.part("aggregators", aggregator), "signed": aggregator.signed},
        known.domain,
        known.ids,
        known.units,
    )
