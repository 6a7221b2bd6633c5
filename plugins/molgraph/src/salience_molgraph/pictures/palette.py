"""Colour maps: functions from a number in [-1, 1] to red, green and blue in [0, 1]."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any

import numpy as np

from salience import colors
from salience.errors import InputError, brief, nearest
from salience.scalers import watched

Color = tuple[float, float, float]
ColorFn = Callable[[float], Color]

#: Colours from 0 to the largest magnitude, for saliency without signs.
_MAGNITUDES = (colors.GROUND, "#9db4c6", colors.PLAIN)


def get_color_fn(color_fn: Any) -> ColorFn:
    """Look up a colour map by name, or make one of matplotlib's maps or of a function.

    Args:
        color_fn: A name of :data:`salience.colors.DIVERGING` or, where matplotlib is installed, of
            one of its maps; a map of matplotlib, whose middle is at 0; or a function from [-1, 1]
            to red, green and blue, of which mistakes are told when it is called.

    Raises:
        InputError: The name is unknown.
    """
    if _is_colormap(color_fn):
        return lambda value: _plain(color_fn((value + 1) / 2))
    if callable(color_fn) and not isinstance(color_fn, type):
        made = watched(color_fn, "color_fn", "red, green and blue", _is_color)
        return lambda value: _plain(made(value))
    if isinstance(color_fn, str) and color_fn in colors.DIVERGING:
        return _between([colors.rgb(stop) for stop in colors.diverging(color_fn)])
    try:
        return get_color_fn(colors.colormap(color_fn))
    except ImportError:
        raise InputError(
            f"unknown colour map {brief(color_fn)}; {nearest(color_fn, colors.DIVERGING)}; other "
            f"names are those of matplotlib, which is not installed"
        ) from None


def magnitudes() -> ColorFn:
    """The colour map of saliency without signs, from white at 0 and below."""
    stops = [colors.rgb(stop) for stop in _MAGNITUDES]
    return _between([stops[0]] * (len(stops) - 1) + stops)


def to_hex(color: Color) -> str:
    """Convert a colour to hexadecimal text: ``(1, 0, 0)`` to ``"#FF0000"``."""
    red, green, blue = (round(255 * min(max(c, 0.0), 1.0)) for c in color)
    return f"#{red:02X}{green:02X}{blue:02X}"


def _between(stops: Sequence[Color]) -> ColorFn:
    """Linear interpolation between colours at evenly spaced places from -1 to 1."""
    last = len(stops) - 1

    def interpolate(value: float) -> Color:
        place = min(max((value + 1) / 2 * last, 0.0), float(last))
        at = min(int(place), last - 1)
        share = place - at
        low, high = stops[at], stops[at + 1]
        return (
            low[0] + share * (high[0] - low[0]),
            low[1] + share * (high[1] - low[1]),
            low[2] + share * (high[2] - low[2]),
        )

    return interpolate


def _is_colormap(color_fn: Any) -> bool:
    """Whether it is a map of matplotlib, told without importing matplotlib."""
    bases = type(color_fn).__mro__
    return any(c.__name__ == "Colormap" and c.__module__ == "matplotlib.colors" for c in bases)


def _is_color(found: Any) -> bool:
    plain = found.tolist() if isinstance(found, np.ndarray) else found
    sized = isinstance(plain, tuple | list) and len(plain) in (3, 4)
    return sized and all(map(is_finite, plain))


def _plain(color: Any) -> Color:
    red, green, blue = (float(c) for c in tuple(color)[:3])
    return red, green, blue


def is_finite(value: Any) -> bool:
    """Whether a value is a number that can be drawn."""
    return isinstance(value, Real) and math.isfinite(value)
