"""Times of pictures, a row each: drawing one and writing it as PNG.

    python benchmarks/pictures.py
    python benchmarks/pictures.py --against ../other "mean" "grid"

With ``--against`` the folder of another checkout, both are timed in turn, each in a process of its
own, and the medians of the ratios of their times are printed, by the processor and by the clock:
above 1, this checkout is slower. The other draws the pictures that it has by the same calls.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import salience
from compare_worker import check_origin
from gallery import Draw, pictures
from harness import arguments, prepare, print_report
from measure import say
from report import Report, duration, table

HERE = Path(__file__).resolve().parent
TREE = HERE.parent
#: A picture is as slow as one of the other checkout up to here.
LIMIT = 1.2
#: The two times of a picture.
KINDS = ("cpu", "clock")
#: Seconds that a beeswarm of 10 000 × 30 may take.
SWARM, SWARM_LIMIT = "table: beeswarm, 10,000 × 30", 3.0


@dataclass(frozen=True)
class Taken:
    """Seconds of one picture, one number a round; none where the checkout has no such picture.

    Args:
        cpu: Of the processor.
        clock: By the clock.
    """

    cpu: list[float] = field(default_factory=list)
    clock: list[float] = field(default_factory=list)


class Tree:
    """A process that draws the pictures of one checkout when it is asked to.

    Args:
        tree: Its folder.
        options: The command line's.
    """

    def __init__(self, tree: Path, options: argparse.Namespace) -> None:
        path = [HERE, tree / "core" / "src", *sorted(tree.glob("plugins/*/src"))]
        words = [sys.executable, str(HERE / "pictures.py"), "--worker", str(tree)]
        words += ["--threads", str(options.threads), *(["--quick"] * options.quick)]
        words += ["--allocator" if options.allocator else "--no-allocator"]
        self._process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))},
        )

    def ask(self, name: str) -> list[float]:
        """Seconds of drawing a picture once, by processor and by clock; empty if there is none."""
        assert self._process.stdin is not None and self._process.stdout is not None
        print(name, file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a process ended with status {self._process.wait()}")
        found: list[float] = json.loads(line)
        return found

    def __enter__(self) -> Tree:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


def main() -> None:
    """Measure as the command line asks, and print the table."""
    parser = arguments(allocator=True, repeats=9)
    parser.add_argument("pictures", nargs="*", metavar="PICTURE", help="part of a name")
    parser.add_argument("--against", type=Path, metavar="FOLDER", help="another checkout")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_intermixed_args()
    allocator = prepare(options)
    if options.worker:
        _work(options)
    else:
        print_report(_measure(options, allocator), options.json)


def _names(options: argparse.Namespace) -> list[str]:
    words = options.pictures
    every = [name for name, _ in pictures(options.quick)]
    return [name for name in every if not words or any(word in name for word in words)]


def _work(options: argparse.Namespace) -> None:
    """Draw the pictures that the standard input names, a line each."""
    check_origin(options.worker)
    explain, ready = dict(pictures(options.quick)), {}
    for line in sys.stdin:
        name = line.rstrip("\n")
        try:
            if name not in ready:
                ready[name] = explain[name]()
                _timed(ready[name])  # fills caches
            found = _timed(ready[name])
        except salience.InputError as error:
            say(f"{name}: {error}")
            found = []
        print(json.dumps(found), flush=True)


def _timed(draw: Draw) -> list[float]:
    """Seconds of drawing and writing a picture, by processor and by clock."""
    gc.collect()
    cpu, clock = time.process_time(), time.perf_counter()
    draw().savefig(BytesIO(), format="png")
    return [time.process_time() - cpu, time.perf_counter() - clock]


def _measure(options: argparse.Namespace, allocator: str) -> Report:
    names, folders = _names(options), [TREE, *([options.against] if options.against else [])]
    found: dict[str, list[Taken]] = {}
    with ExitStack() as stack:
        trees = [stack.enter_context(Tree(folder.resolve(), options)) for folder in folders]
        for name in names:
            say(f"{name}")
            found[name] = [Taken() for _ in trees]
            for number in range(options.repeats):
                # Each goes first in every other round.
                turns = list(zip(trees, found[name], strict=True))
                for tree, taken in turns[:: 1 if number % 2 else -1]:
                    if seconds := tree.ask(name):
                        taken.cpu.append(seconds[0])
                        taken.clock.append(seconds[1])
    goals = _goals(found)
    return Report(
        "Pictures",
        f"Drawing a picture and writing it as PNG, medians of {options.repeats}. {allocator}",
        _table(found),
        goals=goals,
        missed=[f"Pictures: {goal}" for goal in goals if "missed" in goal],
        wrong=[f"{name} is not drawn here" for name, (taken, *_) in found.items() if not taken.cpu],
    )


def _table(found: Mapping[str, Sequence[Taken]]) -> str:
    """The medians of each picture, and by how much it is slower than the other checkout's."""
    compared = any(len(taken) > 1 for taken in found.values())
    head = ["", "processor", "clock"]
    head += ["there", "there, clock", "ratio", "ratio, clock"] if compared else []
    lines = []
    for name, taken in found.items():
        cells = [name]
        for one in taken:
            cells += [_median(one.cpu), _median(one.clock)]
        if compared:
            cells += [f"{ratio:.2f}" if (ratio := _ratio(taken, k)) else "–" for k in KINDS]
        lines.append(cells)
    return table(head, lines)


def _median(seconds: Sequence[float]) -> str:
    return duration(statistics.median(seconds)) if seconds else "–"


def _ratio(taken: Sequence[Taken], kind: str) -> float | None:
    """Median over rounds of the time here by the time there; ``None`` where one has no picture."""
    here, there = ([getattr(one, kind) for one in taken] + [[]])[:2]
    pairs = list(zip(here, there, strict=False))
    return statistics.median(one / other for one, other in pairs) if pairs else None


def _goals(found: Mapping[str, Sequence[Taken]]) -> list[str]:
    """What is said of each goal."""
    said = []
    for name, taken in found.items():
        ratio = _ratio(taken, "cpu")
        if ratio is not None and ratio > LIMIT:
            said.append(f"Goal: {name} takes at most {LIMIT} times as long: missed, {ratio:.2f}")
    if found.get(SWARM) and found[SWARM][0].clock:
        took = statistics.median(found[SWARM][0].clock)
        verdict = "reached" if took < SWARM_LIMIT else "missed"
        said.append(f"Goal: {SWARM} takes less than {SWARM_LIMIT:.0f} s: {verdict}, {took:.1f} s")
    return said


if __name__ == "__main__":
    main()
