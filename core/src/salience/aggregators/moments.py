"""Running mean and variance over a stream of draws, independent or in dependent groups."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from salience.shown import ShortRepr


@dataclass(frozen=True)
class Moments(ShortRepr):
    """Count, mean and sum of squared deviations of draws.

    Blocks are joined by the update of Chan, Golub and LeVeque ("Updating formulae and a pairwise
    algorithm for computing sample variances", 1979), which does not lose digits by cancellation
    and never gives a negative variance. Mean and squares are kept in float64, since the change
    that one draw makes to the mean of many draws is below the precision of the draw.

    Args:
        count: Number of draws M.
        mean: Mean of the draws, in float64 from the second draw on.
        squares: Σ (draw − mean)², same shape as the mean.
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
        """The moments after one more draw (Welford, "Note on a method for calculating", 1962)."""
        if self.count == 0:
            return Moments(1, draw.clone(), draw.new_zeros(()).expand_as(draw), draw.dtype)
        count = self.count + 1
        before = as_float64(self.mean)
        delta = draw - before
        mean = torch.add(before, delta, alpha=1 / count)
        squares = torch.addcmul(as_float64(self.squares), delta, draw - mean)
        return Moments(count, mean, squares, self.dtype)

    def merge(self, other: Moments) -> Moments:
        """The moments of the draws of ``self`` and ``other``, taken together."""
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
        """The moments of the items or elements at ``index`` of the first axis."""
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
class ClusteredMoments(ShortRepr):
    """Moments of draws that come in groups, such as antithetic pairs.

    Draws within a group may depend on each other; the means of groups are independent.

    Args:
        size: Number of draws of a group; the draws of a group are consecutive.
        open: Moments of the draws of the group that is not yet full.
        means: Moments, over full groups, of the groups' means.
        spreads: Moments, over full groups, of the sample variances within the groups.
    """

    size: int
    open: Moments = field(default_factory=Moments.none)
    means: Moments = field(default_factory=Moments.none)
    spreads: Moments = field(default_factory=Moments.none)

    @property
    def mean(self) -> Tensor:
        """Mean of the draws of all full groups."""
        return self.means.mean

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the draws."""
        return self.means.dtype

    def add(self, draw: Tensor) -> ClusteredMoments:
        """The moments after one more draw."""
        group = self.open.add(draw)
        if group.count < self.size:
            return replace(self, open=group)
        # Group means stay in float64, since rounding them to the precision of the draws would lose
        # digits; only the recorded precision is that of the draws.
        means, spreads = self.means.add(group.mean), self.spreads.add(group.variance())
        means = replace(means, dtype=group.dtype)
        return ClusteredMoments(self.size, means=means, spreads=spreads)

    def merge(self, other: ClusteredMoments) -> ClusteredMoments:
        """The moments of the groups of ``self`` and ``other``; no group may be partly filled."""
        assert not self.open.count and not other.open.count
        means, spreads = self.means.merge(other.means), self.spreads.merge(other.spreads)
        return ClusteredMoments(self.size, means=means, spreads=spreads)

    def select(self, index: Tensor) -> ClusteredMoments:
        """The moments of the items or elements at ``index``; no group may be partly filled."""
        assert not self.open.count
        return replace(self, means=self.means.select(index), spreads=self.spreads.select(index))

    def std_error(self) -> Tensor:
        """Standard error of the mean, from the variance of the group means; NaN for one group."""
        return self.means.std_error()

    def parts(self) -> dict[str, Tensor]:
        """Parts of the variance of a draw, by the law of total variance (Fisher's ANOVA, 1925).

        Returns:
            ``"parameters"``: the variance between groups, var(means) − mean(variances) / size,
            which is unbiased and so may be negative; ``"noise"``: the mean variance within groups;
            ``"total"``: the sum of both.
        """
        within = self.spreads.mean
        between = self.means.variance() - within / self.size
        return {"parameters": between, "noise": within, "total": between + within}


def as_float64(values: Tensor) -> Tensor:
    """Convert to float64; unchanged on Apple's devices (``mps``), which do not support float64."""
    return values if values.device.type == "mps" else values.double()
