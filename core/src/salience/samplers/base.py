"""What a sampler is.

A noise sampler moves the target variable, a parameter sampler what the model does in a forward
pass, and a weight sampler puts other weights in the place of the model's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from salience.data.batch import RowSelection
from salience.data.layout import ITEM
from salience.model.state_dicts import State
from salience.samplers.keyed import Numbers, normals


@dataclass(frozen=True)
class ModelDraw:
    """The draws of the rows of one forward pass, for a parameter sampler.

    Args:
        keys: Key of each row's draw, int64 of shape (R,). Rows of one draw share it.
        rows: The rows.
        model: The model that runs. It is a private copy, so that hooks on it disturb nobody.
    """

    keys: Tensor
    rows: RowSelection
    model: Any = None


@dataclass(frozen=True)
class VariableDraw:
    """The draws of one target variable, for a noise sampler.

    Args:
        numbers: Random numbers for the positions of the variable.
        mask: True at real positions, broadcastable; ``None`` where all are real.
        sign: −1 at the rows of every second draw of antithetic pairs and 1 elsewhere,
            broadcastable; ``None`` where draws do not come in pairs.
    """

    numbers: Numbers
    mask: Tensor | None
    sign: Tensor | None = None

    def range(self, x: Tensor) -> Tensor:
        """The max − min of each row over its real positions, broadcastable against ``x``."""
        rows, axes = self.numbers.rows, self.numbers.axes
        row_axis = rows.source.layout.row_axis(axes)
        assert row_axis is not None
        low, high = x, x
        if self.mask is not None:
            low = x.masked_fill(~self.mask, torch.inf)
            high = x.masked_fill(~self.mask, -torch.inf)
        low = low.movedim(row_axis[0], 0).flatten(1).amin(1) if x.ndim > 1 else low
        high = high.movedim(row_axis[0], 0).flatten(1).amax(1) if x.ndim > 1 else high
        if row_axis[1] != ITEM:
            owner = rows.owner(row_axis[1])
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


@dataclass(frozen=True)
class WeightDraw:
    """One draw of weights, which all the items share.

    Args:
        number: Number of the draw, from 0.
        key: Key of the draw, which depends on the seed and its number only.
    """

    number: int
    key: int

    def normal(self, name: str, like: Tensor) -> Tensor:
        """Standard normal numbers for the tensor of that name, of its shape and dtype."""
        return normals(self.key, name, like.numel(), like.device).reshape(like.shape).to(like.dtype)


class NoiseSampler(ABC):
    """Moves the target variable. A frozen dataclass whose fields are the parameters."""

    #: Whether draws 2k and 2k + 1 are to get the same numbers, with ``draw.sign`` 1 and −1.
    antithetic: bool = False

    @abstractmethod
    def __call__(self, x: Tensor, draw: VariableDraw) -> Tensor:
        """The moved values, of the shape and dtype of ``x``, which stays as it is."""


class ParameterSampler(ABC):
    """Moves the model. A frozen dataclass whose fields are the parameters."""

    @abstractmethod
    def active(self, draw: ModelDraw) -> AbstractContextManager[Any]:
        """While active, the forward passes of this thread run with the draws of these rows."""

    def prepare(self, draw: ModelDraw, forward: Callable[[], object]) -> ParameterSampler:
        """Run one forward pass of a single row before all others.

        Returns:
            What takes part in this computation: this sampler, or one that knows what it has seen.

        Raises:
            InputError: The model holds nothing that this sampler moves.
        """
        with self.active(draw):
            forward()
        return self


class WeightSampler(ABC):
    """Draws weights for the model. A frozen dataclass whose fields are the parameters.

    The user's model keeps its own; forward passes run with the drawn ones in their place
    (``torch.func.functional_call``). The prediction, and with it the class that is explained, comes
    from the model's own weights. A target variable inside the model has, in each draw, the values
    that the drawn weights before it give it.
    """

    #: Draws that there are; any number where ``None``.
    max_draws: int | None = None

    @abstractmethod
    def prepare(self, model: nn.Module) -> Callable[[State, WeightDraw], State]:
        """Get ready to draw; refuse a model before anything is computed.

        Args:
            model: The model that runs, a private copy over the weights of the user's.

        Returns:
            What draws: a function of the model's parameters and buffers, as the samplers before
            this one moved them, and of a draw. It returns name → values of the drawn weights; names
            that it leaves out keep theirs.

        Raises:
            InputError: This cannot draw weights for this model.
        """


def moves_model(sampler: object) -> bool:
    """Whether a sampler draws what the model does: BayesGrad and its kin."""
    return isinstance(sampler, ParameterSampler | WeightSampler)
