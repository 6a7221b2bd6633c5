"""Base classes of samplers, and the draws that the engine passes to samplers.

A noise sampler moves the target variable, a parameter sampler changes what the model does in a
forward pass, and a weight sampler replaces the weights of the model.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from salience.data.batch import RowSelection
from salience.data.views import RowView
from salience.model.state_dicts import State
from salience.samplers.keyed import Numbers, normals
from salience.shown import ShortRepr
from salience.support.settings import CheckedSettings

#: Scales from here on take the values out of the range of float32.
LARGEST_SCALE = 1e30


@dataclass(frozen=True)
class ModelDraw(ShortRepr):
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
class VariableDraw(ShortRepr):
    """Random numbers of one target variable, and its rows, passed to a noise sampler.

    Args:
        numbers: Random numbers for the positions of the variable.
        sign: 1 at the rows of the first draw of each antithetic pair and −1 at those of the second,
            broadcastable against the variable; ``None`` where draws do not come in pairs.
    """

    numbers: Numbers
    sign: Tensor | None = None

    @property
    def view(self) -> RowView:
        """How the positions of the variable belong to rows, and which of them are real."""
        return self.numbers.view


class CannotPackError(Exception):
    """Raised in a forward pass of several rows whose rows a parameter sampler cannot tell apart.

    The engine then runs the rows one per pass.
    """


@dataclass(frozen=True)
class WeightDraw(ShortRepr):
    """Number and key of one draw of weights, which all the items share.

    Args:
        number: Number of the draw, from 0.
        key: Key of the draw. It depends only on the seed, the number of the draw and the position
            of the sampler among the weight samplers.
        parameters: Names of the model's parameters; the other weights are buffers.
    """

    number: int
    key: int
    parameters: frozenset[str] = frozenset()

    def normal(self, name: str, like: Tensor) -> Tensor:
        """Standard normal numbers of the shape and dtype of ``like``, different for each name."""
        return normals(self.key, name, like.numel(), like.device).reshape(like.shape).to(like.dtype)


class NoiseSampler(CheckedSettings, ABC):
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
            draw: Random numbers for the positions of ``x``, and the view of its rows.

        Returns:
            The moved values, of the shape and dtype of ``x``.
        """


class ParameterSampler(CheckedSettings, ABC):
    """Base class of samplers that change what the model does in a forward pass, such as dropout.

    A parameter sampler is a frozen dataclass; its fields are its parameters.
    """

    @abstractmethod
    def active(self, draw: ModelDraw) -> AbstractContextManager[Any]:
        """Context manager in which this thread's forward passes run each row with its key's draw.

        Args:
            draw: Keys and rows of the forward passes.
        """

    def inactive(self) -> AbstractContextManager[Any]:
        """Context manager in which the model draws nothing of what this sampler draws."""
        return nullcontext()

    #: The calls of the forward pass that :meth:`prepare` ran, as :meth:`calls` gives them.
    met: Sequence[Any] = ()

    def changes(self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
        """Whether the sampler may change what a call of a torch function returns."""
        return True

    def calls(self, draw: ModelDraw, forward: Callable[[], object]) -> Sequence[Any]:
        """What the sampler changes in a forward pass of a single row, call by call.

        The engine compares the calls of a pass in training mode with :attr:`met`, where there are
        any, since the sampler would miss what only training mode shows.

        Args:
            draw: Key, row and model of the pass.
            forward: Runs the pass.

        Returns:
            An entry for each call, in order; no entries where the sampler has nothing to compare.
        """
        return ()

    def prepare(self, draw: ModelDraw, forward: Callable[[], object]) -> ParameterSampler:
        """Check that the sampler can serve the model; the engine calls this once before all draws.

        By default, a forward pass of a single row is run inside :meth:`active`.

        Args:
            draw: Key, row and model of a forward pass of a single row.
            forward: Runs that forward pass.

        Returns:
            The sampler that the engine uses from here on: this sampler, or a new sampler that holds
            information from the forward pass. It must be possible to pickle it, so it holds paths
            of modules and not modules.

        Raises:
            InputError: The model has nothing that this sampler changes.
        """
        with self.active(draw):
            forward()
        return self


class WeightSampler(CheckedSettings, ABC):
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
    def draw(self, state: State, draw: WeightDraw) -> State:
        """Make one draw.

        Args:
            state: Name → values of the parameters and buffers, as changed by earlier samplers.
            draw: Number and key of the draw.

        Returns:
            Name → values of the drawn weights; weights that are not among the names keep their
            values.
        """

    def prepare(self, draw: ModelDraw, forward: Callable[[], object]) -> WeightSampler:
        """Check that the sampler can serve the model; the engine calls this once before all draws.

        Args:
            draw: Holds the replica that runs, as :attr:`ModelDraw.model`: a private copy of the
                user's model over the same weights.
            forward: Runs a forward pass of a single row with the model's own weights.

        Returns:
            The sampler that the engine uses from here on: this sampler, or a new sampler that holds
            what was read or computed. It must be possible to pickle it, so it holds no modules.

        Raises:
            InputError: The sampler cannot draw weights for this model.
        """
        return self


def moves_model(sampler: object) -> bool:
    """Whether a sampler draws parameters or weights of the model, as BayesGrad does."""
    return isinstance(sampler, ParameterSampler | WeightSampler)
