"""The explanations of a report: checked, and what is asked of their errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from salience import Explanation
from salience.errors import InputError, brief

Floats = NDArray[np.float64]
#: Levels of the intervals that are drawn.
LEVELS = (0.66, 0.95)
#: False discovery rates that the slider of the page has.
RATES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
#: Unadjusted p-values below this are certain.
LEVEL = 0.05
#: Aggregators whose values add up over positions; of others, blocks show the mean.
_ADDITIVE = ("raw", "abs", "square", "given")


@dataclass(frozen=True, eq=False)
class Method:
    """One explanation of a report.

    Args:
        title: What the user calls it.
        explanation: The explanation.
    """

    title: str
    explanation: Explanation

    @cached_property
    def aggregator(self) -> str:
        """Name of its aggregator; empty where unknown."""
        part = self.explanation.provenance.get("aggregator")
        return str(part.get("name", "")) if isinstance(part, Mapping) else ""

    @property
    def adds_up(self) -> bool:
        """Whether the values of positions may be summed."""
        return self.aggregator in _ADDITIVE

    @property
    def has_errors(self) -> bool:
        """Whether there are several draws, and thus errors."""
        return any(bool(s.flat_error.isfinite().any()) for s in self.explanation.saliency.values())

    @cached_property
    def is_tested(self) -> bool:
        """Whether values can be tested against 0."""
        number, one = self.explanation.n_independent, self.explanation
        unknown = one.interval_of == "draw" and bool((number == 0).any())
        return one.signed and self.has_errors and not bool((number == 1).any()) and not unknown

    def each(self, variable: str, what: str) -> list[Floats]:
        """Values, errors or p-values of each item, float64, with the axes of an item.

        Args:
            variable: Name of the target variable.
            what: ``"values"``, ``"errors"`` or ``"p"``; p-values are NaN where nothing is tested.
        """
        saliency = self.explanation[variable]
        if what == "p":
            if not self.is_tested:
                return [np.full(one.shape, np.nan) for one in self.each(variable, "values")]
            found = self.explanation.p_values(variable)
            errors = self.each(variable, "errors")
            pairs = zip(_arrays(found), errors, strict=True)
            return [np.where(np.isfinite(error), p, np.nan) for p, error in pairs]
        return _arrays(saliency.values if what == "values" else saliency.std_error)

    def half_widths(self) -> dict[str, list[float]]:
        """Number of independent draws → half the width of the intervals, in standard errors."""
        found = {}
        of_draw = self.explanation.interval_of == "draw"
        for number in sorted(set(self.explanation.n_independent.tolist())):
            if number == 1 or (of_draw and number == 0):
                continue
            freedom = number - 1 if number else np.inf
            wider = np.sqrt(number + 1) if of_draw else 1.0
            found[str(number)] = [
                float(stats.t.ppf((1 + level) / 2, freedom) * wider) for level in LEVELS
            ]
        return found


def _arrays(values: Any) -> list[Floats]:
    return [one.detach().cpu().double().numpy() for one in values]


def methods_of(explanations: Any) -> list[Method]:
    """The explanations of a report.

    Raises:
        InputError: There is none, one is no explanation or holds NaN, or they are of different
            items, target variables or sizes.
    """
    if not isinstance(explanations, Mapping) or not explanations:
        raise InputError(
            f"a report needs a mapping title → explanation, got {brief(explanations, 60)}"
        )
    made = []
    for title, explanation in explanations.items():
        if not isinstance(explanation, Explanation):
            raise InputError(
                f"{brief(title, 40)} is {brief(explanation, 60)}; a report shows explanations"
            )
        made.append(Method(str(title), explanation))
    first = made[0]
    if not len(first.explanation):
        raise InputError("there is no item to report; explain at least one")
    for method in made:
        _check_finite(method)
        _check_same(first, method)
    return made


def _check_finite(method: Method) -> None:
    for name, saliency in method.explanation.saliency.items():
        if not bool(saliency.flat.isfinite().all()):
            raise InputError(
                f"the saliency of {name!r} in {brief(method.title, 40)} holds NaN or infinity, "
                f"which no colour can show; look for overflow in the model"
            )


def _check_same(first: Method, other: Method) -> None:
    one, two = first.explanation, other.explanation
    title = brief(other.title, 40)
    if len(one) != len(two):
        raise InputError(
            f"a report switches between explanations of the same items, but {title} has "
            f"{len(two)} and the first {len(one)}; choose the same by .loc[[...]]"
        )
    positions = list(range(len(one)))
    ids, others = list(one.ids), list(two.ids)
    # Items without names are called by their positions, which fit any names, but not the positions
    # of a selection.
    named = any(isinstance(name, str) for name in (*ids, *others))
    if ids != others and not (named and positions in (ids, others)):
        at = next(i for i, pair in enumerate(zip(ids, others, strict=True)) if pair[0] != pair[1])
        raise InputError(
            f"a report needs the same items in the same order, but item {at} is "
            f"{brief(ids[at], 40)} in the first explanation and {brief(others[at], 40)} in "
            f"{title}; choose the same by .loc[[...]]"
        )
    if set(one.saliency) != set(two.saliency):
        raise InputError(
            f"a report needs the same target variables, but {title} explains "
            f"{brief(', '.join(two.saliency), 60)} and the first "
            f"{brief(', '.join(one.saliency), 60)}; write a report for each"
        )
    for name, saliency in one.saliency.items():
        if _sizes(saliency) != _sizes(two.saliency[name]):
            raise InputError(
                f"the saliency of {name!r} has other sizes in {title} than in the first "
                f"explanation; pool both over the same groups, or write a report for each"
            )


def _sizes(saliency: Any) -> tuple[Any, ...]:
    counts = None if saliency.counts is None else tuple(saliency.counts.tolist())
    return tuple(saliency.flat.shape), counts
