"""An aggregator with a state of its own, which is updated draw by draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from salience import Aggregator


@dataclass(frozen=True)
class Extremes:
    """The state: the draw of largest magnitude so far at each position.

    Args:
        values: Shape (L, …); ``None`` before the first draw.
    """

    values: Tensor | None = None

    def add(self, draw: Tensor) -> Extremes:
        """The state after one more draw, whose memory is used again for the next ones."""
        return self.merge(Extremes(draw.clone()))

    def merge(self, other: Extremes) -> Extremes:
        """The state after the draws of both."""
        if self.values is None or other.values is None:
            return other if self.values is None else self
        larger = other.values.abs() > self.values.abs()
        return Extremes(torch.where(larger, other.values, self.values))

    def select(self, index: Tensor) -> Extremes:
        """The state of the items or elements at ``index`` of the first axis.

        With ``n_samples=Until(...)`` items that are sure are left out of further draws.
        """
        return self if self.values is None else Extremes(self.values[index])


# Where the result is a mean of transformed draws, `transform` alone is enough: see `salience.Abs`.
@dataclass(frozen=True)
class Largest(Aggregator):
    """The draw of largest magnitude at each position, with its sign: how far draws ever went.

    It grows with the number of draws, so compare runs of the same number. It has no standard
    error.
    """

    #: Smallest number of draws that the aggregator accepts.
    min_draws: ClassVar[int] = 2

    def init(self, group: int = 1) -> Extremes:
        """The state before the first draw."""
        return Extremes()

    def finalize(self, state: Extremes) -> tuple[Tensor, Tensor]:
        """Values, and their standard errors, which are not known: NaN."""
        assert state.values is not None
        return state.values, torch.full_like(state.values, torch.nan)
