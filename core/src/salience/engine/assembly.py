"""Assembly: the results of all units become an explanation, or the samples that were kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from salience.aggregators.base import Aggregator
from salience.data.domain import Domain
from salience.engine import record
from salience.engine.collecting.collect import estimate, reduced
from salience.engine.request import Request, check_aggregator
from salience.engine.units import Unit, UnitResult, join
from salience.results.explanation import Explanation
from salience.results.provenance import recorded_ids
from salience.results.saliency import Saliency
from salience.results.samples import Samples
from salience.samplers.design import draws_of
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


def explanation(result: UnitResult, request: Request, unit: Unit) -> Explanation:
    """Build an explanation from the aggregated results of a unit.

    Args:
        result: The joined results.
        request: The request with which they were computed.
        unit: The items that were read.
    """
    domain = request.settings.domain
    dataset_info = domain.dataset_info(unit.samples)
    return Explanation(
        **result.items.columns(),
        saliency=_saliencies(result.saliency, result, domain, dataset_info),
        dataset_info=dataset_info,
        provenance=_provenance(result, request, unit),
        domain=domain,
        design=request.design,
    )


def _provenance(result: UnitResult, request: Request, unit: Unit) -> dict[str, Any]:
    found = {"preflight": result.preflight.record()}
    # Where the computation was interrupted, the first items are done.
    keys = unit.ids[: len(result.items)]
    return found | record.record(request) | recorded_ids(keys)


def samples_of(result: UnitResult, request: Request, unit: Unit) -> Samples:
    """Build the samples from the draws that were kept; the arguments are as in explanation()."""
    domain = request.settings.domain
    return Samples(
        draws={name: tensors["draws"] for name, tensors in result.saliency.items()},
        axes=result.axes,
        counts=result.counts,
        grids=result.grids,
        items=result.items,
        dataset_info=domain.dataset_info(unit.samples),
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
    check_aggregator(aggregator, draws)
    found = {}
    for name, values in kept.draws.items():
        state = aggregator.init(kept.design.group)
        state = aggregator.update(state, values, reduced(kept.axes[name], domain.layout))
        found[name] = estimate(aggregator, state, draws)
    return Explanation(
        **kept.items.columns(),
        saliency=_saliencies(found, kept, kept.domain, kept.dataset_info),
        dataset_info=kept.dataset_info,
        provenance=dict(kept.provenance) | record.aggregated(aggregator),
        domain=kept.domain,
        design=replace(kept.design, signed=aggregator.signed, averages=aggregator.averages),
    )


def _saliencies(
    found: Mapping[str, Mapping[str, Tensor]],
    of: UnitResult | Samples,
    domain: Domain,
    dataset_info: Mapping[str, Any],
) -> dict[str, Saliency]:
    """Combine the estimates by :meth:`Domain.join`, as for the columns of one feature."""
    whats: Sequence[str] = list(next(iter(found.values())))
    joint = {
        what: domain.join({name: t[what] for name, t in found.items()}, dataset_info)
        for what in whats
    }
    parts = [what for what in whats if what not in ("values", "errors")]
    made = {
        name: Saliency(
            flat=values,
            flat_error=joint["errors"][name],
            counts=of.counts.get(name),
            grid=of.grids.get(name),
            flat_parts={what: joint[what][name] for what in parts},
        )
        for name, values in joint["values"].items()
    }
    drawn = of.items.drawn
    return made if bool(drawn.all()) else {n: _untested(s, drawn) for n, s in made.items()}


def _untested(saliency: Saliency, drawn: Tensor) -> Saliency:
    """The saliency with NaN as standard error of the items for which nothing was drawn."""
    errors = torch.where(saliency.per_value(drawn), saliency.flat_error, torch.nan)
    return replace(saliency, flat_error=errors)
