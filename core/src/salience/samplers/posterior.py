"""Draws from any posterior over the weights that has a method ``sample()``."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from salience.errors import InputError, brief
from salience.model.state_dicts import State, own_weights, read_state
from salience.samplers.base import ModelDraw, WeightDraw, WeightSampler

# Threads share the global generators, from which the posterior draws.
_lock = threading.Lock()


@dataclass(frozen=True)
class Posterior(WeightSampler):
    """Draws weights from an object that the user passes, such as a Laplace approximation.

    The global generators of torch, numpy and Python are set from (seed, draw) before each draw, so
    that a draw does not depend on when it is made. Their states are restored after the computation.
    ``sample()`` is called once for each draw and batch of items.

    Args:
        posterior: Object with a method ``sample()``, which returns a state dict with all or some of
            the model's weights.

    Raises:
        InputError: ``posterior`` has no method ``sample``.
    """

    posterior: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        if not callable(getattr(self.posterior, "sample", None)):
            raise InputError(
                f"posterior is {brief(self.posterior)}; pass an object whose sample() returns a "
                f"state dict"
            )

    def prepare(self, draw: ModelDraw, forward: Callable[[], object]) -> WeightSampler:
        """Draw twice with one seed to check ``sample()``.

        Args:
            draw: Holds the replica that runs.
            forward: Not called.

        Returns:
            This sampler.

        Raises:
            InputError: ``sample()`` returned weights that do not fit the model, returned two
                different draws, or wrote into the model that is explained.
        """
        what, model = "what sample() returns", draw.model
        before = {name: value.clone() for name, value in read_state(model).items()}
        one, two = (own_weights(self._sample(0), model, what) for _ in range(2))
        written = [n for n, now in read_state(model).items() if not torch.equal(now, before[n])]
        if written:
            with torch.no_grad():
                for name, value in read_state(model).items():
                    value.copy_(before[name])
            raise InputError(
                f"sample() wrote {written[0]!r} into the model that is explained, whose weights "
                f"were set back; give the posterior a copy of the model (copy.deepcopy)"
            )
        same = (torch.allclose(value.double(), two[name].double()) for name, value in one.items())
        if one.keys() != two.keys() or not all(same):
            raise InputError(
                "sample() returned two different draws under the same seed; let it draw from the "
                "global generators of torch, numpy or Python, not from one of its own; members of "
                "a chain make an Ensemble"
            )
        return self

    def draw(self, state: State, draw: WeightDraw) -> State:
        """Call ``sample()`` with the generators set from the key of the draw."""
        return self._sample(draw.key)

    def _sample(self, key: int) -> State:
        with _lock, torch.no_grad():
            # torch.manual_seed would queue a call for each kind of device not initialised yet.
            torch.default_generator.manual_seed(key)
            if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
                torch.cuda.manual_seed_all(key)
            np.random.seed(key % 2**32)
            random.seed(key)
            sample = self.posterior.sample()
            if not isinstance(sample, Mapping):
                raise InputError(
                    f"sample() returned {brief(sample)}; it has to return a state dict, name → "
                    f"tensor"
                )
            # The values are copied, since a posterior may write its next draw into these tensors.
            return {name: value.clone() for name, value in read_state(sample).items()}
