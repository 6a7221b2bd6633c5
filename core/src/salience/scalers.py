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
    if not np.size(values):
        return Scaling()
    low, high = float(values.min()), float(values.max())
    factor = 1.0 / (high - low) if high > low else 1.0
    return Scaling(factor, -low * factor)


def abs_max(values: Array) -> Scaling:
    """Divide values by their largest magnitude: to [-1, 1], with zero and the signs kept."""
    peak = float(np.abs(values).max(initial=0.0))
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


def _is_scaled(found: Any) -> bool:
    return isinstance(found, Scaling) or hasattr(found, "__array__")


def _affine(scaler: Callable[[Array], Any]) -> Scaler:
    """The scaler of a function that may return the scaled values."""

    def call(values: Array) -> Scaling:
        if not np.size(values):  # a user's function may expect one
            return Scaling()
        found = scaler(values)
        if isinstance(found, Scaling):
            return found
        scaled = np.asarray(found, dtype=float)
        if scaled.shape != np.shape(values) or not np.isfinite(scaled).all():
            raise InputError(
                f"the scaler returned values of shape {scaled.shape} for {np.shape(values)}, or "
                f"some that are not finite; let it return a Scaling, or one number for each value"
            )
        return _fitted(np.ravel(values).astype(float), scaled.ravel())

    return call


def _fitted(values: Array, scaled: Array) -> Scaling:
    low, high = int(values.argmin()), int(values.argmax())
    width = float(values[high] - values[low])
    factor = float(scaled[high] - scaled[low]) / width if width > 0 else 1.0
    scaling = Scaling(factor, float(scaled[low]) - factor * float(values[low]))
    room = 1e-5 * max(float(np.abs(scaled).max()), float(np.ptp(scaled)))
    if not np.allclose(scaling(values), scaled, rtol=0, atol=room):
        raise InputError(
            "the scaler is not affine, so that standard errors cannot be scaled with the values; "
            "let it return values times one factor plus one offset, or a Scaling"
        )
    return scaling


_SCALERS: dict[str, Scaler] = {
    "min_max": min_max,
    "abs_max": abs_max,
    "normalize": normalize,
    "identity": identity,
}


def get_scaler(scaler: str | Scaler) -> Scaler:
    """Look up a scaler by name; a function of the user's is called as :func:`watched` says.

    A function may also return the scaled values, where it is affine: the same factor and the same
    offset for all values. Its :class:`Scaling`, by which errors are scaled, is found from them.

    Raises:
        InputError: The name is unknown, or the scaler is a class.
    """
    if callable(scaler) and not isinstance(scaler, type):
        return _affine(watched(scaler, "scaler", "a Scaling, or the scaled values", _is_scaled))
    if not isinstance(scaler, str) or scaler not in _SCALERS:
        raise InputError(f"unknown scaler {brief(scaler)}; {nearest(scaler, _SCALERS)}")
    return _SCALERS[scaler]
