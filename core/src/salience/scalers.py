"""Scalers: functions that bring saliency to a common range before it is drawn.

A scaler takes values and returns a :class:`Scaling`, an affine map. The same scaling is then
applied to the values, to their standard errors and, in a grid on a shared scale, to other items.
Any function ``values -> Scaling`` can be passed where a scaler is expected.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salience.errors import InputError, brief, nearest

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
        """Scale standard errors of any shape, by ``|factor|``: an offset leaves them unchanged."""
        return std_error * abs(self.factor)


Scaler = Callable[[Array], Scaling]


def min_max(values: Array) -> Scaling:
    """Map values to [0, 1]: the smallest to 0, the largest to 1. Constant values map to 0."""
    low, high = float(values.min()), float(values.max())
    factor = 1.0 / (high - low) if high > low else 1.0
    return Scaling(factor, -low * factor)


def abs_max(values: Array) -> Scaling:
    """Divide values by their largest magnitude: to [-1, 1], with zero and the signs kept."""
    peak = float(np.abs(values).max())
    return Scaling(1.0 / peak if peak > 0 else 1.0)


def normalize(values: Array) -> Scaling:
    """Divide values by the sum of their magnitudes; signs are kept, and all zeros stay zeros."""
    total = float(np.abs(values).sum())
    return Scaling(1.0 / total if total > 0 else 1.0)


def identity(values: Array) -> Scaling:
    """Leave the values unchanged."""
    return Scaling()


def watched(
    function: Callable[..., Any], name: str, expected: str, fits: Callable[[Any], bool]
) -> Callable[..., Any]:
    """A function of the user's that is called with the user's mistakes told in a sentence.

    Args:
        function: The function.
        name: Name of the setting that holds it.
        expected: What it is to return, for the error.
        fits: Whether it returned that.

    Returns:
        The function, which raises InputError where the user's raises, or returns something else.
    """

    def call(*values: Any) -> Any:
        try:
            found = function(*values)
        except Exception as error:  # the user's function may raise anything
            why = f"{type(error).__name__}: {brief(error)}"
            raise InputError(
                f"the {name} {brief(function)} raised {why}; let it return {expected}"
            ) from error
        if not fits(found):
            raise InputError(
                f"the {name} {brief(function)} returned {brief(found)}; let it return {expected}"
            )
        return found

    return call


_SCALERS: dict[str, Scaler] = {
    "min_max": min_max,
    "abs_max": abs_max,
    "normalize": normalize,
    "identity": identity,
}


def get_scaler(scaler: str | Scaler) -> Scaler:
    """Look up a scaler by name; a function of the user's is called as :func:`watched` says.

    Raises:
        InputError: The name is unknown, or the scaler is a class.
    """
    if callable(scaler) and not isinstance(scaler, type):
        return watched(scaler, "scaler", "a Scaling", lambda found: isinstance(found, Scaling))
    if not isinstance(scaler, str) or scaler not in _SCALERS:
        raise InputError(f"unknown scaler {brief(scaler)}; {nearest(scaler, _SCALERS)}")
    return _SCALERS[scaler]
