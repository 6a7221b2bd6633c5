"""Nodes and weights of Gauss–Legendre quadrature, quick for many nodes, too."""

from __future__ import annotations

from typing import Any

import numpy as np

#: Most nodes of a path. A path that needs more has a jump, which no quadrature finds.
MAX_STEPS = 10_000
# Up to here the eigenvalues of the companion matrix are quick; their time grows as the cube.
_BY_EIGENVALUES = 256
# Newton's method doubles the right digits in each step; the first guess has four or more.
_NEWTON = 4


def gauss_legendre(number: int) -> tuple[Any, Any]:
    """Nodes in (−1, 1), ascending, and weights that sum to 2, float64 of shape (S,) each.

    For many nodes the zeros of the Legendre polynomial P_S are found by Newton's method from
    cos(π (i − 1/4) / (S + 1/2)), and the weights are 2 / ((1 − x²) P'_S(x)²) (Abramowitz and
    Stegun, 1964, 22.16.6 and 25.4.29).

    Args:
        number: Number of nodes S.
    """
    if number <= _BY_EIGENVALUES:
        return np.polynomial.legendre.leggauss(number)
    half = (number + 1) // 2
    angle = np.pi * (np.arange(1, half + 1) - 0.25) / (number + 0.5)
    x = np.cos(angle) * (1 - (number - 1) / (8.0 * number**3))
    for _ in range(_NEWTON):
        value, slope = _legendre(number, x)
        x = x - value / slope
    _, slope = _legendre(number, x)
    weights = 2 / ((1 - x * x) * slope**2)
    if number % 2:
        x[-1] = 0.0
    left = slice(None, half - number % 2)
    nodes = np.concatenate([-x[left], x[::-1]])
    return nodes, np.concatenate([weights[left], weights[::-1]])


def _legendre(number: int, x: Any) -> tuple[Any, Any]:
    """P_S(x) and its derivative, by the recurrence of three terms."""
    before, value = np.ones_like(x), x.copy()
    for k in range(2, number + 1):
        before, value = value, ((2 * k - 1) * x * value - (k - 1) * before) / k
    return value, number * (x * value - before) / (x * x - 1)
