"""What an aggregator is: it turns M draws into one saliency, block by block."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from salience.aggregators.moments import ClusteredMoments, Moments


class Aggregator:
    """Mean over draws of transformed saliency, with its standard error, in constant memory.

    A frozen dataclass of its parameters. ``init / update / merge / finalize`` over blocks of draws
    let the engine stream; merging lets parts of the draws come from elsewhere. An aggregator of
    transformed draws says only :meth:`transform`, one of their spread only :meth:`finalize`.
    """

    #: Draws that it needs.
    min_draws: ClassVar[int] = 1
    #: Whether it needs draws that do not depend on each other: neither nested nor antithetic.
    independent: ClassVar[bool] = False
    #: Whether values of either sign mean what they say, so that one may ask whether they are 0.
    signed: ClassVar[bool] = False

    def transform(self, draws: Tensor) -> Tensor:
        """What is done to each draw before the reduced axes are summed, shape as given: nothing."""
        return draws

    def reduce(self, draws: Tensor, axes: tuple[int, ...]) -> Tensor:
        """What the mean is taken of: the transformed draws, summed over the axes."""
        values = self.transform(draws)
        return values.sum(axes) if axes else values

    def init(self, group: int = 1) -> Any:
        """The state before any draw.

        Args:
            group: Draws that follow each other and depend on each other, such as antithetic pairs.
        """
        return Moments.none() if group == 1 else ClusteredMoments(group)

    def update(self, state: Any, draws: Tensor, axes: tuple[int, ...]) -> Any:
        """Take in a block of draws.

        Args:
            state: The state so far.
            draws: Saliency, shape (D, L, …): D draws of L items or elements.
            axes: Positions of the axes to sum over.
        """
        # One by one, so that the result does not depend on how draws are packed into blocks.
        for draw in torch.split(draws, 1):
            state = state.add(self.reduce(draw, axes)[0])
        return state

    def merge(self, one: Any, other: Any) -> Any:
        """The state after the draws of both."""
        return one.merge(other)

    def finalize(self, state: Any) -> tuple[Tensor, Tensor]:
        """Saliency and its standard error over the draws, shape (L, …) each, in their precision."""
        return in_precision(state, state.mean, state.std_error())


def in_precision(state: Any, values: Tensor, errors: Tensor) -> tuple[Tensor, Tensor]:
    """Values and errors in the precision of the draws."""
    return values.to(state.dtype), errors.to(state.dtype)
