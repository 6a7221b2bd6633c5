"""Means over draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from salience.aggregators.base import Aggregator


@dataclass(frozen=True)
class Raw(Aggregator):
    """Mean of the saliency as it is: keeps signs, and completeness."""

    signed: ClassVar[bool] = True


@dataclass(frozen=True)
class Abs(Aggregator):
    """Mean of magnitudes, |saliency|."""

    def transform(self, draws: Tensor) -> Tensor:
        """The magnitudes."""
        return draws.abs()


@dataclass(frozen=True)
class Square(Aggregator):
    """Mean of squares, saliency²: the sensitivity of the seed's data-set means."""

    def transform(self, draws: Tensor) -> Tensor:
        """The squares."""
        return draws.square()


@dataclass(frozen=True)
class Sign(Aggregator):
    """Mean sign of the draws, from −1 to 1: the share of positive draws less that of negative ones.

    How stable the sign is: a share of (1 + |mean sign|) / 2 of the draws has the sign of most.
    """

    def reduce(self, draws: Tensor, axes: tuple[int, ...]) -> Tensor:
        """The sign of what is left when axes are summed."""
        return super().reduce(draws, axes).sign()
