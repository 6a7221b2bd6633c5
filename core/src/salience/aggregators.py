"""Aggregators: turn M draws into one saliency, block by block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from salience.errors import InputError
from salience.moments import Moments


class Aggregator:
    """Mean over draws of transformed saliency, with its standard error, in constant memory.

    A frozen dataclass of its parameters. ``init / update / merge / finalize`` over blocks of draws
    let the engine stream; merging lets parts of the draws come from elsewhere. An aggregator of
    transformed draws says only :meth:`transform`, one of their spread only :meth:`finalize`.
    """

    #: Draws that it needs.
    least: ClassVar[int] = 1

    def transform(self, draws: Tensor) -> Tensor:
        """What is done to each draw before the reduced axes are summed, shape as given: nothing."""
        return draws

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
        return _as(state, state.mean, state.std_error())


@dataclass(frozen=True)
class Raw(Aggregator):
    """Mean of the saliency as it is: keeps signs, and completeness."""


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


@dataclass(frozen=True)
class MeanPlusStd(Aggregator):
    """mean + λ · std over draws, BayesGrad's own (Akita et al., "BayesGrad", 2018).

    A positive λ raises what is uncertain, a negative one gives a lower bound. The standard error is
    that of normal draws, std · √(1/M + λ²/(2 (M − 1))), whose mean and std are independent.

    Args:
        factor: λ.

    Raises:
        InputError: λ is not a finite number.
    """

    least: ClassVar[int] = 2

    factor: float = 1.0

    def __post_init__(self) -> None:
        if not abs(self.factor) < float("inf"):
            raise InputError(f"factor={self.factor!r}; pass a finite number")

    def finalize(self, state: Moments) -> tuple[Tensor, Tensor]:
        """Mean plus spread, and its standard error."""
        std = state.variance().sqrt()
        parts = 1 / state.count + self.factor**2 / (2 * (state.count - 1))
        return _as(state, state.mean + self.factor * std, std * parts**0.5)


@dataclass(frozen=True)
class Variance(Aggregator):
    """Sample variance over draws: VarGrad (Adebayo et al., "Local explanation methods", 2018).

    The standard error is that of normal draws, variance · √(2 / (M − 1)).
    """

    least: ClassVar[int] = 2

    def finalize(self, state: Moments) -> tuple[Tensor, Tensor]:
        """The variance, and its standard error."""
        variance = state.variance()
        return _as(state, variance, variance * (2 / (state.count - 1)) ** 0.5)


@dataclass(frozen=True)
class SignalToNoise(Aggregator):
    """mean / std over draws; 0 where all draws are 0.

    The standard error is the delta method's for normal draws, √(1/M + ratio²/(2 (M − 1))). Where
    draws agree in a value other than 0, the ratio is infinite; it is cut at the largest number.
    """

    least: ClassVar[int] = 2

    def finalize(self, state: Moments) -> tuple[Tensor, Tensor]:
        """The ratio, and its standard error."""
        std = state.variance().sqrt()
        most = torch.finfo(state.dtype).max ** 0.5
        ratio = torch.nan_to_num(state.mean / std, nan=0.0).clamp(-most, most)
        error = (1 / state.count + ratio.square() / (2 * (state.count - 1))).sqrt()
        return _as(state, ratio, error)


def _as(state: Moments, values: Tensor, errors: Tensor) -> tuple[Tensor, Tensor]:
    """Values and errors in the precision of the draws."""
    return values.to(state.dtype), errors.to(state.dtype)
