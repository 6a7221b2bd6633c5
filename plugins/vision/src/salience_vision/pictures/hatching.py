"""Marks over a map: hatching where the sign is uncertain, contours of shares of draws."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from numpy.typing import NDArray

from salience import colors

#: Shares of draws at which contours are drawn.
SHARES = (0.5, 0.95)
# Fill and outline of the places in 50 and in 95 % of the draws.
_FILLS, _LINES = ("#e6b422", "#b5200d"), ("#8a6400", "#7a1f00")
_OPACITY = 0.75
# Width of an outline in points, and the share of a region that outlines may hide. Those of
# scattered places would hide their fill, and are left out.
_OUTLINE, _HIDDEN = 0.7, 0.4
# Hatching has about so many lines an inch, so that small pictures are not blackened.
_LINES_PER_INCH = 14


def hatch(axes: Axes, mask: NDArray[np.bool_]) -> None:
    """Draw diagonal lines over the places of a mask.

    The lines are pixels of an image, so that they end where the mask does, in any format of file.

    Args:
        axes: Axes that hold a map of the shape of the mask.
        mask: Which places are hatched, bool of shape (height, width).
    """
    height, width = mask.shape
    fine = max(1, round(600 / max(height, width)))  # subpixels, so that lines are thin
    rows, columns = np.indices((height * fine, width * fine))
    across = max(12, round(_LINES_PER_INCH * _inches(axes)))
    period = max(4, fine * max(height, width) // across)
    lines = (rows + columns) % period < max(1, period // 8)
    inside = np.repeat(np.repeat(mask, fine, 0), fine, 1)
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    axes.imshow(_painted(lines & inside, colors.INK, 0.75), extent=extent, interpolation="nearest")


def _painted(mask: NDArray[np.bool_], color: str, opacity: float) -> NDArray[np.uint8]:
    """The places of a mask in a colour, as red, green, blue and opacity from 0 to 255."""
    image = np.zeros((*mask.shape, 4), np.uint8)  # a quarter of the time of floats to draw
    image[..., :3] = np.rint(255 * np.array(colors.rgb(color)))
    image[..., 3] = mask * np.uint8(round(255 * opacity))
    return image


def _inches(axes: Axes) -> float:
    """Length of the longer side of axes."""
    figure = axes.get_figure()
    assert figure is not None
    return float(max(axes.bbox.width, axes.bbox.height) / figure.dpi)


def draw_shares(axes: Axes, shares: NDArray[Any]) -> None:
    """Fill the places that are among the top in 50 and in 95 % of the draws; outline regions.

    Args:
        axes: Axes that hold the photo.
        shares: Share of draws of each place, from 0 to 1, as large as the photo.
    """
    place = _inches(axes) / max(shares.shape)
    for share, fill, line, style in zip(SHARES, _FILLS, _LINES, ("dashed", "solid"), strict=True):
        inside = shares >= share
        if not inside.any():
            continue
        axes.imshow(_painted(inside, fill, _OPACITY), interpolation="nearest")
        hidden = _edge(inside) * _OUTLINE / 72 / place
        if inside.mean() < 1 and hidden <= _HIDDEN:
            axes.contour(inside, levels=[0.5], colors=[line], linewidths=_OUTLINE, linestyles=style)


def _edge(inside: NDArray[np.bool_]) -> float:
    """Share of the places of a mask with a neighbour at a side that is not in it."""
    inner = np.ones_like(inside)
    for axis in (0, 1):
        for step in (1, -1):
            beside = np.roll(inside, step, axis)
            ends = np.moveaxis(beside, axis, 0)
            ends[0 if step == 1 else -1] = True  # the photo's own edge is none
            inner &= beside
    return 1 - float((inner & inside).sum() / inside.sum())


def share_steps() -> tuple[ListedColormap, BoundaryNorm]:
    """Colours of the steps of a colour bar of shares: below 50 %, from 50 %, from 95 %."""
    grey = np.array([0.55, 0.55, 0.55])
    mixed = [grey]
    for fill in _FILLS:  # each lies over the one before it
        mixed.append(_OPACITY * np.array(colors.rgb(fill)) + (1 - _OPACITY) * mixed[-1])
    return ListedColormap(mixed), BoundaryNorm([0.0, *SHARES, 1.0], 3)


def share_words(shares: NDArray[Any]) -> str:
    """How many places are in 50 and in 95 % of the draws."""
    parts = [f"{100 * float((shares >= share).mean()):.1f}" for share in SHARES]
    return f"{parts[1]} % of places in ≥ 95 % of draws, {parts[0]} % in ≥ 50 %"
