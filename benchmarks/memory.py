"""Peak memory of SmoothGrad by the number of draws."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from captum.attr import NoiseTunnel, Saliency

import salience
from cnn import DOMAIN, NOISE, setup
from harness import arguments, prepare, print_report
from machine import available_memory
from measure import peak_in_own_process, peak_of, say
from report import OURS, Report, table

#: Peak memory at every M may be this many times that at the smallest.
MOST = 1.2
PHOTOS, SIDE = 2, 128


def main() -> None:
    """Measure as the command line asks, and print the table."""
    parser = arguments(allocator=True, repeats=3)
    parser.add_argument("--only", help=argparse.SUPPRESS)
    parser.add_argument("--draws", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    allocator = prepare(options)
    runs = _contenders()
    if options.only:
        print(peak_of(lambda: runs[options.only](options.draws)))
        return
    counts = (25, 50, 100) if options.quick else (25, 400, 1600)
    print_report(_measure(list(runs), counts, options.repeats, allocator), options.json)


def _contenders() -> dict[str, Callable[[int], object]]:
    """Name → what explains with a number of draws."""
    given = setup(PHOTOS, SIDE)
    sampler = salience.GaussianNoise(NOISE, "absolute")

    def ours(draws: int, max_rows: int | str) -> object:
        settings: dict[str, Any] = {"samplers": [sampler], "n_samples": draws, "max_rows": max_rows}
        return salience.explain(given.net, given.photos, DOMAIN, **settings)

    def captum(draws: int, batch: int | None) -> object:
        return NoiseTunnel(Saliency(given.net if batch is None else given.fast)).attribute(
            given.photos,
            nt_type="smoothgrad",
            nt_samples=draws,
            nt_samples_batch_size=batch,
            stdevs=NOISE,
            target=given.classes,
            abs=False,
        )

    return {
        OURS: lambda draws: ours(draws, "auto"),
        "salience, max_rows=8": lambda draws: ours(draws, 8),
        "Captum": lambda draws: captum(draws, None),
        "Captum, tuned: 4 draws at once": lambda draws: captum(draws, 4),
    }


def _measure(names: list[str], counts: tuple[int, ...], repeats: int, allocator: str) -> Report:
    say("Memory")
    peaks: dict[str, list[float | None]] = {name: [] for name in names}
    for name, found in peaks.items():
        for draws in counts:
            expected = _expected(found, counts)
            if expected > 0.7 * available_memory():
                say(f"left out: {name}, {draws} draws; it would take {expected:.0f} MB")
                found.append(None)
                continue
            say(f"{name}, {draws} draws")
            # The search for the fastest batch may end elsewhere each time: the largest counts.
            each = [
                peak_in_own_process("--only", name, "--draws", str(draws)) for _ in range(repeats)
            ]
            found.append(max(each))
    goals, missed = _goals(peaks[OURS], counts)
    head = ["", *(f"M = {draws}" for draws in counts)]
    head += [f"M = {draws} by {counts[0]}" for draws in counts[1:]]
    return Report(
        "Memory by the number of draws M",
        f"SmoothGrad of {PHOTOS} photos of {SIDE} × {SIDE} pixels, EfficientNet-Lite0. Peak memory "
        f"above that before it, largest of {repeats} runs in processes of their own. {allocator}",
        table(head, [_line(name, found) for name, found in peaks.items()]),
        behind=_behind(peaks, counts),
        goals=goals,
        missed=missed,
    )


def _expected(found: list[float | None], counts: tuple[int, ...]) -> float:
    """What the next number of draws will take, in MB; 0 where memory has not grown so far."""
    known = [peak for peak in found if peak is not None]
    if not known or (len(known) > 1 and known[-1] < 1.5 * known[0]):
        return 0.0
    return known[-1] * counts[len(found)] / counts[len(known) - 1]


def _line(name: str, found: list[float | None]) -> list[str]:
    """A line of the table."""
    first = found[0]
    shown = ["does not fit" if peak is None else f"{peak:.0f} MB" for peak in found]
    growth = ["–" if peak is None or first is None else f"{peak / first:.2f}" for peak in found[1:]]
    return [name, *shown, *growth]


def _behind(peaks: dict[str, list[float | None]], counts: tuple[int, ...]) -> list[str]:
    """Where a peer is as good as salience, or better."""
    behind = []
    for i, draws in enumerate(counts):
        ours = peaks[OURS][i] or 0.0
        smaller = [
            f"{name}: {peak:.0f} MB"
            for name, found in peaks.items()
            if not name.startswith(OURS) and (peak := found[i]) is not None and peak <= ours
        ]
        if smaller:
            behind.append(f"Memory, M = {draws} (salience: {ours:.0f} MB) – {'; '.join(smaller)}")
    return behind


def _goals(found: list[float | None], counts: tuple[int, ...]) -> tuple[list[str], list[str]]:
    """What is said of each goal, and those that are missed."""
    goals, missed = [], []
    first = found[0] or 1.0
    for draws, peak in zip(counts[1:], found[1:], strict=True):
        growth = (peak or float("inf")) / first
        verdict = "reached" if growth <= MOST else f"missed by {growth / MOST - 1:.1%}"
        goals.append(
            f"Goal: salience peaks at M = {draws} at no more than {MOST} times that at "
            f"M = {counts[0]}: {verdict}, {growth:.2f} times"
        )
        if growth > MOST:
            missed.append(f"Memory: {goals[-1]}")
    return goals, missed


if __name__ == "__main__":
    main()
