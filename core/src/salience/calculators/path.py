"""Paths of many rows: where f and its slope are known, and which segments need another point."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from salience.shown import ShortRepr

# A segment this short is not cut: f may jump inside it, and no number of points would help.
_SHORTEST = 2.0**-20
# In each look, the segments with the largest gaps are cut until those of the others add up to this
# share of what is allowed.
_LEFT = 0.75
# Unless f changes by this share of its range, the error is measured by that share of the range.
_LEAST_CHANGE = 0.1


def allowed_error(
    start: Tensor, stop: Tensor, extremes: tuple[Tensor, Tensor], rtol: float
) -> Tensor:
    """Rtol · max(|f(x) − f(baseline)|, range of f along the path / 10) of each row, shape (R,).

    Args:
        start: f at the baseline, shape (R,).
        stop: f at x, shape (R,).
        extremes: Smallest and largest f at the points of the path, shape (R,) each.
        rtol: Largest relative error.
    """
    low = torch.minimum(extremes[0], torch.minimum(start, stop))
    high = torch.maximum(extremes[1], torch.maximum(start, stop))
    return rtol * torch.maximum((stop - start).abs(), _LEAST_CHANGE * (high - low))


@dataclass(frozen=True)
class Path(ShortRepr):
    """Points α in (0, 1) on the straight paths of R rows, from a baseline at 0 to x at 1.

    The points of a row divide its path into segments. The trapezoidal rule integrates the slope
    over each of them; the two segments at the ends, where the slope is known at one side only, by
    that slope. The difference from the change of f is the gap of the segment. A sum of gaps with
    their signs may be small by chance where each is large; the sum of their magnitudes is not.

    Args:
        start: f at the baseline, float64 of shape (R,).
        stop: f at x, float64 of shape (R,).
        alphas: The points, in the order in which they were taken, float64 of shape (R, S).
        values: f at the points, float64 of shape (R, S).
        slopes: df/dα at the points, float64 of shape (R, S).
        counts: Number of points of each row, int64 of shape (R,): only the first of the S columns
            are in use.
        eps: Relative rounding of f.
    """

    start: Tensor
    stop: Tensor
    alphas: Tensor
    values: Tensor
    slopes: Tensor
    counts: Tensor
    eps: float

    @staticmethod
    def without_points(start: Tensor, stop: Tensor, eps: float) -> Path:
        """Paths without any point yet; the arguments are those of the class, in any dtype."""
        none = start.new_zeros(len(start), 0, dtype=torch.float64)
        counts = torch.zeros_like(start, dtype=torch.int64)
        return Path(
            start.double(), stop.double(), none, values=none, slopes=none, counts=counts, eps=eps
        )

    def gaps(self) -> Tensor:
        """|∫ slope − change of f| of each segment in the order of the path, shape (R, S + 1)."""
        at, values, slopes = self._known()
        trapezoids = at.diff(dim=1) * (slopes[:, 1:] + slopes[:, :-1]) / 2
        return (trapezoids - values.diff(dim=1)).abs()

    def allowed(self, rtol: float) -> Tensor:
        """Largest sum of gaps of a path that has converged, shape (R,).

        It is rtol · max(|f(x) − f(baseline)|, range of f along the path / 10), or what rounding
        may add up to, if that is more.
        """
        used = self._in_use()
        high = torch.where(used, self.values, -torch.inf).amax(1)
        low = torch.where(used, self.values, torch.inf).amin(1)
        return allowed_error(self.start, self.stop, (low, high), rtol) + self._rounding()

    def converged(self, rtol: float) -> Tensor:
        """Whether the gaps of each row add up to at most what is allowed, bool of shape (R,)."""
        converged: Tensor = self.gaps().sum(1) <= self.allowed(rtol)
        return converged

    def weights(self) -> Tensor:
        """Weight of each point in the integral over the path, shape (R, S); they sum to 1.

        A segment is shared by the points on either side such that its integral of the slope is the
        change of f, which is exact for all values where f has one kink in the segment. Where no
        shares from 0 to 1 do so, the nearest are taken; where the slopes agree, halves.
        """
        at, values, slopes = self._known()
        width, change, bend = at.diff(dim=1), values.diff(dim=1), -slopes.diff(dim=1)
        clear = (width * bend).abs() > 8 * self._rounding()[:, None] / (self.counts + 1)[:, None]
        share = (change - width * slopes[:, 1:]) / torch.where(clear, width * bend, 1)
        share = torch.where(clear, share.clamp(0, 1), 0.5)
        left, right = share * width, (1 - share) * width
        each = left[:, 1:] + right[:, :-1]
        each[:, 0] += left[:, 0]
        each = torch.where(self._in_use(), each, 0)
        # What is left is the part of the last segment that lies behind the last point.
        each = each.scatter_add(1, (self.counts - 1)[:, None], 1 - each.sum(1, keepdim=True))
        return torch.zeros_like(each).scatter(1, self._order(), each)

    def cuts(self, rtol: float, max_points: int) -> tuple[Tensor, Tensor]:
        """Where further points are needed: the middle of the segments with the largest gaps.

        Args:
            rtol: As for :meth:`allowed`; rows that have converged get no further point.
            max_points: Largest number of points of a row.

        Returns:
            Two results: the new points, shape (R, N), of which the first are in use; their number
            in each row, int64 of shape (R,).
        """
        gaps, allowed = self.gaps(), self.allowed(rtol)
        at = self._sorted()
        middle, width = (at[:, 1:] + at[:, :-1]) / 2, at.diff(dim=1)
        worst, order = torch.where(width > _SHORTEST, gaps, 0).sort(1, descending=True)
        # What is left of the gaps that can be made smaller, before each of the segments is cut.
        left = worst.sum(1, keepdim=True) - worst.cumsum(1) + worst
        wanted = (left > _LEFT * allowed[:, None]) & (worst > 0)
        wanted &= (gaps.sum(1) > allowed)[:, None]
        count = torch.minimum(wanted.sum(1), (max_points - self.counts).clamp(min=0))
        return middle.gather(1, order)[:, : int(count.max())], count

    def with_points(self, alphas: Tensor, values: Tensor, slopes: Tensor, counts: Tensor) -> Path:
        """The path with further points, behind those of each row.

        Args:
            alphas: The new points, shape (R, N).
            values: f at the new points, shape (R, N).
            slopes: df/dα at the new points, shape (R, N).
            counts: Number of new points of each row, int64 of shape (R,).
        """
        new = torch.arange(alphas.shape[1], device=counts.device)[None] < counts[:, None]
        row, number = new.nonzero(as_tuple=True)
        column = self.counts[row] + number
        total = self.counts + counts
        widened = {}
        for name, more in (("alphas", alphas), ("values", values), ("slopes", slopes)):
            old = getattr(self, name)
            size = max(int(total.max()), old.shape[1])
            into = torch.cat([old, old.new_zeros(len(old), size - old.shape[1])], 1)
            into[row, column] = more[row, number]
            widened[name] = into
        return Path(self.start, self.stop, counts=total, eps=self.eps, **widened)

    def take(self, rows: Tensor) -> Path:
        """The paths of some rows, by their index, int64 of shape (R',)."""
        taken = {name: getattr(self, name)[rows] for name in _TENSORS}
        return Path(**taken, eps=self.eps)

    def _known(self) -> tuple[Tensor, Tensor, Tensor]:
        """α, f and slopes in the order of the path, both ends included, shape (R, S + 2) each."""
        order, used = self._order(), self._in_use()
        slopes = self.slopes.gather(1, order)
        # Columns that are not in use lie at the end of the path, where segments have no width.
        slopes = torch.where(used, slopes, slopes.gather(1, (self.counts - 1)[:, None]))
        values = torch.where(used, self.values.gather(1, order), self.stop[:, None])
        slopes = torch.cat([slopes[:, :1], slopes, slopes[:, -1:]], 1)
        values = torch.cat([self.start[:, None], values, self.stop[:, None]], 1)
        return self._sorted(), values, slopes

    def _rounding(self) -> Tensor:
        """What the rounding of f may add to the sum of the gaps, shape (R,)."""
        largest = torch.maximum(self.values.abs().amax(1), self.start.abs())
        return 4 * self.eps * (self.counts + 1) * torch.maximum(largest, self.stop.abs())

    def _in_use(self) -> Tensor:
        """Which of the columns are in use, bool of shape (R, S)."""
        return torch.arange(self.alphas.shape[1], device=self.counts.device) < self.counts[:, None]

    def _order(self) -> Tensor:
        """Index of the columns in the order of the path; those that are not in use come last."""
        return torch.where(self._in_use(), self.alphas, torch.inf).argsort(1)

    def _sorted(self) -> Tensor:
        """0, the points in the order of the path, and 1 from there on, shape (R, S + 2)."""
        at = torch.where(self._in_use(), self.alphas, 1.0).sort(1).values
        return F.pad(F.pad(at, (1, 0)), (0, 1), value=1.0)


_TENSORS = tuple(f.name for f in fields(Path) if f.name != "eps")
