"""Mean and variance over a stream of draws, in one pass."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Moments:
    """Count, mean and sum of squared deviations of draws.

    Blocks are joined by the update of Chan, Golub and LeVeque ("Updating formulae and a pairwise
    algorithm for computing sample variances", 1979), which does not lose digits by cancellation
    and never gives a negative variance. They are kept in float64, since what a draw adds to the
    mean of many is below the precision of the draw.

    Args:
        count: Number of draws M.
        mean: Their mean, in float64 from the second draw on.
        squares: Σ (draw − mean)², shape of the mean.
        dtype: Precision of the draws.
    """

    count: int
    mean: Tensor
    squares: Tensor
    dtype: torch.dtype

    @staticmethod
    def of(draw: Tensor) -> Moments:
        """Moments of one draw."""
        return Moments(1, draw.clone(), draw.new_zeros(()).expand_as(draw), draw.dtype)

    def add(self, draw: Tensor) -> Moments:
        """Moments with one more draw (Welford, "Note on a method for calculating", 1962)."""
        count = self.count + 1
        before = _wide(self.mean)
        delta = draw - before
        mean = torch.add(before, delta, alpha=1 / count)
        squares = torch.addcmul(_wide(self.squares), delta, draw - mean)
        return Moments(count, mean, squares, self.dtype)

    def merge(self, other: Moments) -> Moments:
        """Moments of both sets of draws together."""
        count = self.count + other.count
        one, two = _wide(self.mean), _wide(other.mean)
        delta = two - one
        mean = one + delta * (other.count / count)
        squares = _wide(self.squares) + _wide(other.squares)
        squares += delta.square_() * (self.count * other.count / count)
        return Moments(count, mean, squares, self.dtype)

    def variance(self) -> Tensor:
        """Sample variance (divided by M − 1); NaN for a single draw."""
        if self.count < 2:
            return self.mean.new_full((), torch.nan).expand_as(self.mean)
        return self.squares / (self.count - 1)

    def std_error(self) -> Tensor:
        """Standard error of the mean, √(variance / M); NaN for a single draw."""
        if self.count < 2:
            return self.variance()
        return (self.variance() / self.count).sqrt_()


def _wide(values: Tensor) -> Tensor:
    """In float64; Apple's devices have none."""
    return values if values.device.type == "mps" else values.double()
