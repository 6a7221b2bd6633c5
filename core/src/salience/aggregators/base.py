"""Base class of aggregators, which reduce M draws to one saliency, block by block."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from salience.aggregators.moments import ClusteredMoments, Moments
from salience.support.settings import CheckedSettings


class Aggregator(CheckedSettings):
    """Mean over draws of transformed saliency, with its standard error, in constant memory.

    An aggregator is a frozen dataclass whose fields are its parameters. The engine streams blocks
    of draws through :meth:`init`, :meth:`update` and :meth:`finalize`; :meth:`merge` joins the
    states of draws that were computed separately. An aggregator that averages transformed draws
    overrides only :meth:`transform`; an aggregator that measures the spread of draws overrides only
    :meth:`finalize`.
    """

    #: Smallest number of draws that the aggregator accepts.
    min_draws: ClassVar[int] = 1
    #: Whether the aggregator needs independent draws: neither nested nor antithetic.
    independent: ClassVar[bool] = False
    #: Whether places are compared within their item; :meth:`update` is then given ``counts`` too.
    by_item: ClassVar[bool] = False
    #: Whether the result keeps the sign of the saliency, so that it can be tested against 0.
    signed: ClassVar[bool] = False
    #: Whether values are means of magnitudes, whose ranks within an item can be counted.
    of_magnitudes: ClassVar[bool] = False

    @property
    def averages(self) -> bool:
        """Whether values are means over draws, so that draws spread by error · √M around them."""
        return type(self).finalize is Aggregator.finalize

    @property
    def adds_up(self) -> bool:
        """Whether each position is aggregated by itself, so that groups of them can be summed."""
        return type(self).update is Aggregator.update

    def transform(self, draws: Tensor) -> Tensor:
        """Transform draws before axes are summed, keeping the shape; by default the identity."""
        return draws

    def reduce(self, draws: Tensor, axes: tuple[int, ...]) -> Tensor:
        """Transform the draws and sum them over ``axes``; the results are averaged over draws."""
        values = self.transform(draws)
        return values.sum(axes) if axes else values

    def init(self, group: int = 1) -> Any:
        """The state before the first draw.

        Args:
            group: Number of consecutive draws that depend on each other, such as 2 for antithetic
                pairs; 1 where all draws are independent.
        """
        return Moments.none() if group == 1 else ClusteredMoments(group)

    def update(self, state: Any, draws: Tensor, axes: tuple[int, ...]) -> Any:
        """The state after a further block of draws.

        Args:
            state: The state so far.
            draws: Saliency, shape (D, L, …): D draws of L items or elements.
            axes: Positions, in ``draws``, of the axes to sum over.
        """
        # Draws are added one at a time so that rounding does not depend on the sizes of the blocks.
        for draw in torch.split(draws, 1):
            state = state.add(self.reduce(draw, axes)[0])
        return state

    def merge(self, one: Any, other: Any) -> Any:
        """The state after the draws of both states."""
        return one.merge(other)

    def finalize(self, state: Any) -> tuple[Tensor, Tensor]:
        """Saliency and its standard error over the draws, each of shape (L, …).

        Both have the precision of the draws; L counts items or elements.
        """
        return in_precision(state, state.mean, state.std_error())

    def beside(self, state: Any) -> Mapping[str, Tensor]:
        """Further figures of the same draws, by name, each of the shape of the values."""
        return {}


def in_precision(state: Any, values: Tensor, errors: Tensor) -> tuple[Tensor, Tensor]:
    """Convert values and errors to the precision of the draws, ``state.dtype``."""
    return values.to(state.dtype), errors.to(state.dtype)
