"""Isolation of a computation from global state: random generators and torch's inference mode."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

_lock = threading.Lock()
_inside = 0
_before: Any = None


@contextmanager
def isolated() -> Iterator[None]:
    """Restore the global random states at the end, and switch inference mode off inside.

    The user's forward may draw random numbers, from Python, NumPy or torch. Where several threads
    are inside, the last thread to leave restores the states that the first one found. Another
    thread that draws from the global generators in the meantime, such as a training loop, finds
    its generators set back. Inference mode is off inside because tensors made in it cannot take
    part in autograd.
    """
    global _inside, _before
    with _lock:
        if _inside == 0:
            _before = _states()
        _inside += 1
    try:
        with torch.inference_mode(False):
            yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _restore(_before)


def generator_states() -> list[Any]:
    """States of the global random generators of Python, NumPy and torch, to be compared by ``==``.

    A pass that draws from one of them changes its state.
    """
    python, numpy, cpu, cuda = _states()
    devices = [] if cuda is None else [state.numpy().tobytes() for state in cuda]
    return [python, numpy[1].tobytes(), numpy[2:], cpu.numpy().tobytes(), devices]


def _states() -> tuple[Any, Any, Any, Any]:
    # Reading the state of a GPU that is not in use would initialise CUDA.
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None  # type: ignore[no-untyped-call]
    return random.getstate(), np.random.get_state(), torch.get_rng_state(), cuda


def _restore(states: tuple[Any, Any, Any, Any]) -> None:
    python, numpy, cpu, cuda = states
    random.setstate(python)
    np.random.set_state(numpy)
    torch.set_rng_state(cpu)
    if cuda is not None:
        torch.cuda.set_rng_state_all(cuda)
