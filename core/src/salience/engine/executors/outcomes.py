"""What comes of a call in another process: its result, or the error that it raised, as bytes."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable
from typing import Any

from salience.errors import brief


class ElsewhereError(Exception):
    """The cause of an error that was raised in another process: the traceback there, as text."""


def outcome_of(function: Callable[..., Any], *args: Any) -> bytes:
    """Call a function, and return what comes of it as bytes, which :func:`result_of` opens.

    Args:
        function: The function, such as the method ``explain`` of a worker.
        *args: Its arguments.

    Returns:
        The result, or the error or KeyboardInterrupt that the function raised; pickled.
    """
    try:
        return pickle.dumps((function(*args), None))
    except (Exception, KeyboardInterrupt) as error:
        return failure(error)


def failure(error: BaseException) -> bytes:
    """The outcome of a call that raised an error: the error, with its traceback as text."""
    trace = "".join(traceback.format_exception(error))
    try:
        packed = pickle.dumps((error, trace))
        pickle.loads(packed)  # some errors only fail here
    except Exception:  # errors of the user's classes may not pickle
        text = f"{type(error).__name__}: {brief(error)}"
        packed = pickle.dumps((RuntimeError(text), trace))
    return packed


def result_of(outcome: bytes) -> Any:
    """The result of a call in another process.

    Args:
        outcome: What :func:`outcome_of` returned there.

    Raises:
        Exception: What the call raised, or KeyboardInterrupt. Its cause is the traceback in the
            other process.
    """
    value, trace = pickle.loads(outcome)
    if trace is None:
        return value
    value.__cause__ = ElsewhereError(f"\n{trace}")
    raise value
