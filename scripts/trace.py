"""Print the way of one explain through core: modules entered, depth of the stack, climbs.

python scripts/trace.py            # mc_dropout and gaussian on a small network
python scripts/trace.py --tree     # and each step, indented by its depth

A climb is a call from a wing into a wing above it. Frames of the user's model, of torch and of
Python do not count: a call is from the nearest frame of core. The way back in through the model
(the hooks of a probe, the function mode of dropout) is a call from whoever ran the model.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import nn

import salience

TOP = Path(__file__).parents[1]
CORE = Path(salience.__file__).parent


def wing_of(module: str) -> str:
    """The wing of a module of core, or the module itself where it is at the top."""
    return module.split("/")[0].removesuffix(".py")


class Trace:
    """Counts what core's functions call while it is on."""

    def __init__(self, layers: list[str]) -> None:
        self.modules: list[str] = []
        self.depth = 0
        self.climbs: Counter[tuple[str, str]] = Counter()
        self.steps: list[tuple[int, str]] = []
        self._layers = {name: i for i, name in enumerate(layers)}

    def __call__(self, frame: FrameType, event: str, arg: Any) -> None:
        """Take in the event of a call, as ``sys.setprofile`` gives it."""
        if event != "call":
            return
        stack = [module for f in _frames(frame) if (module := _module(f)) is not None]
        if not stack or _module(frame) is None or frame.f_code.co_name.startswith("<"):
            return
        here = stack[0]
        if here not in self.modules:
            self.modules.append(here)
        self.depth = max(self.depth, len(stack))
        self.steps.append((len(stack), f"{here}:{frame.f_code.co_name}"))
        if len(stack) > 1:
            above, below = self._layers[wing_of(stack[1])], self._layers[wing_of(here)]
            if below < above:
                self.climbs[stack[1], here] += 1


def _frames(frame: FrameType | None) -> list[FrameType]:
    found = []
    while frame is not None:
        found.append(frame)
        frame = frame.f_back
    return found


def _module(frame: FrameType) -> str | None:
    path = Path(frame.f_code.co_filename)
    return str(path.relative_to(CORE)) if path.is_relative_to(CORE) else None


def main() -> None:
    """Trace one call, after a first one that imports what is imported on use."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tree", action="store_true", help="print each step")
    options = parser.parse_args()
    linter = tomllib.loads((TOP / "pyproject.toml").read_text())["tool"]["importlinter"]
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3))
    explainer = salience.Explainer(model, "tensor")

    def run() -> None:
        explainer.explain(torch.randn(5, 4), "gradient", ["mc_dropout", "gaussian"], 4)

    run()
    trace = Trace(linter["contracts"][0]["layers"])
    sys.setprofile(trace)
    try:
        run()
    finally:
        sys.setprofile(None)
    if options.tree:
        print("\n".join("  " * depth + what for depth, what in trace.steps))
    print(f"{len(trace.modules)} modules entered: {', '.join(trace.modules)}")
    print(f"depth of the stack: {trace.depth}")
    for (caller, callee), times in trace.climbs.items():
        print(f"climb: {caller} -> {callee}, {times} times")
    print(f"{sum(trace.climbs.values())} climbs")


if __name__ == "__main__":
    main()
