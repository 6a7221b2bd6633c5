"""Assembly: the results of all units become an explanation, or the samples that were kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from salience.aggregators.base import Aggregator
from salience.data.domain import Domain, joined
from salience.data.grid import Grid
from salience.engine import record
from salience.engine.collecting.aggregate import estimate, ranked, reduced, updated
from salience.engine.collecting.pooled import pooled
from salience.engine.promises import info_of
from salience.engine.request import Request, check_aggregator
from salience.engine.units import Unit, UnitResult, join
from salience.results.explanation import Explanation
from salience.results.provenance import of_part, recorded_ids
from salience.results.saliency import Saliency
from salience.results.samples import Samples
from salience.samplers.design import Draws, draws_of
from salience.support.interrupts import answered, called
from salience.support.notices import tell


def gathered(results: Iterator[UnitResult], partial: bool = False) -> UnitResult:
    """Join the results of all units, as they come.

    Args:
        results: The results, in the order of the units.
        partial: Whether a KeyboardInterrupt ends the computation with the items finished by then.

    Raises:
        KeyboardInterrupt: The computation was interrupted, and no partial result is wanted or
            there is none.
    """
    done: list[UnitResult] = []
    try:
        while (result := called(next, results, None)) is not None:
            for sentence in result.notices:
                tell(sentence)
            done.append(result)
            if not result.complete:
                break
    except KeyboardInterrupt:
        if not partial:
            raise
    if partial and done:
        answered()
    if not done:
        raise KeyboardInterrupt
    return join(done)


def explanation(
    result: UnitResult, request: Request, unit: Unit, *, more: bool = False
) -> Explanation:
    """Build an explanation from the aggregated results of a unit.

    Args:
        result: The joined results.
        request: The request with which they were computed.
        unit: The items that were read.
        more: Whether further items may follow, as in a stream.

    Raises:
        InputError: There are labels for groups of further items.
    """
    domain = request.settings.domain
    dataset_info = info_of(domain, unit.samples)
    return Explanation(
        **result.items.columns(),
        saliency=_saliencies(result.saliency, result, domain, dataset_info),
        dataset_info=dataset_info,
        provenance=_provenance(result, request, unit) | _pool(result, request, unit, more),
        domain=domain,
        design=request.design,
    )


def _provenance(result: UnitResult, request: Request, unit: Unit) -> dict[str, Any]:
    """The record of the items that are done, which may be some of a stream or of a unit."""
    found = {"preflight": result.preflight.record()} | record.record(request)
    found = of_part(found, unit.offset, unit.offset + len(result.items))
    return found | recorded_ids(unit.ids[: len(result.items)])


def _pool(result: UnitResult, request: Request, unit: Unit, more: bool) -> dict[str, Any]:
    """The groups of the items that are done, for their record."""
    if request.pool is None or not result.own_groups:
        return {}
    request.pool.of_items(len(unit), unit.offset, more)  # refuses those of further items
    return {"pool": request.pool.of_items(len(result.items), unit.offset, True).record()}


def samples_of(result: UnitResult, request: Request, unit: Unit) -> Samples:
    """Build the samples from the draws that were kept; the arguments are as in explanation()."""
    domain = request.settings.domain
    return Samples(
        draws={name: tensors["draws"] for name, tensors in result.saliency.items()},
        axes=result.axes,
        counts=result.counts,
        grids=result.grids,
        items=result.items,
        dataset_info=info_of(domain, unit.samples),
        provenance=_provenance(result, request, unit),
        domain=domain,
        design=request.design,
    )


def aggregated(kept: Samples, aggregator: Aggregator, domain: Domain) -> Explanation:
    """Build an explanation from draws that were kept.

    Args:
        kept: The draws.
        aggregator: The aggregator of the draws.
        domain: The domain, whose layout says which axes are summed.

    Raises:
        InputError: The aggregator needs more draws, or independent ones.
    """
    pairs = kept.design.group == 2 and any(s.get("antithetic") for s in kept.provenance["samplers"])
    draws = draws_of(kept.provenance["n_samples"], pairs)
    check_aggregator(aggregator, draws, kept.groups)
    if kept.groups is not None:
        saliency = _pooled(kept, aggregator, draws)
    else:
        found, counting = {}, ranked(aggregator, draws, domain)
        for name, values in kept.draws.items():
            state = counting.init(kept.design.group)
            axes = reduced(kept.axes[name], domain.layout)
            state = updated(counting, state, values, axes, kept.counts[name])
            found[name] = estimate(counting, state, draws)
        saliency = _saliencies(found, kept, kept.domain, kept.dataset_info)
    pool = {} if kept.groups is None else {"pool": kept.groups.record()}
    return Explanation(
        **kept.items.columns(),
        saliency=saliency,
        dataset_info=kept.dataset_info,
        provenance=dict(kept.provenance) | pool | record.aggregated(aggregator, kept.provenance),
        domain=kept.domain,
        design=replace(kept.design, signed=aggregator.signed, averages=aggregator.averages),
    )


def _pooled(kept: Samples, aggregator: Aggregator, draws: Draws) -> dict[str, Saliency]:
    """The saliency of the groups of draws that were kept."""
    found = kept.pooling()
    state = pooled(aggregator, aggregator.init(kept.design.group), kept.draws, found)
    tensors = {what: found.arranged(v) for what, v in estimate(aggregator, state, draws).items()}
    names = {found.variable: found.names}
    made = _made(tensors, found.ragged_counts, found.grid, names[found.variable])
    return _tested({found.variable: made}, kept.items.drawn)


def _saliencies(
    found: Mapping[str, Mapping[str, Tensor]],
    of: UnitResult | Samples,
    domain: Domain,
    dataset_info: Mapping[str, Any],
) -> dict[str, Saliency]:
    """Combine the estimates by :meth:`Domain.join`, as for the columns of one feature."""
    whats: Sequence[str] = list(next(iter(found.values())))
    pooled_already = isinstance(of, UnitResult) and bool(of.names)
    joint = {
        what: each if pooled_already else joined(domain, each, dataset_info)
        for what in whats
        for each in [{name: t[what] for name, t in found.items()}]
    }
    made = {
        name: _made(
            {what: joint[what][name] for what in whats},
            of.counts.get(name),
            of.grids.get(name),
            of.names.get(name) if isinstance(of, UnitResult) else None,
        )
        for name in joint["values"]
    }
    return _tested(made, of.items.drawn)


def _made(
    tensors: Mapping[str, Tensor],
    counts: Tensor | None,
    grid: Grid | None,
    names: tuple[Any, ...] | None,
) -> Saliency:
    parts = {what: t for what, t in tensors.items() if what not in ("values", "errors")}
    return Saliency(tensors["values"], tensors["errors"], counts, parts, grid=grid, names=names)


def _tested(made: dict[str, Saliency], drawn: Tensor) -> dict[str, Saliency]:
    return made if bool(drawn.all()) else {n: _untested(s, drawn) for n, s in made.items()}


def _untested(saliency: Saliency, drawn: Tensor) -> Saliency:
    """The saliency with NaN as standard error of the items for which nothing was drawn."""
    errors = torch.where(saliency.per_value(drawn), saliency.flat_error, torch.nan)
    return replace(saliency, flat_error=errors)
