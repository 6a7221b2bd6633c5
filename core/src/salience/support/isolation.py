"""Isolation of a computation from global state: random generators, inference mode, interrupts."""

from __future__ import annotations

import functools
import random
import sys
import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, nullcontext
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

import numpy as np
import torch

from salience.support.interrupts import holding

Given = ParamSpec("Given")
Result = TypeVar("Result")

#: Names of the threads that explain units begin with this.
OURS = "salience"
_ALL = ("python", "numpy", "torch", "cuda")
_lock = threading.Lock()
_inside = 0
_before: dict[str, Any] = {}
_moved: set[str] = set()
_default_device: ContextVar[torch.device | None] = ContextVar("default_device", default=None)
# As of starts() and clocks() when the first thread came in.
_started, _ticks = 0, dict[int, float | None]()


class isolated:  # noqa: N801
    """Context manager and decorator: at the end, generators that our passes moved are set back.

    The user's code may draw random numbers, from Python, NumPy or torch. Where no other thread
    computed in the meantime, all of them are ours, and the generators are set back. Otherwise only
    those are that were named to :func:`moved_by_us`, so that a thread that draws beside us, such as
    a training loop, goes on with numbers that it has not seen. Where several threads are inside,
    the last thread to leave restores the states that the first one found. Inference mode is off
    inside because tensors made in it cannot take part in autograd, and the user's autocast, which
    would round backward passes alone and reach no other thread. Tensors that we make are on the
    CPU, whatever the user's default device, which only the model has (:func:`default_device`).
    SIGINT is held back as in :class:`salience.support.interrupts.holding`.
    """

    def __init__(self) -> None:
        self._holding = holding()
        self._modes = ExitStack()

    def __enter__(self) -> None:
        global _inside, _before, _started, _ticks
        self._holding.__enter__()
        with _lock:
            if _inside == 0:
                # The clocks first, so that they show what moves a generator from then on.
                _started, _ticks = starts(), clocks()
                _before = generator_states()
                _moved.clear()
            _inside += 1
        self._modes.enter_context(torch.inference_mode(False))
        for kind in filter(torch.is_autocast_enabled, ("cpu", "cuda")):
            self._modes.enter_context(torch.autocast(kind, enabled=False))
        # Asked in this way, since get_default_device of torch 2.5 fails once none was set again.
        if (device := torch.empty(0).device).type != "cpu":
            self._modes.callback(_default_device.reset, _default_device.set(device))
            self._modes.enter_context(torch.device("cpu"))

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        global _inside
        try:
            self._modes.__exit__(kind, error, trace)
            with _lock:
                _inside -= 1
                if _inside == 0:
                    _set_back()
        finally:
            self._holding.__exit__(kind, error, trace)

    def __call__(self, function: Callable[Given, Result]) -> Callable[Given, Result]:
        """The function, run inside such a context."""

        @functools.wraps(function)
        def run(*args: Given.args, **kwargs: Given.kwargs) -> Result:
            with isolated():
                return function(*args, **kwargs)

        return run


def default_device() -> AbstractContextManager[Any]:
    """A context in which tensors are made on the user's default device, for code of the user's."""
    device = _default_device.get()
    return nullcontext() if device is None else device


def moved_by_us(names: Collection[str]) -> None:
    """Take note of generators, by their names in :func:`generator_states`, to be set back."""
    with _lock:
        _moved.update(names)


def generator_states(names: Collection[str] = _ALL) -> dict[str, Any]:
    """States of the global random generators; "cuda" only where CUDA is in use.

    Args:
        names: Which of ``"python"``, ``"numpy"``, ``"torch"`` and ``"cuda"``.
    """
    found: dict[str, Any] = {}
    if "python" in names:
        found["python"] = random.getstate()
    if "numpy" in names:
        found["numpy"] = np.random.get_state()
    if "torch" in names:
        found["torch"] = torch.get_rng_state()
    # Reading the state of a GPU that is not in use would initialise CUDA.
    if "cuda" in names and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        found["cuda"] = torch.cuda.get_rng_state_all()
    return found


def differing(one: dict[str, Any], other: dict[str, Any]) -> set[str]:
    """Names of the generators whose states differ; a pass that draws from one changes its state."""
    return {name for name, state in other.items() if not _same(one.get(name), state)}


def _set_back() -> None:
    names = differing(_before, generator_states())
    if names and (_started != starts() or _ran()):
        names &= _moved
    restore({name: _before[name] for name in names if name in _before})


def _same(one: Any, other: Any) -> bool:
    if isinstance(other, torch.Tensor):
        return isinstance(one, torch.Tensor) and torch.equal(one, other)
    if isinstance(other, list):
        return isinstance(one, list) and all(map(torch.equal, one, other))
    if isinstance(other, tuple) and isinstance(other[1], np.ndarray):
        return one is not None and bool((one[1] == other[1]).all()) and one[2:] == other[2:]
    return bool(one == other)


def restore(states: dict[str, Any]) -> None:
    """Set global generators to states as :func:`generator_states` returned them."""
    if "python" in states:
        random.setstate(states["python"])
    if "numpy" in states:
        np.random.set_state(states["numpy"])
    if "torch" in states:
        torch.set_rng_state(states["torch"])
    if "cuda" in states:
        torch.cuda.set_rng_state_all(states["cuda"])


def threads_beside() -> bool:
    """Whether another thread runs now that may draw random numbers."""
    own = threading.current_thread()
    return any(thread is not own and not _quiet(thread) for thread in threading.enumerate())


def clocks() -> dict[int, float | None]:
    """Seconds that each other thread has computed so far; ``None`` where the system does not say.

    On Linux a thread's clock is known by the number of the thread, of which it is the complement
    (``clock_getcpuclockid(3)``).
    """
    own, found = threading.current_thread(), dict[int, float | None]()
    for thread in threading.enumerate():
        number = thread.native_id
        if thread is own or _quiet(thread) or number is None:
            continue
        try:
            known = sys.platform == "linux"
            found[number] = time.clock_gettime(~number << 3 | 6) if known else None
        except OSError:
            found[number] = None
    return found


def _ran() -> bool:
    """Whether another thread has computed anything since the first thread came in."""
    now = clocks()
    return now != _ticks or None in now.values()


def starts() -> int:
    """A number that grows with each thread or pool of threads that is made without a name.

    A thread that has come and gone leaves no other trace. Python counts these to name them.
    """
    monitors = sum(map(_monitors, threading.enumerate()))
    return _count(threading) + _count(ThreadPoolExecutor) - monitors


def _count(owner: Any) -> int:
    """What the counter of names would give next, without moving it on; 0 where there is none."""
    counter = getattr(getattr(owner, "_counter", None), "__self__", None)
    found = repr(counter).removeprefix("count(").removesuffix(")")
    return int(found) if found.isdigit() else 0


def _quiet(thread: threading.Thread) -> bool:
    return thread.name.startswith(OURS) or _monitors(thread)


def _monitors(thread: threading.Thread) -> bool:
    """Whether a thread moves progress bars."""
    return type(thread).__module__.split(".")[0] == "tqdm"
