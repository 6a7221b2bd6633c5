"""Processes that tests start, and end by their numbers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path


def descendants(pid: int) -> list[int]:
    """Numbers of the processes that a process has started, and those that they have."""
    found = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        try:
            found += [int(child), *descendants(int(child))]
        except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            continue
    return found


def title_of(pid: int) -> str:
    """The title of a process: ``ray::explain`` for one that explains."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def explaining() -> list[int]:
    """Processes that this one has started and that explain a unit now."""
    return [pid for pid in descendants(os.getpid()) if title_of(pid).startswith("ray::explain")]


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def wait_for(what: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
