"""Quadrature rules on [0, 1]."""

from __future__ import annotations

import torch
from torch import Tensor

from salience.calculators.legendre import gauss_legendre

RULES = ("gauss_legendre", "trapezoid", "midpoint")


def quadrature(rule: str, steps: int) -> tuple[Tensor, Tensor]:
    """Nodes in [0, 1] and weights that sum to 1 of a quadrature rule, float64 of shape (S,) each.

    Args:
        rule: One of :data:`RULES`.
        steps: Number of nodes S.
    """
    if rule == "gauss_legendre":
        nodes, weights = gauss_legendre(steps)
        return torch.from_numpy((nodes + 1) / 2), torch.from_numpy(weights / 2)
    if rule == "trapezoid":
        even = torch.full((steps,), 1 / (steps - 1), dtype=torch.float64)
        even[[0, -1]] /= 2
        return torch.linspace(0, 1, steps, dtype=torch.float64), even
    middle = (torch.arange(steps, dtype=torch.float64) + 0.5) / steps
    return middle, torch.full((steps,), 1 / steps, dtype=torch.float64)
