"""Draws that are spared where each item stops as soon as it is sure."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from math import ceil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import cnn
import graphs
import salience
from harness import arguments, prepare, print_report
from measure import say
from report import Report, duration, table
from salience_vision import ImageTransform, Vision

#: Share of the draws of a fixed M that is asked for at most.
MOST = 0.6
SIDE = 128
#: Photographs in the wheels of scikit-image, and of scikit-learn (the last two).
PHOTOS = (
    *("astronaut.png", "brick.png", "camera.png", "chelsea.png", "coffee.png", "coins.png"),
    *("grass.png", "gravel.png", "hubble_deep_field.jpg", "ihc.png", "moon.png", "retina.jpg"),
    *("rocket.jpg", "china.jpg", "flower.jpg"),
)


@dataclass(frozen=True)
class Case:
    """Something to explain until it is sure.

    Args:
        about: What it is.
        rule: When an item is done.
        explain: Explains all the items with a number of draws, or until the rule is met.
        goal: Whether the share of draws is to be small.
    """

    about: str
    rule: salience.Until
    explain: Callable[[Any], salience.Explanation]
    goal: bool = True


def main() -> None:
    """Measure as the command line asks, and print the table."""
    options = arguments(allocator=True, repeats=1).parse_args()
    allocator = prepare(options)
    print_report(_measure(_cases(options.quick), allocator), options.json)


def _cases(quick: bool) -> Mapping[str, Case]:
    """Name → case."""
    net, photos = cnn.setup(1).net, _photos(4 if quick else len(PHOTOS))
    noise = salience.GaussianNoise(cnn.NOISE, "absolute")
    molecules = graphs.setup(32 if quick else 256)
    explainer = salience.Explainer(
        molecules.net, graphs.DOMAIN, target="embed", output=salience.Value()
    )
    steps = salience.IntegratedGradients(steps=8)

    def maps(n_samples: Any, aggregator: str) -> salience.Explanation:
        settings: dict[str, Any] = {"samplers": [noise], "n_samples": n_samples}
        return salience.explain(net, photos, cnn.DOMAIN, aggregator=aggregator, **settings)

    def atoms(n_samples: Any) -> salience.Explanation:
        return explainer.explain(molecules.mols, steps, samplers=["gaussian"], n_samples=n_samples)

    about = f"SmoothGrad of {len(photos)} photos of {SIDE} × {SIDE} pixels, EfficientNet-Lite0"
    return {
        "photos": Case(
            about,
            salience.Until(rel_error=0.8 if quick else 0.4, min=8, max=1024),
            lambda n_samples: maps(n_samples, "raw"),
        ),
        "photos, magnitudes": Case(
            f"{about}, aggregated by magnitude, whose errors hardly differ between photos",
            salience.Until(rel_error=0.1, min=8, max=1024),
            lambda n_samples: maps(n_samples, "abs"),
            goal=False,
        ),
        "molecules": Case(
            f"SmoothGrad of integrated gradients (8 steps) of {len(molecules.mols)} molecules",
            salience.Until(rel_error=0.1, min=8, max=1024),
            atoms,
        ),
    }


def _photos(count: int) -> Tensor:
    """Photographs that ship with scikit-image and scikit-learn."""

    def folder(package: str) -> Path:
        spec = find_spec(package)
        assert spec is not None and spec.origin is not None
        return Path(spec.origin).parent

    own = [folder("skimage") / "data" / name for name in PHOTOS[:-2]]
    more = [folder("sklearn") / "datasets" / "images" / name for name in PHOTOS[-2:]]
    transform = ImageTransform(SIDE * 8 // 7, SIDE, (127 / 255,) * 3, (128 / 255,) * 3)
    domain = Vision(transform)
    images: Tensor = domain.collate(domain.read([*own, *more][:count])).arguments["image"]
    return images


def _measure(cases: Mapping[str, Case], allocator: str) -> Report:
    say("Until")
    lines, goals, missed, remarks = [], [], [], []
    for name, case in cases.items():
        say(f"{name}, until {case.rule.rel_error:.0%}")
        found, took = _timed(case, case.rule)
        # Items stop at the first look at which they are sure, somewhat after they were.
        most = int(found.draws.max())
        look = float(_error(case.explain(most)).max())
        most = ceil(most * min(1.0, look / float(_error(found).max())) ** 2)
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
        if not case.goal:
            continue
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
