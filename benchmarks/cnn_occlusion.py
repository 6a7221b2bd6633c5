"""Occlusion of a photo by windows of 27 × 27 pixels, 14 apart."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from captum.attr import Occlusion
from torch import Tensor, nn

import salience
from cnn import BATCHES, DOMAIN, last, setup
from harness import main
from task import Check, Contender, Found, Goal, Task, found, relative

WINDOW = 27


def make(quick: bool) -> Task:
    """The task."""
    given = setup(1)
    photo, chosen = given.photos, given.classes
    side, stride = photo.shape[-1], 27 if quick else 14
    starts = [*range(0, side - WINDOW, stride), side - WINDOW]
    corners = [(top, left) for top in starts for left in starts]
    # The last window ends at the border here, and beyond it in Captum, where it is cut. Pixels
    # before it are under the same windows in both.
    shared = side - WINDOW
    calculator = salience.Occlusion({"height": WINDOW, "width": WINDOW}, stride)

    def inner(values: Tensor) -> Tensor:
        return values[:, :shared, :shared]

    def ours(batch: int) -> Found:
        rows = batch or "auto"
        return found(salience.explain(given.net, photo, DOMAIN, calculator, max_rows=rows))

    def captum(batch: int) -> Tensor:
        found: Tensor = Occlusion(given.fast if batch else given.net).attribute(
            last(photo) if batch else photo,
            sliding_window_shapes=(3, WINDOW, WINDOW),
            strides=(3, stride, stride),
            target=chosen,
            perturbations_per_eval=batch or 1,
        )
        return inner(found[:, 0])

    def covered(image: Tensor, batch: int) -> Iterator[tuple[list[tuple[int, int]], Tensor]]:
        for first in range(0, len(corners), batch):
            some = corners[first : first + batch]
            images = last(image.expand(len(some), -1, -1, -1).clone())
            for one, (top, left) in zip(images, some, strict=True):
                one[:, top : top + WINDOW, left : left + WINDOW] = 0
            yield some, images

    def loop(net: nn.Module, image: Tensor, batch: int) -> Tensor:
        with torch.no_grad():
            whole = net(image)[0, chosen]
            total = image.new_zeros(2, side, side)
            for some, images in covered(image, batch):
                drops = whole - net(images)[:, chosen[0]]
                for drop, (top, left) in zip(drops, some, strict=True):
                    total[0, top : top + WINDOW, left : left + WINDOW] += drop
                    total[1, top : top + WINDOW, left : left + WINDOW] += 1
        return (total[0] / total[1])[None]

    def forwards(batch: int) -> Tensor:
        with torch.no_grad():
            return torch.cat([given.fast(images) for _, images in covered(photo, batch)])

    def checks() -> list[Check]:
        net, image = copy.deepcopy(given.net).double(), photo.double()
        ours = salience.explain(net, image, DOMAIN, calculator)
        what = "Difference from a plain loop over the windows, in float64"
        return [Check(what, relative(ours.values, loop(net, image, 8)), 1e-9)]

    return Task(
        f"CNN, occlusion by {len(corners)} windows",
        f"A photo of 224 × 224 pixels, EfficientNet-Lite0, windows of {WINDOW} × {WINDOW} pixels, "
        f"{stride} apart.",
        {
            "salience": Contender(ours),
            "salience, max_rows by hand": Contender(ours, BATCHES, own=True),
            "Captum": Contender(captum, part=inner),
            "Captum, tuned": Contender(captum, BATCHES, part=inner),
            "seed's loop": Contender(lambda _: loop(given.net, photo, 1)),
            "bare loop, the limit": Contender(
                lambda batch: loop(given.fast, photo, batch), BATCHES
            ),
            "bare forwards": Contender(forwards, BATCHES, compare="nothing"),
        },
        tolerance=1e-3,
        goals=[Goal("bare forwards", 1 / 1.1), Goal("Captum", 1), Goal("Captum, tuned", 1)],
        checks=checks,
    )


if __name__ == "__main__":
    main(make)
