"""What surrounds a computation is kept from it, and it from its surroundings."""

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
    """Hand the global random states back as they were, and allow autograd.

    A forward of the user's may draw. Where several threads are inside, the last to leave restores
    what the first one found; so a thread that draws from the global generators meanwhile, such as
    one that trains, finds them set back. Tensors made in inference mode cannot take part in
    autograd, so that mode of the caller's is off inside.
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


def _states() -> tuple[Any, Any, Any, Any]:
    # Asking an idle GPU for its state would start it up.
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None  # type: ignore[no-untyped-call]
    return random.getstate(), np.random.get_state(), torch.get_rng_state(), cuda


def _restore(states: tuple[Any, Any, Any, Any]) -> None:
    python, numpy, cpu, cuda = states
    random.setstate(python)
    np.random.set_state(numpy)
    torch.set_rng_state(cpu)
    if cuda is not None:
        torch.cuda.set_rng_state_all(cuda)
