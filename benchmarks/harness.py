"""Times contenders in turn, in one process, and measures the memory of each in one of its own."""

from __future__ import annotations

import argparse
import gc
import json
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

Contender = Callable[[], object]

#: The contender that the others are compared with.
OURS = "salience"


@dataclass(frozen=True)
class Figures:
    """What was measured of one contender.

    Args:
        seconds: Median time of a run.
        ratio: Median over rounds of this contender's time by salience's in the same round.
        peak: Peak memory of a process that runs it once, above that before the run, in MB.
    """

    seconds: float
    ratio: float
    peak: float


def main(title: str, make: Callable[[], Mapping[str, Contender]], repeats: int = 5) -> None:
    """Measure and print a table.

    Args:
        title: What the task is.
        make: Makes the contenders; called in each process.
        repeats: Rounds, each of which runs every contender once.
    """
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--repeats", type=int, default=repeats)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--only", help="run this contender once and print its peak memory")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    contenders = make()
    if options.only:
        print(_peak_of(contenders[options.only]))
        return
    figures = _measure(contenders, options.repeats)
    if options.json:
        print(json.dumps({name: vars(figure) for name, figure in figures.items()}))
    else:
        print(table(title, figures))


def table(title: str, figures: Mapping[str, Figures]) -> str:
    """The figures as a table of Markdown."""
    lines = [
        f"### {title}",
        "",
        "| | time | by salience's | peak memory |",
        "|---|---:|---:|---:|",
    ]
    lines += [
        f"| {name} | {f.seconds:.3g} s | {f.ratio:.2f} | {f.peak:.0f} MB |"
        for name, f in figures.items()
    ]
    return "\n".join(lines) + "\n"


def machine() -> str:
    """What the figures were measured on, in a line."""
    return (
        f"{platform.machine()}, {torch.get_num_threads()} threads, "
        f"Python {platform.python_version()}, torch {torch.__version__}"
    )


def _measure(contenders: Mapping[str, Contender], repeats: int) -> dict[str, Figures]:
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for contender in contenders.values():
        contender()  # a first run fills caches, and is not counted
    for _ in range(repeats):
        for name, contender in contenders.items():
            gc.collect()
            began = time.perf_counter()
            contender()
            times[name].append(time.perf_counter() - began)
    figures = {}
    for name, seconds in times.items():
        ratios = [mine / ours for mine, ours in zip(seconds, times[OURS], strict=True)]
        figures[name] = Figures(
            statistics.median(seconds), statistics.median(ratios), _peak_in_own_process(name)
        )
    return figures


def _peak_in_own_process(name: str) -> float:
    command = [sys.executable, *sys.argv, "--only", name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def _peak_of(contender: Contender) -> float:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    contender()
    # Kilobytes on Linux.
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
