"""A process that outlives the program: it ends what Ray leaves where the program is killed.

Ray's own processes end with the program that started them, but for two agents, which live on for
minutes. This file is run as a script, so that it imports nothing else.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path


class Guard:
    """Waits in a process of its own until this one ends, and then ends others and removes a folder.

    Args:
        pids: Numbers of the processes to end.
        folder: The folder to remove.
    """

    def __init__(self, pids: list[int], folder: str) -> None:
        started = [f"{pid}:{start_of(pid)}" for pid in pids]
        self._popen = subprocess.Popen(
            [sys.executable, "-S", __file__, folder, *started],
            stdin=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C in a terminal goes to all of a session
        )

    def end(self) -> None:
        """Let it do so now, and wait until it has."""
        self._popen.communicate()


def descendants(pid: int) -> list[int]:
    """Numbers of the processes that a process has started, and those that they have.

    There are none where the system has no ``/proc``: there, Ray ends all of its processes itself.
    """
    found: list[int] = []
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (thread / "children").read_text().split()):
                found += [child, *descendants(child)]
    return found


def start_of(pid: int) -> str:
    """When a process was started, in ticks of the system; empty where it has ended."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    return ""


def _main(folder: str, *started: str) -> None:
    sys.stdin.read()
    for pid, _, start in (each.partition(":") for each in started):
        if start and start_of(int(pid)) == start:  # it is no other process of the same number
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    _main(*sys.argv[1:])
