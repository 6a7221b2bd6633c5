"""What a panel of bars shows: values, their intervals, and which of them are uncertain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from salience import Explanation
from salience.scalers import Scaler, Scaling, get_scaler

Array = NDArray[np.floating[Any]]
#: Lower and upper bounds, shape (F,) each.
Interval = tuple[Array, Array]
#: Level of the intervals; marks are hollow where p is at least 1 − LEVEL.
LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class Panel:
    """One panel of bars.

    Args:
        values: Length of each bar, shape (F,).
        intervals: Intervals of the values, the widest first.
        hollow: Whether the sign of each value is uncertain, bool of shape (F,), or ``None``.
        notes: What lines and hollow bars say, in words.
        label: What the values are, for the axis.
    """

    values: Array
    intervals: Sequence[Interval] = ()
    hollow: NDArray[np.bool_] | None = None
    notes: tuple[str, ...] = ()
    label: str = "saliency"


def of_item(explanation: Explanation, item: int, scaler: str | Scaler) -> Panel:
    """The panel of one row: its saliency with a 95 % interval, hollow where p ≥ .05."""
    one = explanation.item(item)
    values = numbers(one.values[0])
    scaling = get_scaler(scaler)(values)
    if not bool(one.only.flat_error.isfinite().any()):
        return Panel(scaling(values))
    low, high = one.interval(LEVEL)
    notes = [f"lines: 95 % interval of {one.interval_about}"]
    hollow = None
    if one.signed:
        hollow = numbers(one.p_values()[0]) >= 1 - LEVEL
        found = one.significant(1 - LEVEL)[0]
        notes.append("hollow: sign uncertain (p ≥ .05)" if hollow.any() else "")
        notes.append(f"{int(found.sum())} of {len(values)} features at FDR 5 %")
    bounds = scaled(scaling, (numbers(low[0]), numbers(high[0])))
    return Panel(scaling(values), [bounds], hollow, tuple(filter(None, notes)))


def of_mean(explanation: Explanation, scaler: str | Scaler, of: str) -> Panel:
    """The panel of the mean over rows, with its intervals over rows and over draws.

    Args:
        explanation: The explanation.
        scaler: As for :class:`BarPlot`.
        of: ``"value"`` or ``"magnitude"``, as in :meth:`salience.Explanation.mean`.
    """
    values = numbers(explanation.mean(of))
    scaling = get_scaler(scaler)(values)
    intervals, notes = [], []
    if len(explanation) > 1:
        low, high = explanation.mean_interval(LEVEL, "items", of)
        intervals.append(scaled(scaling, (numbers(low), numbers(high))))
        notes.append("thin lines: 95 % interval over rows (another sample of rows)")
    if bool(explanation.only.flat_error.isfinite().any()):
        low, high = explanation.mean_interval(LEVEL, "draws", of)
        intervals.append(scaled(scaling, (numbers(low), numbers(high))))
        notes.append(f"thick lines: 95 % interval of {explanation.interval_about}, for these rows")
    return Panel(scaling(values), intervals, None, tuple(notes), _label(explanation, of))


def numbers(values: Tensor) -> Array:
    """A tensor as an array of float64."""
    return values.detach().cpu().double().numpy()


def scaled(scaling: Scaling, interval: Interval) -> Interval:
    """The bounds of an interval, scaled as its value."""
    low, high = scaling(interval[0]), scaling(interval[1])
    return np.minimum(low, high), np.maximum(low, high)


def _label(explanation: Explanation, of: str) -> str:
    if not explanation.signed:
        return "mean saliency"
    return "mean |saliency|" if of == "magnitude" else "mean saliency, signed: opposites cancel"
