"""What a sampler is: a noise sampler moves the target variable, a parameter sampler the model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from salience.batch import Picked
from salience.keyed import Numbers
from salience.layout import ITEM


@dataclass(frozen=True)
class ModelDraw:
    """The draws of the rows of one forward pass, for a parameter sampler.

    Args:
        keys: Key of each row's draw, int64 of shape (R,). Rows of one draw share it.
        rows: The rows.
    """

    keys: Tensor
    rows: Picked


@dataclass(frozen=True)
class VariableDraw:
    """The draws of one target variable, for a noise sampler.

    Args:
        numbers: Random numbers for the positions of the variable.
        mask: True at real positions, broadcastable; ``None`` where all are real.
    """

    numbers: Numbers
    mask: Tensor | None

    def range(self, x: Tensor) -> Tensor:
        """The max − min of each row over its real positions, broadcastable against ``x``."""
        rows, axes = self.numbers.rows, self.numbers.axes
        lead = rows.source.layout.lead(axes)
        assert lead is not None
        low, high = x, x
        if self.mask is not None:
            low = x.masked_fill(~self.mask, torch.inf)
            high = x.masked_fill(~self.mask, -torch.inf)
        low = low.movedim(lead[0], 0).flatten(1).amin(1) if x.ndim > 1 else low
        high = high.movedim(lead[0], 0).flatten(1).amax(1) if x.ndim > 1 else high
        if lead[1] != ITEM:
            owner = rows.owner(lead[1])
            low = low.new_zeros(len(rows)).scatter_reduce_(
                0, owner, low, "amin", include_self=False
            )
            high = high.new_zeros(len(rows)).scatter_reduce_(
                0, owner, high, "amax", include_self=False
            )
        return rows.expand(high - low, axes)


class CannotPackError(Exception):
    """A parameter sampler cannot tell the rows of this pass apart: they are to be run one by one.

    Raised inside a forward pass of several rows.
    """


class NoiseSampler(ABC):
    """Moves the target variable. A frozen dataclass whose fields are the parameters."""

    @abstractmethod
    def __call__(self, x: Tensor, draw: VariableDraw) -> Tensor:
        """The moved values, of the shape and dtype of ``x``, which stays as it is."""


class ParameterSampler(ABC):
    """Moves the model. A frozen dataclass whose fields are the parameters."""

    @abstractmethod
    def active(self, draw: ModelDraw) -> AbstractContextManager[Any]:
        """While active, the forward passes of this thread run with the draws of these rows."""

    def trial(self, draw: ModelDraw, forward: Callable[[], object]) -> ParameterSampler:
        """Run one forward pass of a single row before all others.

        Returns:
            What takes part in this computation: this sampler, or one that knows what it has seen.

        Raises:
            InputError: The model holds nothing that this sampler moves.
        """
        with self.active(draw):
            forward()
        return self
