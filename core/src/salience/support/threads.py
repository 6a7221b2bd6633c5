"""Other threads of Python: whether any runs, or ran for a while, beside ours."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

#: Names of the threads that explain units begin with this.
OURS = "salience"


def threads_beside() -> bool:
    """Whether another thread runs now that may draw random numbers."""
    own = threading.current_thread()
    return any(thread is not own and not _quiet(thread) for thread in threading.enumerate())


def starts() -> int:
    """A number that grows with each thread or pool of threads that is made without a name.

    A thread that has come and gone leaves no other trace. Python counts these to name them.
    """
    monitors = sum(map(_monitors, threading.enumerate()))
    return _count(threading) + _count(ThreadPoolExecutor) - monitors


def _count(owner: Any) -> int:
    """What the counter of names would give next, without moving it on; 0 where there is none."""
    counter = getattr(getattr(owner, "_counter", None), "__self__", None)
    found = re.search(r"\d+", repr(counter)) if counter is not None else None
    return int(found[0]) if found else 0


def _quiet(thread: threading.Thread) -> bool:
    return thread.name.startswith(OURS) or _monitors(thread)


def _monitors(thread: threading.Thread) -> bool:
    """Whether a thread moves progress bars."""
    return type(thread).__module__.split(".")[0] == "tqdm"
