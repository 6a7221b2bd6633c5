"""Aggregators: turn M draws into one saliency, block by block."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from salience.moments import Moments


class Aggregator(ABC):
    """Mean over draws of transformed saliency, with its standard error, in constant memory.

    A frozen dataclass of its parameters. ``init / update / merge / finalize`` over blocks of draws
    let the engine stream; merging lets parts of the draws come from elsewhere. An aggregator of
    transformed draws says only :meth:`transform`.
    """

    @abstractmethod
    def transform(self, draws: Tensor) -> Tensor:
        """What is done to each draw before the reduced axes are summed, shape as given."""

    def init(self) -> Moments | None:
        """The state before any draw."""
        return None

    def update(self, state: Moments | None, draws: Tensor, axes: tuple[int, ...]) -> Moments:
        """Take in a block of draws.

        Args:
            state: The state so far.
            draws: Saliency, shape (D, L, …): D draws of L items or elements.
            axes: Positions of the axes to sum over.
        """
        # One by one, so that the result does not depend on how draws are packed into blocks.
        for draw in torch.split(draws, 1):
            values = self.transform(draw)
            values = (values.sum(axes) if axes else values)[0]
            state = Moments.of(values) if state is None else state.add(values)
        assert state is not None
        return state

    def merge(self, one: Moments, other: Moments) -> Moments:
        """The state after the draws of both."""
        return one.merge(other)

    def finalize(self, state: Moments) -> tuple[Tensor, Tensor]:
        """Saliency and its standard error over the draws, shape (L, …) each, in their precision."""
        return state.mean.to(state.dtype), state.std_error().to(state.dtype)


@dataclass(frozen=True)
class Raw(Aggregator):
    """Mean of the saliency as it is: keeps signs, and completeness."""

    def transform(self, draws: Tensor) -> Tensor:
        """The draws."""
        return draws


@dataclass(frozen=True)
class Abs(Aggregator):
    """Mean of magnitudes, |saliency|."""

    def transform(self, draws: Tensor) -> Tensor:
        """The magnitudes."""
        return draws.abs()


@dataclass(frozen=True)
class Square(Aggregator):
    """Mean of squares, saliency²: the sensitivity of the seed's data-set means."""

    def transform(self, draws: Tensor) -> Tensor:
        """The squares."""
        return draws.square()
