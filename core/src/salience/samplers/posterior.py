"""Any posterior over the weights that can be drawn from."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from salience.errors import InputError, brief
from salience.samplers.base import State, WeightDraw, WeightSampler
from salience.weights import check_shapes, read_state

# Draws come from the global generators, which threads share.
_lock = threading.Lock()


@dataclass(frozen=True)
class Posterior(WeightSampler):
    """Draws by an object of the user's, such as a Laplace approximation.

    The global generators of torch, numpy and Python are set from (seed, draw) before each draw, so
    that it is the same whenever it is asked for; they are handed back when all is explained.

    Args:
        posterior: Has a method ``sample()`` that returns a state dict, of all the model's weights
            or of some of them.

    Raises:
        InputError: It has no such method.
    """

    posterior: Any

    def __post_init__(self) -> None:
        if not callable(getattr(self.posterior, "sample", None)):
            raise InputError(
                f"posterior is {brief(self.posterior)}; pass an object whose sample() returns a "
                f"state dict"
            )

    def prepare(self, model: nn.Module) -> Callable[[State, WeightDraw], State]:
        """Draw once; refuse weights that are not the model's."""
        check_shapes(self._sample(0), read_state(model), "what sample() returns")
        return lambda state, draw: self._sample(draw.key)

    def _sample(self, key: int) -> State:
        with _lock, torch.no_grad():
            # torch.manual_seed would note down a call for each kind of device that is not started.
            torch.default_generator.manual_seed(key)
            if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
                torch.cuda.manual_seed_all(key)
            np.random.seed(key % 2**32)
            random.seed(key)
            sample = self.posterior.sample()
        if not isinstance(sample, Mapping):
            raise InputError(
                f"sample() returned {brief(sample)}; it has to return a state dict, name → tensor"
            )
        return read_state(sample)
