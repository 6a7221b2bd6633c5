"""Means over draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from salience.aggregators.base import Aggregator, in_precision
from salience.aggregators.moments import ClusteredMoments, Moments


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

    How stable the sign is: a share of (1 + |mean sign|) / 2 of the draws has the sign of most. The
    standard error is that of the draws and one more of either sign (Agresti and Coull, "Approximate
    is better than exact", 1998), so that it is not 0 where a few draws agree.
    """

    def reduce(self, draws: Tensor, axes: tuple[int, ...]) -> Tensor:
        """The sign of what is left when axes are summed."""
        return super().reduce(draws, axes).sign()

    def finalize(self, state: Any) -> tuple[Tensor, Tensor]:
        """The mean sign, and its standard error."""
        drawn = state.means if isinstance(state, ClusteredMoments) else state
        if drawn.count < 2:
            return super().finalize(state)
        nothing = torch.zeros_like(drawn.mean)
        either = Moments(2, nothing, nothing + 2, state.dtype)
        return in_precision(state, state.mean, drawn.merge(either).std_error())
