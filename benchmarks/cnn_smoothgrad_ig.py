"""SmoothGrad of integrated gradients: 8 noisy photos, 16 path points each."""

from __future__ import annotations

import copy

import torch
from captum.attr import IntegratedGradients, NoiseTunnel
from torch import Tensor

import salience
from cnn import BATCHES, DOMAIN, NOISE, path, setup
from harness import Check, Contender, Found, Goal, Task, found, main, relative
from quadrature import gauss_legendre
from recorded import Recorded


def make(quick: bool) -> Task:
    """The task."""
    given = setup(1)
    photo, chosen = given.photos, given.classes
    n_draws, steps = (2, 3) if quick else (8, 16)
    alphas, weights = gauss_legendre(steps)
    calculator = salience.IntegratedGradients(steps)
    sampler = salience.GaussianNoise(NOISE, "absolute")

    def ours(batch: int) -> Found:
        rows = batch or "auto"
        settings = {"samplers": [sampler], "n_samples": n_draws, "max_rows": rows}
        return found(salience.explain(given.net, photo, DOMAIN, calculator, **settings))

    def captum(batch: int) -> Tensor:
        method = IntegratedGradients(given.fast if batch else given.net)
        return (
            NoiseTunnel(method)
            .attribute(
                photo,
                nt_type="smoothgrad",
                nt_samples=n_draws,
                nt_samples_batch_size=max(1, batch // steps) if batch else None,
                stdevs=NOISE,
                target=chosen,
                n_steps=steps,
                internal_batch_size=batch or None,
            )
            .sum(1)
        )

    def loop(net: torch.nn.Module, batch: int) -> Tensor:
        total = torch.zeros_like(photo)
        for _ in range(n_draws):
            noisy = photo + NOISE * torch.randn_like(photo)
            for some, parts in zip(alphas.split(batch), weights.split(batch), strict=True):
                total += path(net, noisy, chosen, some, parts)
        return total.sum(1) / n_draws

    def checks() -> list[Check]:
        net, at = copy.deepcopy(given.net).double(), photo.double()
        recorded = Recorded(sampler)
        settings = {"samplers": [recorded], "n_samples": 2}
        ours = salience.explain(net, at, DOMAIN, salience.IntegratedGradients(4), **settings)
        points = torch.cat(recorded.points)
        expected = torch.zeros_like(at)
        for point in points.split(1):
            for alpha, weight in zip(
                *(t.split(1) for t in gauss_legendre(4, at.dtype)), strict=True
            ):
                expected += path(net, point, chosen, alpha, weight) / len(points)
        what = "Difference from a plain loop over salience's own noisy points, in float64"
        return [Check(what, relative(ours.values, expected.sum(1)), 1e-9)]

    return Task(
        f"CNN, SmoothGrad {n_draws} × integrated gradients {steps}",
        f"A photo of 224 × 224 pixels, EfficientNet-Lite0, {n_draws} draws of {steps} "
        f"Gauss–Legendre points from black.",
        {
            "salience": Contender(ours),
            "salience, max_rows by hand": Contender(ours, BATCHES, own=True),
            "Captum": Contender(captum, compare="draws"),
            "Captum, tuned": Contender(captum, BATCHES, compare="draws"),
            "seed's loop": Contender(lambda _: loop(given.net, 1), compare="draws"),
            "bare loop, the limit": Contender(
                lambda batch: loop(given.fast, batch), BATCHES, compare="draws"
            ),
        },
        tolerance=1e-2,
        goals=[Goal("bare loop, the limit", 1 / 1.05), Goal("Captum", 1), Goal("Captum, tuned", 1)],
        checks=checks,
    )


if __name__ == "__main__":
    main(make, allocator=True)
