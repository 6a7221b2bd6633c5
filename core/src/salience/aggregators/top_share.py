"""The aggregator that counts in how many draws a place is among the largest of its item."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from salience.aggregators.base import Aggregator, in_precision
from salience.aggregators.moments import ClusteredMoments, Moments
from salience.errors import InputError, brief


@dataclass(frozen=True)
class TopShare(Aggregator):
    """Share of the draws in which a place is among the top places of its item, from 0 to 1.

    Of n places of an item, the ⌈share · n⌉ with the largest magnitude (summed over the axes that
    the domain sums) are its top places in a draw; of equal magnitudes the first ones count, and a
    magnitude of 0 never does. Each target variable is ranked by itself. A place with a share of
    0.95 is among the top in 95 % of the draws, which tells a map that is stable from one that is
    only smooth; the relative error of magnitudes hardly does.

    The standard error is computed with one added draw of each kind (Agresti and Coull,
    "Approximate is better than exact", 1998), so that it is not 0 where a few draws agree.

    Args:
        share: Share of the places of an item that are its top places, above 0 and below 1.

    Raises:
        InputError: The share is not between 0 and 1.
    """

    by_item: ClassVar[bool] = True

    share: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.share < 1:
            raise InputError(f"share={brief(self.share)}; pass a share above 0 and below 1")

    def transform(self, draws: Tensor) -> Tensor:
        """The magnitudes of the draws, |saliency|."""
        return draws.abs()

    def update(
        self, state: Any, draws: Tensor, axes: tuple[int, ...], counts: Tensor | None = None
    ) -> Any:
        """The state after a further block of draws, in each of which top places are marked.

        Args:
            state: The state so far.
            draws: Saliency, shape (D, L, …).
            axes: Positions, in ``draws``, of the axes to sum over.
            counts: Number of the L elements of each item, int64 of shape (B,); ``None`` where each
                of them is an item.
        """
        for draw in torch.split(draws, 1):
            values = self.reduce(draw, axes)[0]
            state = state.add(top_places(values, self.share, counts).to(values.dtype))
        return state

    def finalize(self, state: Any) -> tuple[Tensor, Tensor]:
        """The share of draws and its standard error; the error of a single draw is NaN."""
        clustered = isinstance(state, ClusteredMoments)
        drawn = state.means if clustered else state
        total = drawn.count * (state.size if clustered else 1)
        # A number of draws by a number of draws, without the rounding of the running mean.
        share = (state.mean * total).round() / total
        if drawn.count < 2:
            return in_precision(state, share, drawn.std_error())
        half = torch.full_like(drawn.mean, 0.5)
        either = Moments(2, half, half, state.dtype)
        return in_precision(state, share, drawn.merge(either).std_error())


def top_places(values: Tensor, share: float, counts: Tensor | None = None) -> Tensor:
    """Which places are among the top places of their item, bool of the shape of ``values``.

    Args:
        values: Magnitudes, shape (L, …).
        share: Share of the places of an item that are its top places.
        counts: Number of the L elements of each item, or ``None`` where each of them is an item.
    """
    flat = values[:, None].flatten(1)
    if counts is None:
        return _largest(flat, torch.full((len(flat),), flat.shape[1]), share).reshape(values.shape)
    # One row an item, filled up with what is never among the largest.
    counts = counts.to(flat.device)
    owner = torch.repeat_interleave(counts)
    first = counts.cumsum(0) - counts
    place = torch.arange(len(flat), device=flat.device) - first[owner]
    longest = int(counts.max()) if len(counts) else 0
    rows = flat.new_full((len(counts), longest, flat.shape[1]), -1.0)
    rows[owner, place] = flat
    marks = _largest(rows.flatten(1), counts * flat.shape[1], share).reshape(rows.shape)
    return marks[owner, place].reshape(values.shape)


def _largest(rows: Tensor, sizes: Tensor, share: float) -> Tensor:
    """Mark the ⌈share · size⌉ largest entries above 0 of each row, bool of shape (B, P)."""
    # Without the tolerance, 0.1 · 30 = 3.0000000000000004 would make 4 places of 3.
    numbers = torch.tensor([math.ceil(share * n - 1e-9) for n in sizes.tolist()])
    numbers = numbers.to(rows.device)
    if not rows.numel():
        return torch.zeros_like(rows, dtype=torch.bool)
    largest = rows.topk(max(1, int(numbers.max())), dim=1).values
    limit = largest.gather(1, (numbers - 1).clamp(min=0)[:, None])
    above, equal = rows > limit, rows == limit
    left = numbers[:, None] - above.sum(1, keepdim=True)
    return (above | (equal & (equal.cumsum(1) <= left))) & (rows > 0)
