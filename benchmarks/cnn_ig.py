"""Integrated gradients of photos: 32 path points from black."""

from __future__ import annotations

import copy

import torch
from captum.attr import IntegratedGradients
from torch import Tensor

import salience
from cnn import BATCHES, DOMAIN, path, setup
from harness import Check, Contender, Found, Goal, Task, found, main, relative
from quadrature import gauss_legendre


def make(quick: bool) -> Task:
    """The task."""
    given = setup(1 if quick else 3)
    photos, classes = given.photos, given.classes
    steps = 4 if quick else 32
    alphas, weights = gauss_legendre(steps)
    calculator = salience.IntegratedGradients(steps)

    def ours(batch: int) -> Found:
        rows = batch or "auto"
        return found(salience.explain(given.net, photos, DOMAIN, calculator, max_rows=rows))

    def captum(batch: int) -> Tensor:
        net = given.fast if batch else given.net
        # Its own way of batching wants all the photos in each pass, so that tuned it goes photo
        # by photo.
        parts = (
            zip(photos.split(1), classes.split(1), strict=True) if batch else [(photos, classes)]
        )
        return torch.cat(
            [
                IntegratedGradients(net).attribute(
                    at, target=chosen, n_steps=steps, internal_batch_size=batch or None
                )
                for at, chosen in parts
            ]
        ).sum(1)

    def loop(net: torch.nn.Module, batch: int) -> Tensor:
        total = torch.zeros_like(photos)
        for i, (at, chosen) in enumerate(zip(photos.split(1), classes.split(1), strict=True)):
            for some, parts in zip(alphas.split(batch), weights.split(batch), strict=True):
                total[i] += path(net, at, chosen, some, parts)[0]
        return total.sum(1)

    def checks() -> list[Check]:
        net, at = copy.deepcopy(given.net).double(), photos[:1].double()
        ours = salience.explain(net, at, DOMAIN, salience.IntegratedGradients(8))
        expected = sum(
            path(net, at, classes[:1], alpha, weight).sum(1)
            for alpha, weight in zip(
                *(t.split(1) for t in gauss_legendre(8, at.dtype)), strict=True
            )
        )
        what = "Difference from a plain loop over 8 path points, in float64"
        return [Check(what, relative(ours.values, torch.as_tensor(expected)), 1e-9)]

    return Task(
        f"CNN, integrated gradients {steps}",
        f"{len(photos)} photos of 224 × 224 pixels, EfficientNet-Lite0, {steps} Gauss–Legendre "
        f"points from black.",
        {
            "salience": Contender(ours),
            "salience, max_rows by hand": Contender(ours, BATCHES, own=True),
            "Captum": Contender(captum),
            "Captum, tuned": Contender(captum, BATCHES),
            "seed's loop": Contender(lambda _: loop(given.net, 1)),
            "bare loop, the limit": Contender(lambda batch: loop(given.fast, batch), BATCHES),
        },
        tolerance=1e-2,
        goals=[Goal("bare loop, the limit", 1 / 1.05), Goal("Captum", 1), Goal("Captum, tuned", 1)],
        checks=checks,
    )


if __name__ == "__main__":
    main(make, allocator=True)
