"""Integrated gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from salience.calculators.base import Attribution, Calculator
from salience.calculators.baselines import baseline_of, check_baseline
from salience.calculators.legendre import MAX_STEPS, gauss_legendre
from salience.errors import InputError, brief
from salience.intake import choice
from salience.model.probe import Values
from salience.scoring.score import Score

_RULES = ("gauss_legendre", "trapezoid", "midpoint")


@dataclass(frozen=True)
class IntegratedGradients(Calculator):
    """(x − b) · ∫₀¹ ∂f(b + α (x − b))/∂x dα (Sundararajan, Taly and Yan, 2017).

    The saliency of a row sums to f(x) − f(b), up to the error of the quadrature (completeness).

    Args:
        steps: Number of path points S.
        baseline: b: a number, a tensor, :class:`salience.PerItem`, :class:`salience.Mean`, or a
            mapping target variable → one of these.
        rule: ``"gauss_legendre"`` (exact for polynomials of degree 2 S − 1 in α),
            ``"trapezoid"`` (with both ends of the path, at half the weight) or ``"midpoint"``.

    Raises:
        InputError: The rule is unknown, or ``steps`` is too small for the rule.
    """

    steps: int = 32
    baseline: Any = 0.0
    rule: str = "gauss_legendre"

    def __post_init__(self) -> None:
        super().__post_init__()
        choice(self.rule, "rule", _RULES)
        fewest = 2 if self.rule == "trapezoid" else 1
        if not isinstance(self.steps, int) or not fewest <= self.steps <= MAX_STEPS:
            raise InputError(
                f"steps={brief(self.steps)}; {self.rule} needs a whole number from {fewest} to "
                f"{MAX_STEPS}"
            )

    @property
    def additive(self) -> bool:
        """True: the values are parts of a change of f."""
        return True

    def check(self, n_items: int, more: bool = False) -> None:
        """Raise InputError where a :class:`PerItem` baseline does not hold one value per item."""
        check_baseline(self.baseline, n_items, more)

    def __call__(self, score: Score, x: Values) -> Attribution:
        """Integrate the gradients at the path points of all rows, in passes within the budget."""
        base = baseline_of(self.baseline, score, x)
        span = {name: x[name] - base[name] for name in x}
        integral = {name: torch.zeros_like(v) for name, v in x.items()}
        device = next(iter(x.values())).device
        alphas, weights = (t.to(device) for t in quadrature(self.rule, self.steps))
        for part in score.split(self.steps):
            _, gradient = part.score.gradient(part.along(base, span, by=alphas))
            part.add_to(integral, gradient, weights)
        saliency = {name: span[name] * integral[name] for name in x}
        # Noise does not change the baseline, which is thus the same in all draws of an item.
        return Attribution(saliency, score.value(x), score.value_of_items(base))


def quadrature(rule: str, steps: int) -> tuple[Tensor, Tensor]:
    """Nodes in [0, 1] and weights that sum to 1 of a quadrature rule, float64 of shape (S,) each.

    Args:
        rule: A rule of :class:`IntegratedGradients`.
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
