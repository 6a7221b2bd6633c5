"""The base class of calculators, and the saliency that a calculator returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from salience.model.probe import Values
from salience.scoring.score import Score
from salience.shown import ShortRepr
from salience.support.settings import CheckedSettings


@dataclass(frozen=True)
class Attribution(ShortRepr):
    """Saliency of R rows, with the scores that it is compared with.

    Args:
        saliency: Target variable → saliency, broadcastable to the variable's shape: an axis that
            the method does not resolve has length 1.
        score: f(x) of each row, shape (R,).
        baseline_score: f(baseline) of each row, shape (R,), for methods whose saliency sums to
            f(x) − f(baseline); else ``None``.
        converged: Whether the integral of each row has converged, bool of shape (R,), for methods
            that integrate; else ``None``.
        n_points: Number of points at which the gradient of each row was taken, int64 of shape (R,),
            for methods that integrate; else ``None``.
    """

    saliency: Values
    score: Tensor
    baseline_score: Tensor | None = None
    converged: Tensor | None = None
    n_points: Tensor | None = None


class Calculator(CheckedSettings, ABC):
    """Computes saliency from a score and the values of the target variables.

    A subclass is a frozen dataclass whose fields are the parameters of the method.
    """

    #: Whether the calculator asks for the gradient at x itself. Without samplers, the engine then
    #: takes that gradient by the graph of the forward pass that predicts.
    gradient_at_x: ClassVar[bool] = False

    #: Whether the calculator asks for gradients; if not, target variables may hold integers.
    needs_gradient: ClassVar[bool] = True

    @property
    def additive(self) -> bool:
        """Whether the saliency of several positions adds up to that of all of them together.

        The values of the axes that are one variable (:attr:`salience.Layout.components`) are then
        summed before magnitudes are taken, so that a variable without effect has none, however
        many units its embedding has. A plain gradient does not add up.
        """
        return False

    def check(self, n_items: int, more: bool = False) -> None:
        """Raise InputError where the parameters do not fit the number of items.

        Args:
            n_items: Number of items in the data set, or in the part of a stream read so far.
            more: Whether further items may follow, as in a stream.
        """

    def settle(self, clean: Callable[[], tuple[Score, Values]]) -> Calculator:
        """Decide what all the draws of a batch share, such as the points of a path.

        The engine calls this once a batch where there are samplers, and computes the draws with
        the calculator that is returned. By default nothing is decided.

        Args:
            clean: Makes the score of the items without samplers, and their values. Row i of every
                draw belongs to the item ``score.rows.items[i]``, counted in this batch.
        """
        return self

    @abstractmethod
    def __call__(self, score: Score, x: Values) -> Attribution:
        """Compute the saliency of R rows at ``x``.

        Args:
            score: The function f, which gives values and gradients within the budget.
            x: Target variable → its values for all R rows; they are not changed.
        """
