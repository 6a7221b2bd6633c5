"""The colours of a page, those of all pictures of salience."""

from __future__ import annotations

from typing import Any

from salience import colors

#: Viridis at nine evenly spaced places, for maps and values of features.
VIRIDIS = (
    "#440154",
    "#472d7b",
    "#3b528b",
    "#2c728e",
    "#21918c",
    "#28ae80",
    "#5ec962",
    "#addc30",
    "#fde725",
)


def palette() -> dict[str, Any]:
    """Name → colour or colours, for the script of the page."""
    return {
        "negative": colors.NEGATIVE,
        "positive": colors.POSITIVE,
        "plain": colors.PLAIN,
        "map": VIRIDIS,
    }
