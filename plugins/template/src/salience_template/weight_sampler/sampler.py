"""Draws of weights in which some are dropped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from salience import InputError, ModelDraw, WeightDraw, WeightSampler


@dataclass(frozen=True)
class DropConnect(WeightSampler):
    """θ' = θ · m / (1 − rate), m = 0 with probability ``rate``, else 1 (Wan et al., 2013).

    Wan et al. ("Regularization of neural networks using DropConnect") drop weights in training;
    drawn for a trained network, they show how much its saliency hangs on single weights.

    Args:
        rate: Probability with which each weight matrix entry is dropped. Biases, and parameters of
            a single axis, such as those of normalisation, keep their values.

    Raises:
        InputError: The rate is not from 0 to 1 (exclusive).
    """

    rate: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.rate < 1:
            raise InputError(f"rate={self.rate!r}; pass a number from 0 up to, but not, 1")

    def prepare(self, draw: ModelDraw, forward: Callable[[], object]) -> WeightSampler:
        """Refuse a model without weights that could be dropped; called once before all draws."""
        if not any(parameter.ndim > 1 for parameter in draw.model.parameters()):
            raise InputError("drop_connect needs a model with weight matrices, and this has none")
        return self

    def draw(self, state: Mapping[str, Tensor], draw: WeightDraw) -> dict[str, Tensor]:
        """The weights with some of them dropped; what is not returned keeps its values."""
        # Normal numbers are below this bound with probability `rate`. They come from the draw and
        # never from torch's generators, so that the same seed gives the same weights everywhere.
        bound = torch.special.ndtri(torch.tensor(self.rate, dtype=torch.float64)).item()
        return {
            name: value * (draw.normal(name, value) >= bound) / (1 - self.rate)
            for name, value in state.items()
            if name in draw.parameters and value.is_floating_point() and value.ndim > 1
        }
