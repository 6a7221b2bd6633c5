"""Peak memory of SmoothGrad by the number of draws."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from captum.attr import NoiseTunnel, Saliency

import salience
from cnn import DOMAIN, NOISE, setup
from harness import arguments, prepare, print_report
from machine import available_memory
from measure import peak_in_own_process, peak_of, say
from report import OURS, Report, table

#: Peak memory at every M may be this many times that at the smallest.
MOST = 1.2
SIDE = 96


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
    counts = (2, 8, 32) if options.quick else (25, 400, 1600)
    print_report(_measure(list(runs), counts, options.repeats, allocator), options.json)


def _contenders() -> dict[str, Callable[[int], object]]:
    """Name → what explains with a number of draws."""
    given = setup(1, SIDE)
    sampler = salience.GaussianNoise(NOISE, "absolute")

    def ours(draws: int, max_rows: int | str) -> object:
        settings = {"samplers": [sampler], "n_samples": draws, "max_rows": max_rows}
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
        "Captum, tuned: 8 draws at once": lambda draws: captum(draws, 8),
    }


def _measure(names: list[str], counts: tuple[int, ...], repeats: int, allocator: str) -> Report:
    say("Memory")
    peaks: dict[str, list[float | None]] = {name: [] for name in names}
    for name in names:
        for draws in counts:
            last = peaks[name][-1] if peaks[name] else None
            before = counts[len(peaks[name]) - 1]
            # What grows with the draws is expected to go on growing, and may not fit.
            expected = (
                (last or 0) * draws / before if last and last > 1.5 * _least(peaks, name) else 0
            )
            if expected > 0.7 * available_memory():
                say(f"{name} with {draws} draws is left out: it would take {expected:.0f} MB")
                peaks[name].append(None)
                continue
            say(f"{name}, {draws} draws")
            # The search for the fastest batch may end elsewhere each time: the largest counts.
            found = [
                peak_in_own_process("--only", name, "--draws", str(draws)) for _ in range(repeats)
            ]
            peaks[name].append(max(found))
    return _report(peaks, counts, allocator)


def _least(peaks: dict[str, list[float | None]], name: str) -> float:
    return min((peak for peak in peaks[name] if peak is not None), default=0.0)


def _report(
    peaks: dict[str, list[float | None]], counts: tuple[int, ...], allocator: str
) -> Report:
    lines, behind = [], []
    for name, found in peaks.items():
        shown = ["does not fit" if peak is None else f"{peak:.0f} MB" for peak in found]
        growth = [
            "–" if peak is None or found[0] is None else f"{peak / found[0]:.2f}"
            for peak in found[1:]
        ]
        lines.append((name, *shown, *growth))
        for draws, peak, ours in zip(counts, found, peaks[OURS], strict=True):
            assert ours is not None
            if not name.startswith(OURS) and peak is not None and peak <= ours:
                behind.append(
                    f"Memory, M = {draws}: {name} peaks at {peak:.0f} MB, salience at {ours:.0f} MB"
                )
    goals, missed = [], []
    first, *rest = peaks[OURS]
    for draws, peak in zip(counts[1:], rest, strict=True):
        assert first is not None and peak is not None
        growth_now = peak / first
        verdict = "reached" if growth_now <= MOST else f"missed by {growth_now / MOST - 1:.1%}"
        goals.append(
            f"Goal: salience peaks at M = {draws} at most at {MOST} times that at M = {counts[0]}: "
            f"{verdict}, {growth_now:.2f} times"
        )
        if growth_now > MOST:
            missed.append(f"Memory: {goals[-1]}")
    head = ["", *(f"M = {draws}" for draws in counts)]
    head += [f"M = {draws} by {counts[0]}" for draws in counts[1:]]
    about = (
        f"SmoothGrad of a photo of {SIDE} × {SIDE} pixels, EfficientNet-Lite0. Peak memory above "
        f"that before the run, the largest of some runs in processes of their own. {allocator}"
    )
    return Report(
        "Memory by the number of draws M", about, table(head, lines), (), behind, goals, missed
    )


if __name__ == "__main__":
    main()
