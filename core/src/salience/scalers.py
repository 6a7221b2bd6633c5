"""Scalers: bring saliency to a common range before it is drawn.

A scaler looks at values and returns a :class:`Scaling`; the same scaling then serves the values,
their standard errors and, in a grid on a shared scale, other items. Any function of that form can
be passed where a scaler is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salience.errors import InputError, nearest

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Scaling:
    """The affine map ``factor · values + offset``."""

    factor: float = 1.0
    offset: float = 0.0

    def __call__(self, values: Array) -> Array:
        """Scale values of any shape."""
        return values * self.factor + self.offset

    def error(self, std_error: Array) -> Array:
        """Scale standard errors of any shape: the offset does not count."""
        return std_error * abs(self.factor)


Scaler = Callable[[Array], Scaling]


def min_max(values: Array) -> Scaling:
    """To [0, 1]: smallest value to 0, largest to 1. Constant values go to 0."""
    low, high = float(values.min()), float(values.max())
    factor = 1.0 / (high - low) if high > low else 1.0
    return Scaling(factor, -low * factor)


def abs_max(values: Array) -> Scaling:
    """To [-1, 1]: the largest magnitude to 1; zero and the signs stay."""
    peak = float(np.abs(values).max())
    return Scaling(1.0 / peak if peak > 0 else 1.0)


def normalize(values: Array) -> Scaling:
    """To magnitudes that sum to 1, so that signs stay; zeros stay zeros."""
    total = float(np.abs(values).sum())
    return Scaling(1.0 / total if total > 0 else 1.0)


def identity(values: Array) -> Scaling:
    """Leaves the values as they are."""
    return Scaling()


_SCALERS: dict[str, Scaler] = {
    "min_max": min_max,
    "abs_max": abs_max,
    "normalize": normalize,
    "identity": identity,
}


def get_scaler(scaler: str | Scaler) -> Scaler:
    """The scaler of that name, or the function itself.

    Raises:
        InputError: The name is unknown.
    """
    if callable(scaler):
        return scaler
    if not isinstance(scaler, str) or scaler not in _SCALERS:
        raise InputError(f"unknown scaler {scaler!r}; {nearest(scaler, _SCALERS)}")
    return _SCALERS[scaler]
