"""Marks of features in axes: bars, and points with their intervals as lines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation
from numpy.typing import NDArray

from salience import number_words
from salience.colors import GROUND, INK, LINE, MUTED, NEGATIVE, PLAIN, POSITIVE
from salience_tabular.pictures.look import tidy
from salience_tabular.pictures.panels import Array, Interval, Panel

#: Size of the texts beside the panel in points.
VALUE = 8.5


def draw_bars(
    axes: Axes,
    names: Sequence[str],
    values: Array,
    intervals: Sequence[Interval] = (),
    *,
    hollow: NDArray[np.bool_] | None = None,
    color: str | None = None,
) -> None:
    """Draw horizontal bars into the caller's axes, with the first bar at the top.

    Args:
        axes: The matplotlib axes to draw into.
        names: A label for each bar.
        values: Length of each bar, shape (F,).
        intervals: Lower and upper bounds, shape (F,) each, of intervals that are drawn as lines:
            one in the middle of the bar; or two, the first thin in its upper half, the second
            thick in its lower half. A bound that is NaN has no line.
        hollow: Bars that are drawn as outlines, bool of shape (F,).
        color: One colour for all bars; where ``None``, positive and negative bars differ.
    """
    colors = sign_colors(values, color)
    outlined = np.zeros(len(values), bool) if hollow is None else hollow
    faces = [GROUND if empty else own for empty, own in zip(outlined, colors, strict=True)]
    at = np.arange(len(values))
    axes.barh(at, values, height=0.66, color=faces, edgecolor=colors, linewidth=1.2)
    places = (0.0,) if len(intervals) == 1 else (-0.14, 0.14)
    for interval, place, width in zip(intervals, places, (1.2, 2.8), strict=False):
        _line(axes, interval, INK, width, place)
    frame_features(axes, names)


def draw_points(
    axes: Axes, names: Sequence[str], panel: Panel, *, color: str | None, written: bool
) -> None:
    """Draw the features as points, with lines for their intervals, the first at the top.

    Args:
        axes: The axes.
        names: A label for each feature.
        panel: The values and their intervals, the widest first.
        color: One colour for all points; where ``None``, positive and negative points differ.
        written: Whether to write the values at the right.
    """
    values = panel.values
    colors = sign_colors(values, color, signed=panel.signed)
    for number, interval in enumerate(panel.intervals):
        _line(axes, interval, colors, 1.3 if number == 0 else 3.6)
    outlined = np.zeros(len(values), bool) if panel.hollow is None else panel.hollow
    faces = [GROUND if empty else own for empty, own in zip(outlined, colors, strict=True)]
    at = np.arange(len(values))
    axes.scatter(values, at, s=44, c=faces, edgecolors=colors, linewidths=1.6, zorder=5)
    frame_features(axes, names)
    guides(axes, len(values))
    if written:
        texts = value_texts(panel)
        write_beside(axes, texts, [MUTED] * len(texts))


def value_texts(panel: Panel) -> list[str]:
    """The value of each feature as text."""
    largest = float(np.abs(panel.values).max(initial=0.0))
    return [rounded(float(value), largest, sign=panel.signed) for value in panel.values]


def write_beside(
    axes: Axes, texts: Sequence[str], colors: Sequence[str], *, in_layout: bool = False
) -> None:
    """Write a text at the right of each line of the axes.

    Args:
        axes: The axes.
        texts: A text for each line.
        colors: Their colours.
        in_layout: Whether layout engines look at the texts, which takes much time. Where not, room
            is left by :func:`salience_tabular.pictures.look.leave_room`.
    """
    place = axes.get_yaxis_transform() + ScaledTranslation(8 / 72, 0, axes.figure.dpi_scale_trans)
    for y, (text, color) in enumerate(zip(texts, colors, strict=True)):
        written = axes.text(1.0, y, text, transform=place, va="center", fontsize=VALUE, color=color)
        written.set_in_layout(in_layout)


def guides(axes: Axes, number: int) -> None:
    """A faint line for each feature, from its name to its value."""
    y = np.repeat(np.arange(number, dtype=float), 3)
    y[2::3] = np.nan
    x = np.tile([0.0, 1.0, np.nan], number)
    place = axes.get_yaxis_transform()
    line = Line2D(x, y, color=LINE, linewidth=0.4, alpha=0.35, zorder=0, transform=place)
    axes.add_artist(line)  # without a look at the limits of the axes, which it does not move


def rounded(value: float, largest: float, *, sign: bool = False) -> str:
    """A number with the decimals that the largest of its column needs for three digits."""
    if not 1e-3 <= largest < 1e5 or not math.isfinite(value):
        return number_words(value, sign=sign)
    text = f"{value:+.{max(2 - math.floor(math.log10(largest)), 0)}f}"
    if not value or not float(text):  # what is not 0 must not read as 0
        return number_words(value, sign=sign)
    return (text if sign else text.lstrip("+")).replace("-", "−")


def sign_colors(values: Array, color: str | None = None, *, signed: bool | None = None) -> Any:
    """A colour for each value, by its sign.

    Args:
        values: The values.
        color: One colour for all.
        signed: Whether the values have signs; where ``None``, whether one is negative.
    """
    if color is not None:
        return [color] * len(values)
    if not (bool((values < 0).any()) if signed is None else signed):
        return [PLAIN] * len(values)
    return [POSITIVE if value >= 0 else NEGATIVE for value in values]


def frame_features(axes: Axes, names: Sequence[str]) -> None:
    """Ticks, limits and the line at 0 of axes with one line per feature."""
    if any(names):
        axes.tick_params(axis="y", length=0)  # before there are ticks to change
        axes.set_yticks(np.arange(len(names)), names)
    else:  # ticks without labels would still be drawn and measured
        axes.set_yticks([])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.locator_params(axis="x", nbins=5)
    tidy(axes)
    axes.axvline(0.0, color=LINE, linewidth=0.8, zorder=3)


def _line(axes: Axes, interval: Interval, color: Any, width: float, place: float = 0.0) -> None:
    low, high = interval
    at = np.arange(len(low)) + place
    known = np.isfinite(low) & np.isfinite(high)
    colors = (
        color if isinstance(color, str) else [c for c, k in zip(color, known, strict=True) if k]
    )
    if known.any():
        axes.hlines(at[known], low[known], high[known], color=colors, linewidth=width, zorder=4)
