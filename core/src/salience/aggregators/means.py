"""Aggregators that average draws: of the saliency, its magnitude, square or sign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from salience.aggregators.base import Aggregator, in_precision
from salience.aggregators.moments import ClusteredMoments, Moments


@dataclass(frozen=True)
class Raw(Aggregator):
    """Mean of the saliency over draws; the sign and the completeness are kept."""

    signed: ClassVar[bool] = True


@dataclass(frozen=True)
class Abs(Aggregator):
    """Mean of magnitudes, |saliency|."""

    of_magnitudes: ClassVar[bool] = True

    def transform(self, draws: Tensor) -> Tensor:
        """The magnitudes of the draws, |saliency|."""
        return draws.abs()


@dataclass(frozen=True)
class Square(Aggregator):
    """Mean of squares, saliency²: the sensitivity that chainer-chemistry averages over data."""

    of_magnitudes: ClassVar[bool] = True

    def transform(self, draws: Tensor) -> Tensor:
        """The squares of the draws, saliency²."""
        return draws.square()


@dataclass(frozen=True)
class Sign(Aggregator):
    """Mean sign of the draws, from −1 to 1: share of positive draws − share of negative draws.

    The mean sign measures how stable the sign is: where no draw is 0, a share of
    (1 + |mean sign|) / 2 of the draws has the majority's sign. The standard error is computed with
    one added draw of each sign (Agresti and Coull, "Approximate is better than exact", 1998), so
    that it is not 0 where a few draws agree. The added draws do not change the mean sign returned.
    """

    def reduce(self, draws: Tensor, axes: tuple[int, ...]) -> Tensor:
        """The sign of each draw after summing over ``axes``."""
        return super().reduce(draws, axes).sign()

    def finalize(self, state: Any) -> tuple[Tensor, Tensor]:
        """The mean sign and its standard error; the error is NaN for a single independent draw."""
        drawn = state.means if isinstance(state, ClusteredMoments) else state
        if drawn.count < 2:
            return super().finalize(state)
        nothing = torch.zeros_like(drawn.mean)
        either = Moments(2, nothing, nothing + 2, state.dtype)
        return in_precision(state, state.mean, drawn.merge(either).std_error())
