"""SmoothGrad of photos: 32 noisy gradients each."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from captum.attr import NoiseTunnel, Saliency
from torch import Tensor

import salience
from cnn import BATCHES, DOMAIN, NOISE, gradient, last, photos_of, setup
from harness import main
from recorded import Recorded
from task import Check, Contender, Found, Goal, Task, found, relative


def make(quick: bool) -> Task:
    """The task."""
    given = setup(1 if quick else 4)
    photos, classes = given.photos, given.classes
    n_draws = 4 if quick else 32
    sampler = salience.GaussianNoise(NOISE, "absolute")
    settings: dict[str, Any] = {"samplers": [sampler], "n_samples": n_draws}

    def ours(batch: int, precision: str = "full") -> Found:
        rows = batch or "auto"
        return found(
            salience.explain(
                given.net, photos, DOMAIN, max_rows=rows, precision=precision, **settings
            )
        )

    def captum(batch: int) -> Tensor:
        net, at = (given.fast, last(photos)) if batch else (given.net, photos)
        values: Tensor = NoiseTunnel(Saliency(net)).attribute(
            at,
            nt_type="smoothgrad",
            nt_samples=n_draws,
            nt_samples_batch_size=max(1, batch // len(photos)) if batch else None,
            stdevs=NOISE,
            target=classes,
            abs=False,
        )
        return values.sum(1)

    def seed(_: int) -> Tensor:
        total = torch.zeros_like(photos)
        for i in range(len(photos)):
            for _ in range(n_draws):
                noisy = photos[i : i + 1] + NOISE * torch.randn_like(photos[i : i + 1])
                total[i] += gradient(given.net, noisy, classes[i : i + 1])[0]
        return total.sum(1) / n_draws

    def bare(batch: int) -> Tensor:
        total = photos.new_zeros(len(photos), *photos.shape[2:])
        every_row = torch.arange(len(photos)).repeat_interleave(n_draws)
        for rows in torch.split(every_row, batch):
            at = last(photos[rows])
            at = at + NOISE * torch.randn_like(at)
            total.index_add_(0, rows, gradient(given.fast, at, classes[rows]).sum(1))
        return total / n_draws

    def checks() -> list[Check]:
        net, at = copy.deepcopy(given.net).double(), photos.double()
        recorded, some = Recorded(sampler), 2
        ours = salience.explain(net, at, DOMAIN, samplers=[recorded], n_samples=some)
        points = torch.cat(recorded.points)
        which = torch.arange(len(points)) % len(photos)
        pairs = zip(torch.split(points, 1), torch.split(classes[which], 1), strict=True)
        each = torch.cat([gradient(net, point, chosen) for point, chosen in pairs])
        expected = each.view(some, len(photos), *each.shape[1:]).mean(0).sum(1)
        what = "Difference from a plain loop over salience's own noisy points, in float64"
        return [Check(what, relative(ours.values, expected), 1e-9)]

    return Task(
        f"CNN, SmoothGrad {n_draws}",
        f"{photos_of(len(photos))}, EfficientNet-Lite0, {n_draws} draws each.",
        {
            "salience": Contender(ours),
            "salience, max_rows by hand": Contender(ours, BATCHES, own=True),
            "salience, bf16": Contender(lambda _: ours(0, "bf16"), own=True, tolerance=math.inf),
            "Captum": Contender(captum, compare="draws"),
            "Captum, tuned": Contender(captum, BATCHES, compare="draws"),
            "seed's loop": Contender(seed, compare="draws"),
            "bare loop, the limit": Contender(bare, BATCHES, compare="draws"),
        },
        tolerance=1e-3,
        goals=[Goal("bare loop, the limit", 1 / 1.05), Goal("Captum", 1), Goal("Captum, tuned", 1)],
        checks=checks,
    )


if __name__ == "__main__":
    main(make)
