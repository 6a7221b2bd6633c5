"""The plain gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from salience.calculators.base import Attribution, Calculator
from salience.model.probe import Values
from salience.scoring.score import Score
from salience.support.numerics import at_least_float32


@dataclass(frozen=True)
class Gradient(Calculator):
    """∂f(x)/∂x (Simonyan, Vedaldi and Zisserman, "Deep inside convolutional networks", 2014).

    Args:
        multiply_by_target: Return x · ∂f(x)/∂x instead ("gradient × input").
    """

    gradient_at_x: ClassVar[bool] = True

    multiply_by_target: bool = False

    @property
    def additive(self) -> bool:
        """Whether the gradient is multiplied by the target variable."""
        return self.multiply_by_target

    def __call__(self, score: Score, x: Values) -> Attribution:
        """Compute the gradient of all rows, by one backward pass where they fit the budget."""
        value, gradient = score.gradient(x)
        if self.multiply_by_target:
            gradient = {name: at_least_float32(g) * x[name] for name, g in gradient.items()}
        return Attribution(gradient, value)
