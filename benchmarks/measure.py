"""Time, in turn with the others, and peak memory, in a process of its own."""

from __future__ import annotations

import ctypes
import gc
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

#: Seconds that a turn of a contender lasts at least.
TURN = 0.3
#: Runs a contender once.
Runs = Mapping[str, Callable[[], object]]


@dataclass(frozen=True)
class Times:
    """How long the runs of one contender took.

    Args:
        seconds: Median of its runs.
        ratio: Median over rounds of its time by the first contender's in the same round.
        low: Smallest of these ratios.
        high: Largest of them.
    """

    seconds: float
    ratio: float
    low: float
    high: float


def interleaved(runs: Runs, shares: Mapping[str, float], repeats: int) -> dict[str, Times]:
    """Run all contenders in turn, so that what disturbs the machine disturbs all of them.

    Args:
        runs: Contenders; the first is the one that the others are compared with.
        shares: The share of the work that each does; its times are divided by it.
        repeats: Number of rounds.
    """
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(repeats):
        for name, run in runs.items():
            say(f"round {number + 1} of {repeats}: {name}")
            taken[name].append(once(run) / shares[name])
    first = taken[next(iter(taken))]
    found = {}
    for name, seconds in taken.items():
        ratios = [one / other for one, other in zip(seconds, first, strict=True)]
        found[name] = Times(
            statistics.median(seconds), statistics.median(ratios), min(ratios), max(ratios)
        )
    return found


def fastest(run: Callable[[int], object], batches: Sequence[int]) -> int:
    """The batch size with the shortest run, the better of two tries each."""
    taken: dict[int, list[float]] = {batch: [] for batch in batches}
    for _ in range(2):
        for batch in batches:
            taken[batch].append(once(lambda batch=batch: run(batch)))  # type: ignore[misc]
    return min(taken, key=lambda batch: min(taken[batch]))


def once(run: Callable[[], object]) -> float:
    """Seconds of one run, the mean of as many as a turn holds; others' garbage is collected before.

    Collecting clears the processor's caches, which would be much of the time of a short run.
    """
    gc.collect()
    began = time.perf_counter()
    count, taken = 0, 0.0
    while taken < TURN:
        run()
        count += 1
        taken = time.perf_counter() - began
    return taken / count


def peak_of(run: Callable[[], object]) -> float:
    """Largest resident memory during one run, above that before it, in MB."""
    gc.collect()
    try:
        Path("/proc/self/clear_refs").write_text("5")  # the largest so far becomes the present
        before = _status("VmRSS")
        run()
        return max(0, _status("VmHWM") - before) / 1024
    except OSError:
        largest = _maxrss()
        run()
        return (_maxrss() - largest) / 1024


def peak_in_own_process(*arguments: str) -> float:
    """What this script prints as its last word in a fresh process with these arguments, in MB."""
    command = [sys.executable, *sys.argv, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout.split()[-1])


def release() -> None:
    """Give memory that is free back to the system, which a tuned allocator does not."""
    gc.collect()
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)


def say(text: str) -> None:
    """Tell a waiting person what is going on."""
    print(f"  {text}", file=sys.stderr, flush=True)


def _status(key: str) -> int:
    """A figure of this process in kB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key))


def _maxrss() -> float:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1024 if sys.platform == "darwin" else most  # bytes there, kB elsewhere
