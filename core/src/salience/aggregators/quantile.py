"""The aggregator of quantiles over draws."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from salience.aggregators.base import Aggregator
from salience.errors import InputError, brief
from salience.shown import ShortRepr


@dataclass(frozen=True)
class Quantile(Aggregator):
    """The q-quantile over draws, such as the median; all draws are kept in memory.

    The quantile is interpolated linearly between draws. The standard error is half the distance
    between the quantiles at q ± √(q (1 − q) / M) (Woodruff, "Confidence intervals for medians and
    other position measures", 1952). It is NaN where q is 0 or 1, or where one of these two levels
    lies outside 0 to 1, since M draws are then too few to estimate the error.

    Args:
        q: Level of the quantile, from 0 to 1; 0.5 is the median.

    Raises:
        InputError: q is not a number from 0 to 1.
    """

    min_draws: ClassVar[int] = 2
    independent: ClassVar[bool] = True

    q: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.q, int | float) or not 0 <= self.q <= 1:
            raise InputError(f"q={brief(self.q)}; pass a share from 0 to 1, 0.5 for the median")

    def init(self, group: int = 1) -> KeptDraws:
        """The state before the first draw; ``group`` is ignored, since draws are independent."""
        return KeptDraws(())

    def finalize(self, state: KeptDraws) -> tuple[Tensor, Tensor]:
        """The quantile and its standard error."""
        draws = torch.stack(state.draws).sort(0).values
        reach = (self.q * (1 - self.q) / len(draws)) ** 0.5
        low, high = self.q - reach, self.q + reach
        value = _at(draws, self.q)
        if reach == 0 or low < 0 or high > 1:
            return value, torch.full_like(value, torch.nan)
        return value, (_at(draws, high) - _at(draws, low)) / 2


@dataclass(frozen=True)
class KeptDraws(ShortRepr):
    """State of the quantile: all draws so far."""

    draws: tuple[Tensor, ...]

    def add(self, draw: Tensor) -> KeptDraws:
        """The state after one more draw, of which a copy is kept."""
        return KeptDraws((*self.draws, draw.clone()))

    def merge(self, other: KeptDraws) -> KeptDraws:
        """The state with the draws of ``self``, then those of ``other``."""
        return KeptDraws(self.draws + other.draws)

    def select(self, index: Tensor) -> KeptDraws:
        """The draws of the items or elements at ``index`` of the first axis."""
        return replace(self, draws=tuple(draw[index] for draw in self.draws))


def _at(ordered: Tensor, q: float) -> Tensor:
    """The q-quantile over the first axis of draws sorted along it, shape (M, …) with M ≥ 2."""
    place = q * (len(ordered) - 1)
    below = min(int(place), len(ordered) - 2)
    return torch.lerp(ordered[below], ordered[below + 1], place - below)
