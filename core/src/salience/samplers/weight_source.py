"""Draws of weights, which replace the model's own weights in forward passes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from salience.errors import InputError
from salience.model.replica import written_to
from salience.model.state_dicts import State, own_weights, read_state
from salience.plugins.faults import Asked
from salience.samplers.base import WeightDraw, WeightSampler
from salience.samplers.keyed import draw_key


@dataclass(frozen=True)
class Weights:
    """Several draws of weights, stacked along a first axis.

    Args:
        stacked: Name of a parameter or buffer → its values in D draws, shape (D, …).
        written: Names of the tensors that a forward pass may write to.
    """

    stacked: dict[str, Tensor]
    written: frozenset[str]

    def __getitem__(self, draws: slice) -> dict[str, Tensor]:
        """Name → values in these draws; tensors that a forward pass may write to are copied."""
        return {
            name: values[draws].clone() if name in self.written else values[draws]
            for name, values in self.stacked.items()
        }


class WeightSource:
    """Draws weights of a model by samplers that are applied one after the other.

    Args:
        samplers: One or more weight samplers, prepared, in the order of application.
        model: The replica that runs.
        seed: The user's seed.
    """

    def __init__(self, samplers: Sequence[WeightSampler], model: Any, seed: int) -> None:
        self._model = model
        self._samplers = tuple(samplers)
        self._parameters = frozenset(name for name, _ in model.named_parameters())
        self._base = read_state(model)
        buffers = (name for name, _ in model.named_buffers())
        self._written = frozenset((*written_to(model), *buffers))
        self._seed = seed
        self._last: tuple[range, Weights] | None = None

    def numbers(self) -> int:
        """Number of values in a draw of all the weights."""
        return sum(value.numel() for value in self._base.values())

    def draw(self, numbers: range) -> Weights:
        """Draw the weights of the numbered draws; the last result is kept for a repeated call."""
        if self._last is None or self._last[0] != numbers:
            self._last = None  # frees the memory before more is taken
            self._last = numbers, self._drawn(numbers)
        return self._last[1]

    def _drawn(self, numbers: range) -> Weights:
        drawn: dict[str, list[Tensor]] = {}
        for number in numbers:
            moved: dict[str, Tensor] = {}
            for stream, sampler in enumerate(self._samplers):
                key = draw_key(self._seed, number, stream)
                draw = WeightDraw(number, key, self._parameters)
                moved |= self._moved_by(sampler, {**self._base, **moved}, draw)
            for name, value in moved.items():
                # A tensor made in inference mode can take part in autograd only as a copy.
                values = value.clone() if value.is_inference() else value.detach()
                drawn.setdefault(name, []).append(values.to(self._base[name]))
        # A single draw becomes a view instead of a stacked copy, which saves memory.
        stacked = {n: v[0][None] if len(v) == 1 else torch.stack(v) for n, v in drawn.items()}
        return Weights(stacked, self._written)

    def _moved_by(self, sampler: WeightSampler, state: State, draw: WeightDraw) -> State:
        """What one sampler makes of the weights so far, by the names of a functional call."""
        asked = Asked("samplers", sampler, "draw")
        weights = asked(state, draw)
        asked.expect(isinstance(weights, Mapping), weights, "a mapping of name to weights")
        for name, value in weights.items() if asked.foreign else ():
            if name in self._base:
                asked.expect_tensor(value, self._base[name].shape, what=f"{name!r}")
        return own_weights(weights, self._model, f"draw {draw.number}")


def check_weights(samplers: Sequence[WeightSampler], model: Any) -> None:
    """Raise InputError where weights cannot be drawn for the model at all.

    Args:
        samplers: The weight samplers.
        model: The model.
    """
    if not samplers:
        return
    if not isinstance(model, nn.Module):
        raise InputError(
            f"{type(samplers[0]).__name__} draws weights for a torch.nn.Module, not for a "
            f"function; wrap the function in a module that holds its weights"
        )
    if isinstance(model, torch.jit.ScriptModule):
        raise InputError(
            f"{type(samplers[0]).__name__} cannot put weights into a scripted model "
            f"(torch.jit); pass the model that was scripted"
        )
