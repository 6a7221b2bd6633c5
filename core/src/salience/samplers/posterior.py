"""Draws from any posterior over the weights that has a method ``sample()``."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from salience.errors import InputError, brief
from salience.model.state_dicts import State, own_weights, read_state
from salience.samplers.base import ModelDraw, WeightDraw, WeightSampler
from salience.support.interrupts import called
from salience.support.isolation import differing, generator_states, restore, threads_beside
from salience.support.private_draws import PrivateDraws

# Threads share the global generators of numpy and Python, from which a posterior may draw.
_lock = threading.Lock()
_OTHERS = ("python", "numpy")
# Draws that are made, where other threads run, until two in a row are the same.
_TRIES = 8


@dataclass(frozen=True)
class Posterior(WeightSampler):
    """Draws weights from an object that the user passes, such as a Laplace approximation.

    What ``sample()`` draws comes from (seed, draw), so that a draw does not depend on when it is
    made, nor on what other threads draw: torch draws from generators of this thread alone. Where
    ``sample()`` draws from numpy or Python, their global generators are set before each draw and
    set back behind it, and with other threads about, the draw is made until it comes twice.
    ``sample()`` is called once for each draw and batch of items otherwise.

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
        ready, *both = self._ready()
        one, two = (own_weights(state, model, what) for state in both)
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
        return ready

    #: Names of the global generators beside torch's from which ``sample()`` draws.
    _others: ClassVar[frozenset[str]] = frozenset()

    def draw(self, state: State, draw: WeightDraw) -> State:
        """Call ``sample()`` with the generators set from the key of the draw."""
        return self._sample(draw.key)

    def _ready(self) -> tuple[Posterior, State, State]:
        """This sampler, which knows from which generators it draws, and one draw made twice.

        Where two draws from one seed of torch are the same, nothing else decides about them.
        """
        before = generator_states(_OTHERS)
        one, two = self._once(0), self._once(0)
        moved = differing(before, generator_states(_OTHERS))
        if moved and not threads_beside():
            restore({name: before[name] for name in moved})
        if not moved or _equal(one, two):
            return self, one, two
        ready = Posterior(self.posterior)
        object.__setattr__(ready, "_others", frozenset(moved))
        return ready, ready._sample(0), ready._sample(0)

    def _sample(self, key: int) -> State:
        if not self._others:
            return self._once(key)
        with _lock:
            found = self._seeded(key)
            if not threads_beside():
                return found
            for _ in range(_TRIES):  # what another thread draws between would change the draw
                former, found = found, self._seeded(key)
                if _equal(found, former):
                    return found
        raise InputError(
            "other threads draw from the generators of numpy or Python from which sample() draws; "
            "let it draw from torch, or let these threads have generators of their own"
        )

    def _seeded(self, key: int) -> State:
        """A draw with the generators of numpy and Python set, and set back behind it."""
        before = generator_states(self._others)
        try:
            if "numpy" in self._others:
                np.random.seed(key % 2**32)
            if "python" in self._others:
                random.seed(key)
            return self._once(key)
        finally:
            restore(before)

    def _once(self, key: int) -> State:
        with torch.no_grad(), PrivateDraws(key):
            sample = called(self.posterior.sample)
        if not isinstance(sample, Mapping):
            raise InputError(
                f"sample() returned {brief(sample)}; it has to return a state dict, name → tensor"
            )
        # The values are copied, since a posterior may write its next draw into these tensors.
        with torch.no_grad():
            return {name: value.clone() for name, value in read_state(sample).items()}


def _equal(one: State, other: State) -> bool:
    same = (torch.equal(value, other[name]) for name, value in one.items() if name in other)
    return one.keys() == other.keys() and all(same)
