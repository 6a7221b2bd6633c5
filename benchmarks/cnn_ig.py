"""Integrated gradients of photos: 32 path points from black."""

from __future__ import annotations

import copy

import torch
from captum.attr import IntegratedGradients
from torch import Tensor, nn

import salience
from cnn import BATCHES, DOMAIN, integrated, photos_of, setup
from harness import main
from task import Check, Contender, Found, Goal, Task, found, relative


def make(quick: bool) -> Task:
    """The task."""
    given = setup(1 if quick else 4)
    photos, classes = given.photos, given.classes
    steps = 4 if quick else 32
    one_by_one = list(zip(torch.split(photos, 1), torch.split(classes, 1), strict=True))
    calculator = salience.IntegratedGradients(steps)

    def ours(batch: int) -> Found:
        rows = batch or "auto"
        return found(salience.explain(given.net, photos, DOMAIN, calculator, max_rows=rows))

    def auto(_: int) -> Found:
        return found(salience.explain(given.net, photos, DOMAIN, "integrated_gradients"))

    def captum(batch: int) -> Tensor:
        method = IntegratedGradients(given.fast if batch else given.net)
        if not batch:
            values: Tensor = method.attribute(photos, target=classes, n_steps=steps)
            return values.sum(1)
        # Its own way of batching wants all the photos in each pass; photo by photo there is more
        # to choose from.
        every = [
            method.attribute(photo, target=chosen, n_steps=steps, internal_batch_size=batch)
            for photo, chosen in one_by_one
        ]
        return torch.cat(every).sum(1)

    def loop(net: nn.Module, batch: int) -> Tensor:
        every = [integrated(net, photo, chosen, steps, batch) for photo, chosen in one_by_one]
        return torch.cat(every).sum(1)

    def checks() -> list[Check]:
        net, photo = copy.deepcopy(given.net).double(), photos[:1].double()
        ours = salience.explain(net, photo, DOMAIN, salience.IntegratedGradients(8))
        expected = integrated(net, photo, classes[:1], 8, batch=1).sum(1)
        what = "Difference from a plain loop over 8 path points, in float64"
        return [Check(what, relative(ours.values, expected), 1e-9)]

    return Task(
        f"CNN, integrated gradients {steps}",
        f"{photos_of(len(photos))}, EfficientNet-Lite0, {steps} Gauss–Legendre points from black.",
        {
            "salience": Contender(ours),
            "salience, max_rows by hand": Contender(ours, BATCHES, own=True),
            "salience, steps='auto'": Contender(auto, own=True, compare="nothing"),
            "Captum": Contender(captum),
            "Captum, tuned": Contender(captum, BATCHES),
            "seed's loop": Contender(lambda _: loop(given.net, 1)),
            "bare loop, the limit": Contender(lambda batch: loop(given.fast, batch), BATCHES),
        },
        # In float32 alone the kinks of ReLU6 turn rounding into steps; float64 is checked too.
        tolerance=3e-2,
        goals=[Goal("bare loop, the limit", 1 / 1.05), Goal("Captum", 1), Goal("Captum, tuned", 1)],
        checks=checks,
    )


if __name__ == "__main__":
    main(make)
