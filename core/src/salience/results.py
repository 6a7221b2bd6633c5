"""From a run to an explanation: draws are aggregated as they come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from torch import Tensor

from salience import provenance
from salience.aggregators import Aggregator
from salience.domain import Domain
from salience.explanation import Explanation, Saliency
from salience.isolation import isolated
from salience.run import Plan, Run, joined
from salience.samples import Facts

#: Target variable → saliency and standard error of batch after batch.
Parts = dict[str, list[tuple[Tensor, Tensor]]]


def streamed(run: Run, aggregator: Aggregator, bar: Any, partial: bool = False) -> Parts:
    """Aggregate block by block; where interrupted and asked to, what is finished."""
    kept: Parts = {}
    try:
        for clean in run.batches():
            states: dict[str, Any] = {}
            for block in run.blocks(clean, bar):
                for name, draws in block.draws.items():
                    axes = reduced(run.axes[name], run.domain)
                    state = states[name] if name in states else aggregator.init()
                    states[name] = aggregator.update(state, draws, axes)
            for name, state in states.items():
                values, errors = aggregator.finalize(state)
                kept.setdefault(name, []).append((values.cpu(), errors.cpu()))
    except KeyboardInterrupt:
        if not partial or not kept:
            raise
    n_batches = min(len(pairs) for pairs in kept.values())
    run.keep(n_batches)
    return {name: pairs[:n_batches] for name, pairs in kept.items()}


def shared_out(run: Run, plans: Sequence[Plan], aggregator: Aggregator, bar: Any) -> Parts:
    """Let each plan, on a device of its own, do a share of the items in a thread of its own."""
    shares = run.shares(plans)
    work = isolated()(streamed)  # modes of autograd belong to a thread
    with ThreadPoolExecutor(len(shares)) as pool:
        each = [f.result() for f in [pool.submit(work, s, aggregator, bar) for s in shares]]
    run.gather(shares)
    return {name: [pair for parts in each for pair in parts[name]] for name in each[0]}


def reduced(axes: tuple[str, ...], domain: Domain) -> tuple[int, ...]:
    """Positions in (D, L, …) of the axes that the domain reduces."""
    return tuple(i + 2 for i, axis in enumerate(axes) if axis in domain.layout.reduce)


def explanation(parts: Parts, run: Run, aggregator: Aggregator) -> Explanation:
    """What a run has found, as a whole."""
    found = {
        name: (joined([v for v, _ in pairs]), joined([e for _, e in pairs]))
        for name, pairs in parts.items()
    }
    return finished(found, run.counts(), run.facts(), aggregator)


def finished(
    results: Mapping[str, tuple[Tensor, Tensor]],
    counts: Mapping[str, Tensor | None],
    known: Facts,
    aggregator: Aggregator,
) -> Explanation:
    """The explanation that saliency with its standard error makes with all that is known."""
    values = known.domain.join({name: v for name, (v, _) in results.items()}, known.facts)
    errors = known.domain.join({name: e for name, (_, e) in results.items()}, known.facts)
    return Explanation(
        {name: Saliency(values[name], errors[name], counts.get(name)) for name in values},
        known.prediction,
        known.score,
        known.delta,
        known.completeness_gap,
        known.annotations,
        known.facts,
        dict(known.provenance) | {"aggregator": provenance.part("aggregators", aggregator)},
        known.domain,
        known.ids,
    )
