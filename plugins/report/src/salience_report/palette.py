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
#: The colours of signs on a dark ground: lighter, of the same hues.
ON_DARK = {"negative": "#58aee6", "positive": "#ee8a3e", "plain": "#7fb0d4"}


def palette() -> dict[str, Any]:
    """Name → colour or colours, for the script of the page."""
    light = {"negative": colors.NEGATIVE, "positive": colors.POSITIVE, "plain": colors.PLAIN}
    return {"light": light, "dark": ON_DARK, "map": VIRIDIS}
