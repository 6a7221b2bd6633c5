"""What a calculator is: it turns a score function and a point into saliency."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from salience.model.probe import Values
from salience.scoring.score import Score


@dataclass(frozen=True)
class Attribution:
    """Saliency of some rows.

    Args:
        saliency: Target variable → saliency, broadcastable to the variable's shape: an axis that
            the method does not resolve has length 1.
        score: f(x) of each row, shape (R,).
        baseline_score: f(baseline) of each row, shape (R,), for methods whose saliency sums to
            f(x) − f(baseline); else ``None``.
    """

    saliency: Values
    score: Tensor
    baseline_score: Tensor | None = None


class Calculator(ABC):
    """Turns a score and a point into saliency. A frozen dataclass of its parameters."""

    #: Whether this asks for the gradient at x itself. Where nothing moves x, the pass that predicts
    #: serves for it as well then.
    gradient_at_x: ClassVar[bool] = False

    def check(self, n_items: int, more: bool = False) -> None:  # noqa: B027 - most serve any
        """Raise InputError where this cannot serve a data set of that many items.

        Args:
            n_items: Number of items.
            more: Whether further items may follow, as in a stream.
        """

    @abstractmethod
    def __call__(self, score: Score, x: Values) -> Attribution:
        """Saliency of R rows at ``x``.

        Args:
            score: Gives values and gradients within the budget.
            x: Target variable → its values for all R rows; stays as it is.
        """
