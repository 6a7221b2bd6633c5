"""Units of a data set: one process, two of the pool, two of Ray, after their start."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import cnn
import salience
from harness import arguments, prepare, print_report
from measure import say
from report import Report, duration, table

#: How many times as fast two processes of the pool are to be as one with one thread.
FASTER = 1.7
#: How many times as long Ray may take as the pool.
LONGER = 1.15
SERIAL, POOL, RAY = "one process, one thread", "pool, 2 processes", "Ray, 2 processes"
EXECUTORS: Mapping[str, tuple[str, int]] = {
    SERIAL: ("serial", 1),
    POOL: ("pool:processes=2", 2),
    RAY: ("ray:processes=2", 2),
}


def net() -> Any:
    """The network, which every process makes by the name of this function."""
    return cnn.setup(1).net


def main() -> None:
    """Measure as the command line asks, and print the table."""
    parser = arguments(allocator=True, repeats=3)
    parser.set_defaults(threads=1)
    options = parser.parse_args()
    allocator = prepare(options)
    number, draws = (8, 2) if options.quick else (24, 8)
    print_report(_measure(number, draws, options.repeats, allocator), options.json)


def _measure(number: int, draws: int, repeats: int, allocator: str) -> Report:
    """Explain units of two photos, in turn by each executor.

    Args:
        number: Number of units.
        draws: Draws of SmoothGrad, such that a unit takes about a second.
        repeats: Rounds.
        allocator: What is said of the allocator, which processes of executors tune as well.
    """
    say("Units of a data set")
    explainer = salience.Explainer(salience.load_model("units:net", None), cnn.DOMAIN, max_rows=8)
    photos = cnn.setup(2).photos.repeat(number, 1, 1, 1)
    chosen = [name for name in EXECUTORS if name != RAY or find_spec("salience_ray")]
    seconds: dict[str, list[float]] = {name: [] for name in chosen}
    digests = set()
    for turn in range(repeats):
        for name in chosen:
            say(f"round {turn + 1} of {repeats}: {name}")
            executor, workers = EXECUTORS[name]
            with tempfile.TemporaryDirectory() as folder:
                out = Path(folder) / "run"
                settings: dict[str, Any] = {"samplers": ["gaussian"], "n_samples": draws}
                found = explainer.explain_dataset(
                    photos, out, **settings, unit_items=2, executor=executor, progress=False
                )
                digests.add(found.digest())
                seconds[name].append(_after_start(out, workers))
    lines, goals = _compared(seconds)
    verdict = "the same" if len(digests) == 1 else "DIFFERENT"
    return Report(
        "Units of a data set",
        f"{number} units of 2 photos, SmoothGrad with {draws} draws of EfficientNet-Lite0, from "
        f"the first committed unit of each process to the last. {allocator}",
        table(["", "a unit", "by one process (lowest to highest)"], lines),
        remarks=[f"Digests of all results: {verdict}."],
        goals=goals,
        missed=[goal for goal in goals if "missed" in goal],
    )


def _after_start(out: Path, workers: int) -> float:
    """Seconds from commit to commit, without the units during which processes start."""
    ends = sorted(path.stat().st_mtime for path in (out / "units").glob("*.parquet"))
    return (ends[-1] - ends[workers - 1]) / (len(ends) - workers)


def _compared(seconds: Mapping[str, list[float]]) -> tuple[list[list[str]], list[str]]:
    """Rows of the table, and whether the goals are reached."""
    lines = []
    for name, own in seconds.items():
        ratios = sorted(a / b for a, b in zip(own, seconds[SERIAL], strict=True))
        ratio = f"{median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})"
        lines.append([name, duration(median(own)), ratio])
    faster = median(a / b for a, b in zip(seconds[SERIAL], seconds[POOL], strict=True))
    goals = [
        f"Goal: two processes of the pool are {FASTER} times as fast as one: "
        f"{'reached' if faster >= FASTER else 'missed'}, {faster:.2f}"
    ]
    if RAY in seconds:
        longer = median(a / b for a, b in zip(seconds[RAY], seconds[POOL], strict=True))
        goals.append(
            f"Goal: Ray takes at most {LONGER} times as long as the pool: "
            f"{'reached' if longer <= LONGER else 'missed'}, {longer:.3f}"
        )
    return lines, goals


if __name__ == "__main__":
    main()
