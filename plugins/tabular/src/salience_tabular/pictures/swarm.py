"""Many rows as points: where points that would overlap lie, their colours, and which are hollow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from numpy.typing import NDArray

from salience import Explanation
from salience.colors import DATA, GROUND, INK, colormap
from salience_tabular.held import FeatureValues
from salience_tabular.pictures.panels import LEVEL, Array, has_errors, numbers

#: More points than these are drawn as pixels, also in SVG and PDF.
MANY = 3000
#: Colour of values that have no order.
UNORDERED = "#8c8c8c"
# Largest luminance of an edge; a little below that of 3 : 1, for the rounding of the power.
_LIGHTEST = 0.28


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
    if not marked.any():
        return (
            f"all signs are certain (p < .05), the 95 % intervals of {explanation.interval_about} "
            f"leave out 0"
        )
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
        room: Largest distance from the middle, in that unit; all points come closer to each other
            where more of them lie in one place than fit, so that the outline shows how many.

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
    step = min(diameter, 2 * room / counts.max())
    side = np.where(rank % 2, 1.0, -1.0)
    away: Array = side * ((rank + 1) // 2) * step
    return away


def has_no_order(held: FeatureValues | None, feature: int) -> bool:
    """Whether the values of a feature are more than two categories."""
    names = None if held is None else held.categories[feature]
    return names is not None and len(names) > 2


def shades(held: FeatureValues | None, feature: int, n_rows: int) -> Array | None:
    """Where the values of a feature lie between low (0) and high (1), shape (B,).

    Numbers are cut at their 5 and 95 % quantiles, so that a few extreme ones do not make all others
    alike; categories are evenly spaced in their order.
    """
    if held is None:
        return None
    values: NDArray[np.float64] = held.values[:, feature].astype(np.float64)
    names = held.categories[feature]
    if names is not None:
        place: Array = np.clip(values / max(len(names) - 1, 1), 0.0, 1.0)
        return place
    low, high = np.quantile(values, [0.05, 0.95])
    if low == high:
        low, high = values.min(), values.max()
    if low == high:
        return np.full(n_rows, 0.5)
    shade: Array = np.clip((values - low) / (high - low), 0.0, 1.0)
    return shade


@dataclass(frozen=True, eq=False)
class Points:
    """Points of many rows.

    Args:
        x: Places along the horizontal axis, shape (N,).
        y: Places along the vertical axis, shape (N,).
        colors: Colours with four channels, shape (N, 4).
        hollow: Whether each point is hollow, bool of shape (N,).
        area: Area of a point, in square points.
    """

    x: Array
    y: Array
    colors: Array
    hollow: NDArray[np.bool_]
    area: float

    def draw(self, axes: Axes) -> None:
        """Draw the points, each over those before it, whether it is hollow or not."""
        edges: Any = dark_enough(self.colors)
        faces = np.where(self.hollow[:, None], to_rgba(GROUND), self.colors)
        width = 0.18 * np.sqrt(self.area)
        axes.scatter(
            self.x,
            self.y,
            s=self.area,
            c=faces,
            edgecolors=edges,
            linewidths=width,
            rasterized=len(self.x) > MANY,
            zorder=4,
        )


def dark_enough(colors: Array) -> Array:
    """Colours of edges: light ones darkened to a contrast of 3 : 1 on the ground.

    The contrast of a luminance L on white is 1.05 / (L + 0.05) (Web Content Accessibility
    Guidelines 2.2), and luminance is about the 2.4-th power of a colour's channels.
    """
    channels = colors[:, :3]
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    luminance = linear @ np.array([0.2126, 0.7152, 0.0722])
    factor = np.minimum(1.0, _LIGHTEST / np.maximum(luminance, 1e-9)) ** (1 / 2.2)
    made = np.array(colors)
    made[:, :3] = channels * factor[:, None]
    return made


def area_of(n_rows: int) -> float:
    """Area of a point, in square points: smaller where there are more."""
    return float(np.clip(26.0 * (150 / max(n_rows, 1)) ** 0.45, 4.0, 26.0))


def data_colors(shade: Array) -> Any:
    """Colours of values between low (0) and high (1)."""
    return colormap(DATA)(shade)


def mark_row(axes: Axes, x: Array, y: Array, area: float) -> None:
    """Mark the points of one row by rings."""
    axes.scatter(
        x, y, s=area * 3.2 + 30, facecolors="none", edgecolors=INK, linewidths=1.3, zorder=6
    )
