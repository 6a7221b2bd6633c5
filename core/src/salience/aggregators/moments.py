"""Mean and variance over a stream of draws, in one pass."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

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
    def none() -> Moments:
        """Moments before the first draw."""
        nothing = torch.zeros(())
        return Moments(0, nothing, nothing, nothing.dtype)

    def add(self, draw: Tensor) -> Moments:
        """Moments with one more draw (Welford, "Note on a method for calculating", 1962)."""
        if self.count == 0:
            return Moments(1, draw.clone(), draw.new_zeros(()).expand_as(draw), draw.dtype)
        count = self.count + 1
        before = as_float64(self.mean)
        delta = draw - before
        mean = torch.add(before, delta, alpha=1 / count)
        squares = torch.addcmul(as_float64(self.squares), delta, draw - mean)
        return Moments(count, mean, squares, self.dtype)

    def merge(self, other: Moments) -> Moments:
        """Moments of both sets of draws together."""
        if not self.count or not other.count:
            return self if self.count else other
        count = self.count + other.count
        one, two = as_float64(self.mean), as_float64(other.mean)
        delta = two - one
        mean = one + delta * (other.count / count)
        squares = as_float64(self.squares) + as_float64(other.squares)
        squares += delta.square_() * (self.count * other.count / count)
        return Moments(count, mean, squares, self.dtype)

    def select(self, index: Tensor) -> Moments:
        """The moments of some of the items or elements."""
        return replace(self, mean=self.mean[index], squares=self.squares[index])

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


@dataclass(frozen=True)
class ClusteredMoments:
    """Moments of draws that come in groups, such as antithetic pairs, whose means are independent.

    Args:
        size: Draws of a group; they follow each other.
        open: Moments of the group that is not full yet.
        means: Moments of the means of full groups.
        spreads: Moments of the variances within full groups.
    """

    size: int
    open: Moments = field(default_factory=Moments.none)
    means: Moments = field(default_factory=Moments.none)
    spreads: Moments = field(default_factory=Moments.none)

    @property
    def mean(self) -> Tensor:
        """Mean of all the draws."""
        return self.means.mean

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the draws."""
        return self.means.dtype

    def add(self, draw: Tensor) -> ClusteredMoments:
        """With one more draw."""
        group = self.open.add(draw)
        if group.count < self.size:
            return replace(self, open=group)
        # Means of groups keep the digits that draws of low precision do not have.
        means, spreads = self.means.add(group.mean), self.spreads.add(group.variance())
        means = replace(means, dtype=group.dtype)
        return ClusteredMoments(self.size, means=means, spreads=spreads)

    def merge(self, other: ClusteredMoments) -> ClusteredMoments:
        """Groups of both; each must be full."""
        assert not self.open.count and not other.open.count
        means, spreads = self.means.merge(other.means), self.spreads.merge(other.spreads)
        return ClusteredMoments(self.size, means=means, spreads=spreads)

    def select(self, index: Tensor) -> ClusteredMoments:
        """The groups of some of the items or elements."""
        assert not self.open.count
        return replace(self, means=self.means.select(index), spreads=self.spreads.select(index))

    def std_error(self) -> Tensor:
        """Standard error of the mean, from how the means of groups spread; NaN for one group."""
        return self.means.std_error()

    def parts(self) -> dict[str, Tensor]:
        """The variance of a draw, by the law of total variance (analysis of variance, Fisher 1925).

        Returns:
            ``"parameters"``: between the groups, var(means) − mean(variances) / size, which is
            unbiased and so may be negative; ``"noise"``: within them; ``"total"``: their sum.
        """
        within = self.spreads.mean
        between = self.means.variance() - within / self.size
        return {"parameters": between, "noise": within, "total": between + within}


def as_float64(values: Tensor) -> Tensor:
    """In float64; Apple's devices have none."""
    return values if values.device.type == "mps" else values.double()
