"""Aggregators that use the spread of draws: variance, mean + λ · std and mean / std."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from salience.aggregators.base import Aggregator, in_precision
from salience.aggregators.moments import Moments
from salience.errors import InputError, brief

# Its square must be a number too.
_LARGEST_FACTOR = 1e30


@dataclass(frozen=True)
class MeanPlusStd(Aggregator):
    """mean + λ · std over draws, the aggregate of BayesGrad (Akita et al., "BayesGrad", 2018).

    A positive λ raises uncertain values, a negative λ gives a lower bound. The standard error is
    that of M normal draws, whose mean and std are independent: std · √(1/M + λ²/(2 (M − 1))).

    Args:
        factor: λ, the weight of the standard deviation.

    Raises:
        InputError: λ is no number between −1e30 and 1e30.
    """

    min_draws: ClassVar[int] = 2
    independent: ClassVar[bool] = True

    factor: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not abs(self.factor) < _LARGEST_FACTOR:
            raise InputError(
                f"factor={brief(self.factor)}; pass a number of a size below {_LARGEST_FACTOR:g}"
            )

    def finalize(self, state: Moments) -> tuple[Tensor, Tensor]:
        """The value of mean + λ · std and its standard error."""
        std = state.variance().sqrt()
        parts = 1 / state.count + self.factor**2 / (2 * (state.count - 1))
        return in_precision(state, state.mean + self.factor * std, std * parts**0.5)


@dataclass(frozen=True)
class Variance(Aggregator):
    """Sample variance over draws: VarGrad (Adebayo et al., "Local explanation methods", 2018).

    The standard error is that of M normal draws, variance · √(2 / (M − 1)).
    """

    min_draws: ClassVar[int] = 2
    independent: ClassVar[bool] = True

    def finalize(self, state: Moments) -> tuple[Tensor, Tensor]:
        """The variance and its standard error."""
        variance = state.variance()
        return in_precision(state, variance, variance * (2 / (state.count - 1)) ** 0.5)


@dataclass(frozen=True)
class SignalToNoise(Aggregator):
    """mean / std over draws; 0 where all draws are 0.

    The standard error is that of the delta method for M normal draws, √(1/M + ratio²/(2 (M − 1))).
    Where all draws equal one value other than 0, the ratio would be infinite; it is clipped to
    ± the square root of the largest number of the draws' precision, so that its square is finite.
    """

    min_draws: ClassVar[int] = 2
    independent: ClassVar[bool] = True

    def finalize(self, state: Moments) -> tuple[Tensor, Tensor]:
        """The ratio mean / std and its standard error."""
        std = state.variance().sqrt()
        largest = torch.finfo(state.dtype).max ** 0.5
        ratio = torch.nan_to_num(state.mean / std, nan=0.0).clamp(-largest, largest)
        error = (1 / state.count + ratio.square() / (2 * (state.count - 1))).sqrt()
        return in_precision(state, ratio, error)
