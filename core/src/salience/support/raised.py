"""Errors that the user's code raised: which are to be worded anew, and who raised them."""

from __future__ import annotations

import dis

from salience.errors import InputError
from salience.support.memory import out_of_memory

_LIBRARIES = ("builtins", "torch", "numpy")
_RAISES = ("RAISE_VARARGS", "RERAISE")


def is_to_be_worded(error: Exception) -> bool:
    """Whether an error of the user's code is one of Python, NumPy or torch, not of lack of memory.

    Errors of classes of the user's are raised as they are.
    """
    if isinstance(error, InputError | MemoryError | Warning) or out_of_memory(error):
        return False
    return type(error).__module__.partition(".")[0] in _LIBRARIES


def is_raised_by_user(error: Exception) -> bool:
    """Whether a ``raise`` or ``assert`` outside of torch made the error, not an operation."""
    trace = error.__traceback__
    if trace is None:
        return False
    while trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code
    if trace.tb_frame.f_globals.get("__name__", "").partition(".")[0] in ("torch", "salience"):
        return False
    return dis.opname[code.co_code[trace.tb_lasti]] in _RAISES
