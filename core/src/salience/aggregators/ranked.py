"""Magnitudes together with the share of draws in which each place is among the largest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from salience.aggregators.base import Aggregator
from salience.aggregators.top_share import TopShare, top_places
from salience.plugins.faults import Asked


@dataclass(frozen=True)
class RankedStates:
    """The state of the magnitudes, and that of the shares, after the same draws."""

    magnitudes: Any
    shares: Any

    def merge(self, other: RankedStates) -> RankedStates:
        """The state after the draws of both."""
        return RankedStates(
            self.magnitudes.merge(other.magnitudes), self.shares.merge(other.shares)
        )

    def select(self, index: Tensor) -> RankedStates:
        """The state of some of the items or elements."""
        return RankedStates(self.magnitudes.select(index), self.shares.select(index))

    def parts(self) -> Mapping[str, Tensor]:
        """Parts of the variance of the magnitudes, where draws are nested."""
        found: Mapping[str, Tensor] = self.magnitudes.parts()
        return found


@dataclass(frozen=True)
class Ranked(Aggregator):
    """An aggregator of magnitudes that also counts how often each place is among the largest.

    Values and errors are those of the aggregator. The shares are those of
    :class:`salience.TopShare`, of the magnitudes that the aggregator averages.

    Args:
        magnitudes: The aggregator.
        ranks: Which places are the top places of an item.
    """

    by_item: ClassVar[bool] = True

    magnitudes: Aggregator
    ranks: TopShare = field(default_factory=TopShare)

    def init(self, group: int = 1) -> Any:
        """The state before the first draw."""
        return RankedStates(self.magnitudes.init(group), self.ranks.init(group))

    def update(
        self, state: Any, draws: Tensor, axes: tuple[int, ...], counts: Tensor | None = None
    ) -> Any:
        """The state after a further block of draws; see :meth:`salience.TopShare.update`."""
        magnitudes, shares = state.magnitudes, state.shares
        reduce = Asked("aggregators", self.magnitudes, "reduce")
        for draw in torch.split(draws, 1):
            values = reduce(draw, axes)[0]
            magnitudes = magnitudes.add(values)
            shares = shares.add(top_places(values, self.ranks.share, counts).to(values.dtype))
        return RankedStates(magnitudes, shares)

    def finalize(self, state: Any) -> tuple[Tensor, Tensor]:
        """The magnitudes and their standard error over the draws."""
        found: tuple[Tensor, Tensor] = Asked("aggregators", self.magnitudes, "finalize")(
            state.magnitudes
        )
        return found

    def beside(self, state: Any) -> Mapping[str, Tensor]:
        """The shares, under the name ``"top_share"``."""
        return {"top_share": self.ranks.finalize(state.shares)[0]}
