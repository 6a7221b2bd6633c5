"""Ctrl-C that leaves nothing half done: it is held back where a context is entered or left.

Python runs the handler of SIGINT between any two steps of the main thread, also between those that
belong together, such as switching a mode on and making sure that it goes off again. While a
:class:`holding` context is open, the caller's handler is thus run at once only where the user's
code is running, and otherwise at the next :func:`check` or at the end of the context.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, ParamSpec, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")

# What Python's functions wrap, which make an enumeration of numbers at a price of some 4 µs.
_get: Any = getattr(signal.getsignal, "__wrapped__", signal.getsignal)
_set: Any = getattr(signal.signal, "__wrapped__", signal.signal)
_SIGINT = int(signal.SIGINT)
#: The outermost context of the main thread.
_open: holding | None = None

# Functions that enter or leave contexts, or whose errors Python or torch would pass over.
_NEVER_IN = frozenset(
    ("__enter__", "__exit__", "__torch_function__", "__torch_dispatch__", "__del__")
)
# Modules that keep state of the whole process, which an exception could leave half changed.
_NEVER_BELOW = frozenset(
    (
        *("importlib", "_frozen_importlib", "contextlib", "weakref", "_weakrefset", "tqdm"),
        *("logging", "warnings", "torch", "salience"),
    )
)
# What torch runs between the user's modules keeps no state.
_PLAIN = ("torch.nn",)


class holding:  # noqa: N801
    """Context manager that holds SIGINT back in the main thread; nothing in any other thread.

    Where the handler is not one of Python's functions, nothing changes. Contexts inside another
    one change nothing either.

    Raises:
        KeyboardInterrupt: At the end, where an interrupt is still waiting, or was raised and did
            not arrive: user's code may have passed over it or made another error of it.
    """

    def __init__(self) -> None:
        self._former: Any = None
        self._waiting = False
        self._raised: BaseException | None = None
        self._handler = self._hold

    def __enter__(self) -> None:
        global _open
        if threading.current_thread() is not threading.main_thread() or _open is not None:
            return
        former = _get(_SIGINT)
        if not callable(former) or isinstance(getattr(former, "__self__", None), holding):
            return
        self._former = former
        _set(_SIGINT, self._handler)
        _open = self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        global _open
        if self._former is None:
            return
        _open = None
        now = _set(_SIGINT, self._former)
        if now is not self._handler:  # the user's code has set one of its own meanwhile
            _set(_SIGINT, now)
        waits = self._waiting and not self._arrived(error)
        # An error that is kept would keep the frames that it went through, and their generators.
        self.take()
        if waits:
            self._former(signal.SIGINT, None)

    def deliver(self, frame: FrameType | None = None) -> None:
        """Run the former handler where an interrupt waits.

        What it raises stays noted until it has arrived at the end of the context.
        """
        if not self._waiting:
            return
        try:
            self._former(signal.SIGINT, frame)
        except BaseException as error:
            self._raised = error
            raise
        self._waiting = False

    def take(self) -> None:
        """Take note that the interrupt was answered, such as by a partial result."""
        self._waiting, self._raised = False, None

    def _hold(self, number: int, frame: FrameType | None) -> None:
        self._waiting = True
        if _may_raise(frame):
            self.deliver(frame)

    def _arrived(self, error: BaseException | None) -> bool:
        return isinstance(error, KeyboardInterrupt) or (
            self._raised is not None and error is self._raised
        )


def check() -> None:
    """Let an interrupt that waits arrive here; nothing in other threads than the main thread."""
    if _open is not None and threading.current_thread() is threading.main_thread():
        _open.deliver()


def answered() -> None:
    """Take note that an interrupt was answered by what was finished until then."""
    if _open is not None and threading.current_thread() is threading.main_thread():
        _open.take()


def called(function: Callable[Given, Result], *args: Given.args, **kwargs: Given.kwargs) -> Result:
    """Call the user's code, in which an interrupt arrives at once, and return what it returns."""
    return function(*args, **kwargs)


_CALLED = called.__code__


def _may_raise(frame: FrameType | None) -> bool:
    """Whether an exception at that place runs through the user's code before it reaches ours."""
    while frame is not None:
        if frame.f_code is _CALLED:
            return True
        name = frame.f_globals.get("__name__") or ""
        if frame.f_code.co_name in _NEVER_IN or _below(name):
            return False
        frame = frame.f_back
    return True


def _below(name: str) -> bool:
    return name.split(".", 1)[0] in _NEVER_BELOW and not name.startswith(_PLAIN)
