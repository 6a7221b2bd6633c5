"""Quantiles over draws."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from salience.aggregators.base import Aggregator
from salience.errors import InputError


@dataclass(frozen=True)
class Quantile(Aggregator):
    """The q-quantile over draws, such as their median: keeps the draws, memory grows with them.

    Between draws it is interpolated linearly. The standard error is half the distance between the
    quantiles at q ± √(q (1 − q) / M) (Woodruff, "Confidence intervals for medians and other
    position measures", 1952), and NaN where one of these lies beyond 0 or 1: so few draws do not
    reach so far out.

    Args:
        q: From 0 to 1.

    Raises:
        InputError: q is not between 0 and 1.
    """

    min_draws: ClassVar[int] = 2
    independent: ClassVar[bool] = True

    q: float = 0.5

    def __post_init__(self) -> None:
        if not isinstance(self.q, int | float) or not 0 <= self.q <= 1:
            raise InputError(f"q={self.q!r}; pass a share from 0 to 1, 0.5 for the median")

    def init(self, group: int = 1) -> KeptDraws:
        """No draws."""
        return KeptDraws(())

    def finalize(self, state: KeptDraws) -> tuple[Tensor, Tensor]:
        """The quantile, and its standard error."""
        draws = torch.stack(state.draws).sort(0).values
        reach = (self.q * (1 - self.q) / len(draws)) ** 0.5
        low, high = self.q - reach, self.q + reach
        value = _at(draws, self.q)
        if reach == 0 or low < 0 or high > 1:
            return value, torch.full_like(value, torch.nan)
        return value, (_at(draws, high) - _at(draws, low)) / 2


@dataclass(frozen=True)
class KeptDraws:
    """All the draws."""

    draws: tuple[Tensor, ...]

    def add(self, draw: Tensor) -> KeptDraws:
        """With one more draw."""
        return KeptDraws((*self.draws, draw.clone()))

    def merge(self, other: KeptDraws) -> KeptDraws:
        """The draws of both."""
        return KeptDraws(self.draws + other.draws)

    def select(self, index: Tensor) -> KeptDraws:
        """The draws of some of the items or elements."""
        return replace(self, draws=tuple(draw[index] for draw in self.draws))


def _at(ordered: Tensor, q: float) -> Tensor:
    """The quantile of ordered draws, shape (M, …)."""
    place = q * (len(ordered) - 1)
    below = min(int(place), len(ordered) - 2)
    return torch.lerp(ordered[below], ordered[below + 1], place - below)
