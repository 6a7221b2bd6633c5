"""Differences of two results for the same items: of classes, methods or models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from salience.data.grid import Grid
from salience.errors import InputError, brief
from salience.plugins.parts import is_placeholder
from salience.results.items import ItemTable
from salience.results.provenance import keys_of


def of_items(one: ItemTable, other: ItemTable) -> dict[str, Any]:
    """Columns of the items of a difference, by name; those that are left out stay as in ``one``.

    Scores and changes from the baseline are subtracted, completeness gaps add up at most, and a
    path has converged where both have.
    """
    score = one.score - other.score
    return {
        "prediction": score,
        "score": score,
        "delta": one.delta - other.delta,
        "drawn": one.drawn | other.drawn,
        "completeness_gap": one.completeness_gap + other.completeness_gap,
        "converged": one.converged & other.converged,
        "n_points": one.n_points.maximum(other.n_points),
    }


def of_explanations(one: Any, other: Any) -> Any:
    """The difference of two explanations without draws; see :meth:`Explanation.__sub__`.

    Raises:
        InputError: Draws were made, or the two differ in items or target variables.
    """
    if not isinstance(other, type(one)):
        raise InputError(f"{brief(other)} is no explanation; subtract one of the same items")
    if _has_draws(one) or _has_draws(other):
        raise InputError(
            "explanations keep no draws, so that the error of their difference is unknown; "
            "subtract what compute returns, on the same data with the same seed: "
            "explainer.aggregate(samples - other_samples)"
        )
    # How values of another tool were aggregated is not known.
    known = not any(is_placeholder(e.provenance["aggregator"]["name"]) for e in (one, other))
    both = [
        {
            "target variables": {n: tuple(s.flat.shape) for n, s in e.saliency.items()},
            "sizes of items": {n: (s.counts, sizes_of(s.grid)) for n, s in e.saliency.items()},
            "groups": {n: s.names for n, s in e.saliency.items()},
            "signs": e.signed,
            "aggregator": e.provenance.get("aggregator") if known else None,
        }
        for e in (one, other)
    ]
    mend = "subtract explanations of the same items, variables and aggregator"
    check_items(one, other, "the explanations", mend)
    check_shared(both[0], both[1], "the explanations", mend)
    if not one.signed:
        raise InputError(
            "the difference of magnitudes is no magnitude, and would be drawn as one; aggregate "
            "both by 'raw' and subtract these"
        )
    saliency = {
        name: replace(mine, flat=mine.flat - other.saliency[name].flat)
        for name, mine in one.saliency.items()
    }
    record = record_of(one.provenance, other.provenance)
    return replace(one, saliency=saliency, provenance=record, **of_items(one, other))


#: Entries of a record that say what was explained, and how.
_METHOD = ("model", "domain", "output", "target", "calculator", "samplers", "aggregator")


def record_of(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a difference: that of the first side, and in ``"minus"`` the other side's.

    Of the other side it has the entries that differ, so that pictures can say what was subtracted.
    """
    differ = {
        name: other.get(name) for name in _METHOD if not equal(one.get(name), other.get(name))
    }
    return {**one, "minus": differ}


def check_items(one: Any, other: Any, results: str, mend: str) -> None:
    """Raise InputError where two results are not of the same items, in the same order.

    Their draws have the same keys and, where the data of both calls its items by names, the names
    are the same.

    Args:
        one: An explanation, or samples.
        other: The other one.
        results: What they are, in the plural.
        mend: What to do; the end of the sentence.
    """
    keys, others = (list(keys_of(r.provenance, len(r))) for r in (one, other))
    check_shared({"items": keys}, {"items": others}, results, mend)
    names, other_names = (list(getattr(r, "items", r).ids) for r in (one, other))
    if keys not in (names, other_names):
        check_shared({"items": names}, {"items": other_names}, results, mend)


def check_shared(one: Mapping[str, Any], other: Mapping[str, Any], results: str, mend: str) -> None:
    """Raise InputError where two results differ in what they must share.

    Args:
        one: Name → value of what must be shared.
        other: The same of the other result.
        results: What they are, in the plural.
        mend: What to do; the end of the sentence.
    """
    for what, mine in one.items():
        if not equal(mine, other[what]):
            raise InputError(
                f"{results} differ in their {what}, {brief(mine, 50)} and "
                f"{brief(other[what], 50)}; {mend}"
            )


def sizes_of(grid: Grid | None) -> Any:
    """Lengths of the items along the axes of a grid; ``None`` where there is no grid."""
    return None if grid is None else grid.lengths


def equal(one: Any, other: Any) -> bool:
    """Whether two settings are equal; arrays and tensors are compared element by element."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    if hasattr(one, "shape") or hasattr(other, "shape"):
        return bool(np.array_equal(np.asarray(one), np.asarray(other)))
    return bool(one == other)


def _has_draws(explanation: Any) -> bool:
    errors = (saliency.flat_error for saliency in explanation.saliency.values())
    known = any(bool(error.isfinite().any()) for error in errors)
    return known or bool(explanation.provenance.get("samplers"))
