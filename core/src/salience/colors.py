"""Colours that all pictures share, so that one colour means one thing in every domain.

Blue and vermilion are those of Okabe and Ito's palette ("Color universal design", 2008), which are
told apart in every kind of colour blindness. On :data:`GROUND`, marks have a contrast of 3 : 1 or
more and text one of 4.5 : 1 or more, as the Web Content Accessibility Guidelines 2.2 ask
(criteria 1.4.11 and 1.4.3). Data (a photo's pixels, a feature's value) are shown in viridis.
"""

from __future__ import annotations

from typing import Any

from salience.errors import InputError, brief, nearest

#: What pictures are drawn on.
GROUND = "#ffffff"
#: Text and the lines that matter.
INK = "#24292f"
#: Text that explains: notes, units, axis labels of minor weight.
MUTED = "#5c6370"
#: Axes, ticks and lines at 0.
LINE = "#868b94"
#: Saliency above 0, saliency below 0, and saliency without sign.
POSITIVE, NEGATIVE, PLAIN = "#d55e00", "#0072b2", "#33658a"
#: Text in the colours of the signs.
POSITIVE_TEXT, NEGATIVE_TEXT = "#a84a00", "#005f94"
#: Marks whose sign is uncertain.
UNCERTAIN = "#767b85"

#: Name → colours at evenly spaced places from −1 to 1; the one in the middle stands for 0.
DIVERGING: dict[str, tuple[str, ...]] = {
    "blue_vermilion": ("#0072b2", "#84b9dc", "#ffffff", "#f0ab85", "#d55e00"),
    # The pure blue and red of the first saliency module for molecules.
    "bwr": ("#0000ff", "#ffffff", "#ff0000"),
    # ColorBrewer's RdBu and PuOr, turned so that positive is warm.
    "RdBu_r": (
        "#053061",
        "#2166ac",
        "#4393c3",
        "#92c5de",
        "#d1e5f0",
        "#ffffff",
        "#fddbc7",
        "#f4a582",
        "#d6604d",
        "#b2182b",
        "#67001f",
    ),
    "PuOr_r": (
        "#2d004b",
        "#542788",
        "#8073ac",
        "#b2abd2",
        "#d8daeb",
        "#ffffff",
        "#fee0b6",
        "#fdb863",
        "#e08214",
        "#b35806",
        "#7f3b08",
    ),
}
#: The map of signed saliency, and the one of data, by default.
SIGNED, DATA = "blue_vermilion", "viridis"


def diverging(name: str = SIGNED) -> tuple[str, ...]:
    """Colours of a diverging map, at evenly spaced places from −1 to 1.

    Raises:
        InputError: There is no such map.
    """
    if not isinstance(name, str) or name not in DIVERGING:
        raise InputError(f"unknown colour map {brief(name)}; {nearest(name, DIVERGING)}")
    return DIVERGING[name]


def colormap(name: Any = SIGNED) -> Any:
    """A colour map of matplotlib: one of :data:`DIVERGING`, one of matplotlib's, or an object.

    Args:
        name: Name of the map, or a map, which is returned as it is.

    Raises:
        InputError: There is no such map.
    """
    from matplotlib import colormaps
    from matplotlib.colors import Colormap, LinearSegmentedColormap

    if isinstance(name, Colormap):
        return name
    if isinstance(name, str) and name in DIVERGING and name not in colormaps:
        return LinearSegmentedColormap.from_list(name, DIVERGING[name])
    if not isinstance(name, str) or name not in colormaps:
        known = dict.fromkeys((*DIVERGING, *colormaps))
        raise InputError(f"unknown colour map {brief(name)}; {nearest(name, known)}")
    return colormaps[name]


def rgb(color: str) -> tuple[float, float, float]:
    """Red, green and blue, from 0 to 1, of a colour such as ``"#d55e00"``.

    Raises:
        InputError: The text is no such colour.
    """
    try:
        if not isinstance(color, str) or len(color) != 7 or color[0] != "#":
            raise ValueError
        red, green, blue = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    except ValueError:
        raise InputError(f"{brief(color)} is no colour; pass one such as '#d55e00'") from None
    return red, green, blue


def contrast(one: str, other: str = GROUND) -> float:
    """Contrast of two colours, from 1 (equal) to 21 (black and white).

    (L₁ + 0.05) / (L₂ + 0.05) with the relative luminances L₁ ≥ L₂ (Web Content Accessibility
    Guidelines 2.2, "contrast ratio").
    """
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(color: str) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb(color)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
