"""Diverging colour maps: functions from a number in [-1, 1] to red, green and blue in [0, 1]."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np

from salience.errors import InputError, brief, nearest
from salience.scalers import watched

Color = tuple[float, float, float]
ColorFn = Callable[[float], Color]

#: Colours at evenly spaced stops from -1 to 1; white stands for 0 in all of them.
_STOPS: dict[str, str] = {
    # Blue and vermilion of Okabe and Ito's palette, distinguishable in every kind of colour
    # blindness; both are light enough for a black bond or letter on top.
    "blue_vermilion": "0072b2 84b9dc ffffff f0ab85 d55e00",
    # The pure blue and red of the first saliency module for molecules.
    "bwr": "0000ff ffffff ff0000",
    # ColorBrewer's RdBu and PuOr, turned so that positive is warm.
    "RdBu_r": "053061 2166ac 4393c3 92c5de d1e5f0 ffffff fddbc7 f4a582 d6604d b2182b 67001f",
    "PuOr_r": "2d004b 542788 8073ac b2abd2 d8daeb ffffff fee0b6 fdb863 e08214 b35806 7f3b08",
}


def get_color_fn(color_fn: str | ColorFn) -> ColorFn:
    """Look up a colour map by name; of a function of the user's, mistakes are told.

    Raises:
        InputError: The name is unknown.
    """
    if callable(color_fn) and not isinstance(color_fn, type):
        return watched(color_fn, "color_fn", "red, green and blue", _is_color)
    if not isinstance(color_fn, str) or color_fn not in _STOPS:
        raise InputError(f"unknown colour map {brief(color_fn)}; {nearest(color_fn, _STOPS)}")
    stops = _STOPS[color_fn].split()
    places = np.linspace(-1.0, 1.0, len(stops))
    channels = np.array([[int(s[i : i + 2], 16) / 255 for i in (0, 2, 4)] for s in stops]).T

    def interpolate(value: float) -> Color:
        red, green, blue = (float(np.interp(value, places, channel)) for channel in channels)
        return red, green, blue

    return interpolate


def _is_color(found: Any) -> bool:
    plain = found.tolist() if isinstance(found, np.ndarray) else found
    return isinstance(plain, tuple | list) and len(plain) == 3 and all(map(is_finite, plain))


def is_finite(value: Any) -> bool:
    """Whether a value is a number that can be drawn."""
    return isinstance(value, Real) and math.isfinite(value)


def to_hex(color: Color) -> str:
    """Convert a colour to hexadecimal text: ``(1, 0, 0)`` to ``"#FF0000"``."""
    return "#" + "".join(f"{min(max(round(255 * c), 0), 255):02X}" for c in color)
