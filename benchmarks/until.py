"""Draws that are spared where each item stops as soon as it is sure."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

import cnn
import graphs
import salience
from harness import arguments, prepare, print_report
from measure import say
from report import Report, duration, table

#: Share of the draws of a fixed M that is asked for at most.
MOST = 0.6


@dataclass(frozen=True)
class Case:
    """Something to explain until it is sure.

    Args:
        about: What it is.
        rule: When an item is done.
        explain: Explains all the items with a number of draws, or until the rule is met.
    """

    about: str
    rule: salience.Until
    explain: Callable[[Any], salience.Explanation]


def main() -> None:
    """Measure as the command line asks, and print the table."""
    options = arguments(allocator=True, repeats=1).parse_args()
    allocator = prepare(options)
    print_report(_measure(_cases(options.quick), allocator), options.json)


def _cases(quick: bool) -> Mapping[str, Case]:
    """Name → case."""
    side = 64 if quick else 224
    photos = cnn.setup(4, side)
    noise = salience.GaussianNoise(cnn.NOISE, "absolute")
    error, most = (0.4, 128) if quick else (0.2, 1024)
    molecules = graphs.setup(64 if quick else 1025)
    explainer = salience.Explainer(
        molecules.net, graphs.DOMAIN, target="embed", output=salience.Value()
    )
    steps = salience.IntegratedGradients(steps=8)

    def maps(n_samples: Any) -> salience.Explanation:
        return salience.explain(
            photos.net, photos.photos, cnn.DOMAIN, samplers=[noise], n_samples=n_samples
        )

    def atoms(n_samples: Any) -> salience.Explanation:
        return explainer.explain(molecules.mols, steps, samplers=["gaussian"], n_samples=n_samples)

    return {
        "photos": Case(
            f"SmoothGrad of {len(photos.photos)} photos of {side} × {side} pixels, "
            f"EfficientNet-Lite0",
            salience.Until(rel_error=error, min=8, max=most),
            maps,
        ),
        "molecules": Case(
            f"SmoothGrad of integrated gradients (8 steps) of {len(molecules.mols)} molecules",
            salience.Until(rel_error=0.05, min=8, max=1024),
            atoms,
        ),
    }


def _measure(cases: Mapping[str, Case], allocator: str) -> Report:
    say("Until")
    lines, goals, missed, remarks = [], [], [], []
    for name, case in cases.items():
        say(f"{name}, until {case.rule.rel_error:.0%}")
        found, took = _timed(case, case.rule)
        most = int(found.draws.max())
        say(f"{name}, M = {most}")
        fixed, longer = _timed(case, most)
        share = float(found.draws.double().mean()) / most
        lines.append(
            [
                name,
                f"{float(found.draws.double().mean()):.0f}",
                str(most),
                f"{share:.0%}",
                f"{float(_error(found).max()):.3f}",
                f"{float(_error(fixed).max()):.3f}",
                duration(took),
                duration(longer),
            ]
        )
        undone = int((_error(found) > case.rule.rel_error).sum())
        remarks.append(
            f"{name}: {case.about}, until the relative error is {case.rule.rel_error:.0%}"
            + (f"; {undone} items were not sure at {case.rule.max} draws" if undone else "")
        )
        verdict = "reached" if share <= MOST else f"missed by {share / MOST - 1:.1%}"
        goals.append(
            f"Goal: {name} need at most {MOST:.0%} of the draws of a fixed M: {verdict}, "
            f"{share:.0%}"
        )
        missed += [f"Until: {goals[-1]}"] if share > MOST else []
    head = ["", "mean draws", "fixed M", "share", "error", "at M", "time", "at M"]
    return Report(
        "Draws until the error is small",
        f"`n_samples=Until(...)` beside the smallest fixed M at which every item has an error as "
        f"small; the error is the largest of the items', standard error by saliency in norm. "
        f"{allocator}",
        table(head, lines),
        remarks=remarks,
        goals=goals,
        missed=missed,
    )


def _timed(case: Case, n_samples: Any) -> tuple[salience.Explanation, float]:
    began = time.perf_counter()
    found = case.explain(n_samples)
    return found, time.perf_counter() - began


def _error(found: salience.Explanation) -> Tensor:
    """Relative error of each item's saliency, shape (B,)."""
    pairs = zip(found.values, found.std_error, strict=True)
    return torch.stack(
        [(e.square().sum() / (v.square().sum() - e.square().sum())).sqrt() for v, e in pairs]
    )


if __name__ == "__main__":
    main()
