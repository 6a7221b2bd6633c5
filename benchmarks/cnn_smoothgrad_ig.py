"""SmoothGrad of integrated gradients: 8 noisy photos, 16 path points each."""

from __future__ import annotations

import copy
from typing import Any

import torch
from captum.attr import IntegratedGradients, NoiseTunnel
from torch import Tensor, nn

import salience
from cnn import BATCHES, DOMAIN, NOISE, integrated, setup
from harness import main
from recorded import Recorded
from task import Check, Contender, Found, Goal, Task, found, relative


def make(quick: bool) -> Task:
    """The task."""
    given = setup(1)
    photo, chosen = given.photos, given.classes
    n_draws, steps = (2, 3) if quick else (8, 16)
    calculator = salience.IntegratedGradients(steps)
    sampler = salience.GaussianNoise(NOISE, "absolute")

    def ours(batch: int) -> Found:
        settings: dict[str, Any] = {"samplers": [sampler], "n_samples": n_draws}
        rows = batch or "auto"
        return found(
            salience.explain(given.net, photo, DOMAIN, calculator, max_rows=rows, **settings)
        )

    def auto(_: int) -> Found:
        settings: dict[str, Any] = {"samplers": [sampler], "n_samples": n_draws}
        return found(salience.explain(given.net, photo, DOMAIN, "integrated_gradients", **settings))

    def captum(batch: int) -> Tensor:
        method = NoiseTunnel(IntegratedGradients(given.fast if batch else given.net))
        values: Tensor = method.attribute(
            photo,
            nt_type="smoothgrad",
            nt_samples=n_draws,
            nt_samples_batch_size=max(1, batch // steps) if batch else None,
            stdevs=NOISE,
            target=chosen,
            n_steps=steps,
            internal_batch_size=batch or None,
        )
        return values.sum(1)

    def loop(net: nn.Module, batch: int) -> Tensor:
        total = torch.zeros_like(photo)
        for _ in range(n_draws):
            noisy = photo + NOISE * torch.randn_like(photo)
            total += integrated(net, noisy, chosen, steps, batch)
        return total.sum(1) / n_draws

    def checks() -> list[Check]:
        net, at = copy.deepcopy(given.net).double(), photo.double()
        recorded, few = Recorded(sampler), salience.IntegratedGradients(4)
        ours = salience.explain(net, at, DOMAIN, few, samplers=[recorded], n_samples=2)
        points = torch.split(torch.cat(recorded.points), 1)
        every = torch.cat([integrated(net, point, chosen, 4, batch=1) for point in points])
        expected = every.mean(0, keepdim=True).sum(1)
        what = "Difference from a plain loop over salience's own noisy points, in float64"
        return [Check(what, relative(ours.values, expected), 1e-9)]

    return Task(
        f"CNN, SmoothGrad {n_draws} × integrated gradients {steps}",
        f"A photo of 224 × 224 pixels, EfficientNet-Lite0, {n_draws} draws of {steps} "
        f"Gauss–Legendre points from black.",
        {
            "salience": Contender(ours),
            "salience, max_rows by hand": Contender(ours, BATCHES, own=True),
            "salience, steps='auto'": Contender(auto, own=True, compare="nothing"),
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
    main(make)
