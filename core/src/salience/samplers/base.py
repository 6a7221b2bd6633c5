"""Base classes of samplers, and the draws that the engine passes to samplers.

A noise sampler moves the target variable, a parameter sampler changes what the model does in a
forward pass, and a weight sampler replaces the weights of the model.
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
    """Keys and rows of one forward pass, passed to a parameter sampler.

    Args:
        keys: Key of each row's draw, int64 of shape (R,). Rows of one item and draw share a key.
        rows: The rows of the pass.
        model: The replica that runs. It is private, so hooks on it do not affect the user's model.
    """

    keys: Tensor
    rows: RowSelection
    model: Any = None


@dataclass(frozen=True)
class VariableDraw:
    """Random numbers and mask of one target variable, passed to a noise sampler.

    Args:
        numbers: Random numbers for the positions of the variable.
        mask: True at real positions, broadcastable against the variable; ``None`` where all
            positions are real.
        sign: 1 at the rows of the first draw of each antithetic pair and −1 at those of the second,
            broadcastable against the variable; ``None`` where draws do not come in pairs.
    """

    numbers: Numbers
    mask: Tensor | None
    sign: Tensor | None = None

    def range(self, x: Tensor) -> Tensor:
        """Compute max − min of each row over its real positions, broadcastable against ``x``."""
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
    """Raised in a forward pass of several rows whose rows a parameter sampler cannot tell apart.

    The engine then runs the rows one per pass.
    """


@dataclass(frozen=True)
class WeightDraw:
    """Number and key of one draw of weights, which all the items share.

    Args:
        number: Number of the draw, from 0.
        key: Key of the draw. It depends only on the seed, the number of the draw and the position
            of the sampler among the weight samplers.
    """

    number: int
    key: int

    def normal(self, name: str, like: Tensor) -> Tensor:
        """Standard normal numbers of the shape and dtype of ``like``, different for each name."""
        return normals(self.key, name, like.numel(), like.device).reshape(like.shape).to(like.dtype)


class NoiseSampler(ABC):
    """Base class of samplers that move the target variable, such as by adding noise to it.

    A noise sampler is a frozen dataclass; its fields are its parameters.
    """

    #: Whether draws 2k and 2k + 1 form a pair with the same numbers and ``draw.sign`` 1 and −1.
    antithetic: bool = False

    @abstractmethod
    def __call__(self, x: Tensor, draw: VariableDraw) -> Tensor:
        """Move the values of the target variable.

        Args:
            x: Values of the target variable for all rows; must not be changed.
            draw: Random numbers for the positions of ``x``, and the mask of real positions.

        Returns:
            The moved values, of the shape and dtype of ``x``.
        """


class ParameterSampler(ABC):
    """Base class of samplers that change what the model does in a forward pass, such as dropout.

    A parameter sampler is a frozen dataclass; its fields are its parameters.
    """

    @abstractmethod
    def active(self, draw: ModelDraw) -> AbstractContextManager[Any]:
        """Context manager in which this thread's forward passes run each row with its key's draw.

        Args:
            draw: Keys and rows of the forward passes.
        """

    def prepare(self, draw: ModelDraw, forward: Callable[[], object]) -> ParameterSampler:
        """Check that the sampler can serve the model; the engine calls this once before all draws.

        By default, a forward pass of a single row is run inside :meth:`active`.

        Args:
            draw: Key, row and model of a forward pass of a single row.
            forward: Runs that forward pass.

        Returns:
            The sampler that the engine uses from here on: this sampler, or a new sampler that holds
            information from the forward pass.

        Raises:
            InputError: The model has nothing that this sampler changes.
        """
        with self.active(draw):
            forward()
        return self


class WeightSampler(ABC):
    """Base class of samplers that draw weights for the model.

    A weight sampler is a frozen dataclass; its fields are its parameters.

    Forward passes run with the drawn weights (``torch.func.functional_call``); the user's model is
    not changed. The prediction, and with it the class that is explained, comes from the model's own
    weights. In each draw, a target variable inside the model is computed with the drawn weights of
    the layers before it.
    """

    #: Largest number of draws; ``None`` where there is no limit.
    max_draws: int | None = None

    @abstractmethod
    def prepare(self, model: nn.Module) -> Callable[[State, WeightDraw], State]:
        """Make the function that draws weights; the engine calls this once before all draws.

        Args:
            model: The replica that runs: a private copy of the user's model over the same weights.

        Returns:
            A function that makes one draw. It takes the parameters and buffers, as changed by
            earlier samplers, and a :class:`WeightDraw`. It returns name → values of the drawn
            weights; weights that are not among the names keep their values.

        Raises:
            InputError: The sampler cannot draw weights for this model.
        """


def moves_model(sampler: object) -> bool:
    """Whether a sampler draws parameters or weights of the model, as BayesGrad does."""
    return isinstance(sampler, ParameterSampler | WeightSampler)
