"""Many rows as points: where points that would overlap lie, their colours, and which are hollow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from salience import Explanation
from salience.colors import DATA, GROUND, INK, MUTED, colormap
from salience_tabular.pictures.features import FeatureValues
from salience_tabular.pictures.panels import LEVEL, Array, has_errors, numbers

#: More points than these are drawn as pixels, also in SVG and PDF.
MANY = 3000


def uncertain(explanation: Explanation) -> NDArray[np.bool_] | None:
    """Whether the sign of each value is uncertain (p ≥ .05), shape (B, F); ``None``: not tested."""
    if not explanation.signed or not has_errors(explanation):
        return None
    # The 95 % interval holds 0 exactly where p is at least .05, and is quicker to get.
    low, high = (numbers(bound) for bound in explanation.interval(LEVEL))
    return ~((low > 0) | (high < 0))


def hollow_note(explanation: Explanation, marked: NDArray[np.bool_] | None) -> str:
    """What hollow points say, and how many there are; empty where none was tested."""
    if marked is None:
        return ""
    return (
        f"hollow: sign uncertain (p ≥ .05), where the 95 % interval of "
        f"{explanation.interval_about} holds 0: {int(marked.sum()):,} of {marked.size:,} points"
    )


def offsets(along: Array, diameter: float, length: float, room: float) -> Array:
    """Where points lie across their axis, so that they do not overlap while there is room.

    Args:
        along: Places along the axis, shape (B,).
        diameter: Diameter of a point.
        length: Length of the axis, in the unit of the diameter.
        room: Largest distance from the middle, in that unit; points come closer to each other where
            there are more of them than fit.

    Returns:
        Distances from the middle, shape (B,).
    """
    low, high = along.min(), along.max()
    n_bins = max(int(length / diameter), 1)
    span = (high - low) or 1.0
    place = np.minimum(((along - low) / span * n_bins).astype(int), n_bins - 1)
    order = np.argsort(place, kind="stable")
    counts = np.bincount(place, minlength=n_bins)
    rank = np.empty(len(along), dtype=int)
    rank[order] = np.arange(len(along)) - np.repeat(np.cumsum(counts) - counts, counts)
    step = np.minimum(diameter, 2 * room / np.maximum(counts, 1))[place]
    return np.where(rank % 2, 1.0, -1.0) * ((rank + 1) // 2) * step


def shades(held: FeatureValues | None, feature: int, n_rows: int) -> Array | None:
    """Where the values of a feature lie between low (0) and high (1), shape (B,).

    Numbers are cut at their 5 and 95 % quantiles, so that a few extreme ones do not make all others
    alike; categories are evenly spaced in their order.
    """
    if held is None:
        return None
    values = held.values[:, feature]
    names = held.categories[feature]
    if names is not None:
        return np.clip(values / max(len(names) - 1, 1), 0.0, 1.0)
    low, high = np.quantile(values, [0.05, 0.95])
    if low == high:
        low, high = values.min(), values.max()
    if low == high:
        return np.full(n_rows, 0.5)
    return np.clip((values - low) / (high - low), 0.0, 1.0)


@dataclass(frozen=True, eq=False)
class Points:
    """Points of many rows.

    Args:
        x: Places along the horizontal axis, shape (N,).
        y: Places along the vertical axis, shape (N,).
        colors: Colours: N colours with four channels, shape (N, 4), or one colour.
        hollow: Whether each point is hollow, bool of shape (N,).
        area: Area of a point, in square points.
    """

    x: Array
    y: Array
    colors: Any
    hollow: NDArray[np.bool_]
    area: float

    def draw(self, axes: Axes) -> None:
        """Draw the points; a hollow one has a white middle inside its colour.

        A dark edge keeps light colours apart from the ground.
        """
        style = {"rasterized": len(self.x) > MANY, "zorder": 4}
        edge = 0.35 if self.area < 12 else 0.6
        axes.scatter(
            self.x, self.y, s=self.area, c=self.colors, edgecolors=MUTED, linewidths=edge, **style
        )
        if self.hollow.any():
            inside = 0.36 * self.area
            x, y = self.x[self.hollow], self.y[self.hollow]
            axes.scatter(x, y, s=inside, c=GROUND, linewidths=0, **style | {"zorder": 4.5})


def area_of(n_rows: int) -> float:
    """Area of a point, in square points: smaller where there are more."""
    return float(np.clip(26.0 * (150 / max(n_rows, 1)) ** 0.4, 4.5, 26.0))


def data_colors(shade: Array) -> Any:
    """Colours of values between low (0) and high (1)."""
    return colormap(DATA)(shade)


def mark_row(axes: Axes, x: Array, y: Array, area: float) -> None:
    """Mark the points of one row by rings."""
    axes.scatter(
        x, y, s=area * 3.2 + 30, facecolors="none", edgecolors=INK, linewidths=1.3, zorder=6
    )
