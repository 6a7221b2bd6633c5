"""What a panel shows of the features: values, their intervals, and which signs are uncertain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from salience import Explanation, InputError, is_placeholder, score_name
from salience.scalers import Scaler, Scaling, get_scaler

Array = NDArray[np.floating[Any]]
#: Lower and upper bounds, shape (F,) each.
Interval = tuple[Array, Array]
#: Levels of the intervals, the widest first; marks are hollow where p is at least 1 − LEVEL.
LEVEL, INNER = 0.95, 0.66


@dataclass(frozen=True, eq=False)
class Panel:
    """One panel.

    Args:
        values: Value of each feature, shape (F,).
        intervals: Intervals of the values, the widest first.
        hollow: Whether the sign of each value is uncertain, bool of shape (F,); ``None`` where it
            was not tested.
        notes: What lines and hollow marks say, in words.
        label: What the values are, for the axis.
        signed: Whether the values have signs.
        found: Number of features that differ from 0 at a false discovery rate of 5 %.
    """

    values: Array
    intervals: Sequence[Interval] = ()
    hollow: NDArray[np.bool_] | None = None
    notes: tuple[str, ...] = ()
    label: str = "saliency"
    signed: bool = True
    found: int | None = None

    def scaled(self, scaling: Scaling) -> Panel:
        """The panel with scaled values and bounds."""
        bounds = [_scaled(scaling, interval) for interval in self.intervals]
        return replace(self, values=scaling(self.values), intervals=bounds)

    def of(self, order: NDArray[np.intp]) -> Panel:
        """The panel of some of the features, in an order."""
        bounds = [(low[order], high[order]) for low, high in self.intervals]
        hollow = None if self.hollow is None else self.hollow[order]
        return replace(self, values=self.values[order], intervals=bounds, hollow=hollow)

    def reach(self) -> tuple[float, float]:
        """The smallest and the largest of 0, the values and the known bounds."""
        ends = [self.values, *(bound for interval in self.intervals for bound in interval)]
        known = np.concatenate([[0.0], *(end[np.isfinite(end)] for end in ends)])
        return float(known.min()), float(known.max())


def of_item(
    explanation: Explanation, item: int, levels: Sequence[float] = (LEVEL,), name: str = ""
) -> Panel:
    """The panel of one row: its saliency with intervals, hollow where p ≥ .05.

    Args:
        explanation: The explanation.
        item: Position of the row.
        levels: Levels of the intervals, the widest first.
        name: What the values are, for the axis.
    """
    one = explanation.item(item)
    values, label = numbers(one.values[0]), name or value_label(explanation)
    if not has_errors(one):
        return Panel(values, label=label, signed=one.signed)
    shown = " and ".join(f"{100 * level:.0f}" for level in reversed(levels))
    intervals = []
    for level in levels:
        low, high = one.interval(level)
        intervals.append((numbers(low[0]), numbers(high[0])))
    plural = "s" if len(levels) > 1 else ""
    notes = [f"lines: {shown} % interval{plural} of {one.interval_about}"]
    hollow, found = None, None
    if one.signed:
        hollow = numbers(one.p_values()[0]) >= 1 - LEVEL
        found = int(one.significant(1 - LEVEL)[0].sum())
        notes.append("hollow: sign uncertain (p ≥ .05)" if hollow.any() else "")
        notes.append(f"{found} of {len(values)} at FDR 5 %")
    kept = tuple(filter(None, notes))
    return Panel(values, intervals, hollow, kept, label=label, signed=one.signed, found=found)


def of_mean(explanation: Explanation, of: str, name: str = "") -> Panel:
    """The panel of the mean over rows, with its intervals over rows and over draws.

    Args:
        explanation: The explanation.
        of: ``"value"`` or ``"magnitude"``, as in :meth:`salience.Explanation.mean`.
        name: What the values are, for the axis.
    """
    values = numbers(explanation.mean(of))
    intervals, notes = [], []
    if len(explanation) > 1:
        low, high = explanation.mean_interval(LEVEL, "items", of)
        intervals.append((numbers(low), numbers(high)))
        notes.append(": 95 % interval over rows")
    if has_errors(explanation):
        low, high = explanation.mean_interval(LEVEL, "draws", of)
        intervals.append((numbers(low), numbers(high)))
        notes.append(_about_draws(explanation, of))
    kinds = ("lines",) if len(notes) == 1 else ("thin lines", "thick lines")
    notes = [f"{kind}{note}" for kind, note in zip(kinds, notes, strict=False)]
    what = name or value_label(explanation)
    label = {
        ("magnitude", True): f"mean |{what}|",
        ("value", True): f"mean {what}, signed: opposites cancel",
    }.get((of, explanation.signed), f"mean {what}")
    signed = explanation.signed and of == "value"
    return Panel(values, intervals, None, tuple(notes), label=label, signed=signed)


def _about_draws(explanation: Explanation, of: str) -> str:
    """What the interval over draws is of, as ``Explanation.mean_interval`` has it."""
    about, which = explanation.interval_about, " (signed)"
    if not explanation.signed:
        which = ""
    elif of == "magnitude":
        about, which = "the mean over draws, less what noise adds", " (magnitudes)"
    return f", for these rows: 95 % interval of {about}{which}"


def has_errors(explanation: Explanation) -> bool:
    """Whether intervals can be had: there are errors, and it is known of how many draws."""
    if not bool(explanation.only.flat_error.isfinite().any()):
        return False
    try:
        explanation.iloc[0].interval(LEVEL)
    except InputError:  # an aggregator that measures spread, or an unknown number of draws
        return False
    return not bool((explanation.n_independent == 1).any())


def value_label(explanation: Explanation) -> str:
    """What single values are, in a word or two."""
    if explanation.is_complete and explanation.signed:
        return "contribution"
    name = explanation.provenance.get("aggregator", {}).get("name", "raw")
    return "saliency" if name == "raw" or is_placeholder(name) else f"saliency ({name})"


def unit_label(explanation: Explanation, name: str = "", unit: str = "") -> str:
    """In which units unscaled values are."""
    if explanation.is_complete:
        f = score_name(explanation, name, unit)
        return f"to {f}" if explanation.signed else f"in units of {f}"
    return "as computed"


def numbers(values: Tensor) -> Array:
    """A tensor as an array of float64."""
    return values.detach().cpu().double().numpy()


#: What scaled values are of, by the scaler's name; ``{}`` is what the scaler saw.
_SCALED = {
    "abs_max": "largest magnitude of {} = 1",
    "normalize": "magnitudes of {} sum to 1",
    "min_max": "from smallest to largest of {}",
}


def scaled_words(scaler: str | Scaler, of: str) -> str:
    """How values are scaled, in words; empty where they are not.

    Args:
        scaler: The scaler.
        of: What the scaler saw.
    """
    if scaler == "identity":
        return ""
    known = _SCALED.get(scaler, "scaled") if isinstance(scaler, str) else "scaled"
    return known.format(of)


def scaling_of(scaler: str | Scaler, panels: Sequence[Panel], values: Array | None) -> Scaling:
    """The scaling of panels that share it.

    Args:
        scaler: The scaler.
        panels: The panels.
        values: All values that the scaler is to see; those of the panels where ``None``.
    """
    if values is None:
        values = np.concatenate([panel.values for panel in panels])
    return get_scaler(scaler)(values)


def _scaled(scaling: Scaling, interval: Interval) -> Interval:
    low, high = scaling(interval[0]), scaling(interval[1])
    return np.minimum(low, high), np.maximum(low, high)
