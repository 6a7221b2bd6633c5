"""An aggregator with a state of its own, which is updated block by block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from salience import Aggregator

# The state: for each position the draw of largest magnitude so far; None before the first draw.
State = Tensor | None


# Where the result is a mean of transformed draws, `transform` alone is enough: see `salience.Abs`.
@dataclass(frozen=True)
class Largest(Aggregator):
    """The draw of largest magnitude at each position, with its sign: how far draws ever went.

    It grows with the number of draws, so compare runs of the same number. It has no standard
    error.
    """

    #: Smallest number of draws that the aggregator accepts.
    min_draws: ClassVar[int] = 2

    def init(self, group: int = 1) -> State:
        """The state before the first draw."""
        return None

    def update(self, state: State, draws: Tensor, axes: tuple[int, ...]) -> State:
        """The state after a block of draws, shape (D, L, …); ``axes`` are summed first."""
        for draw in self.reduce(draws, axes):
            state = self.merge(state, draw)
        return state

    def merge(self, one: State, other: State) -> State:
        """The state after the draws of both; their order does not matter where none are equal."""
        if one is None or other is None:
            return other if one is None else one
        return torch.where(other.abs() > one.abs(), other, one)

    def finalize(self, state: State) -> tuple[Tensor, Tensor]:
        """Values, and their standard errors, which are not known: NaN."""
        assert state is not None
        return state, torch.full_like(state, torch.nan)
