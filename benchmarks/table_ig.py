"""Integrated gradients of all the rows of a table: 32 path points from the mean row."""

from __future__ import annotations

from typing import Any

import torch
from captum.attr import IntegratedGradients
from torch import Tensor, nn

import salience
from harness import main
from quadrature import gauss_legendre
from table import ABOUT, BATCHES, gradient, setup, summed
from task import Contender, Found, Task, found


def make(quick: bool) -> Task:
    """The task."""
    given = setup(quick)
    rows = given.rows
    one_output = summed(given.frozen)
    steps = 32
    alphas, weights = gauss_legendre(steps)
    calculator = salience.IntegratedGradients(steps)
    every = 40

    def ours(batch: int) -> Found:
        settings: dict[str, Any] = {"output": "value", "max_rows": batch or "auto"}
        return found(salience.explain(given.net, rows, salience.Tensors(), calculator, **settings))

    def auto(_: int) -> Found:
        return found(
            salience.explain(
                given.net, rows, salience.Tensors(), "integrated_gradients", output="value"
            )
        )

    def captum(net: nn.Module, batch: int) -> Tensor:
        method = IntegratedGradients(net)
        return torch.cat(
            [
                method.attribute(some, n_steps=steps, internal_batch_size=batch or None)
                for some in torch.split(rows, batch or len(rows))
            ]
        )

    def loop(net: nn.Module, rows: Tensor, batch: int) -> Tensor:
        parts = []
        for some in torch.split(rows, batch):
            total = torch.zeros_like(some)
            for alpha, weight in zip(alphas.tolist(), weights.tolist(), strict=True):
                total += weight * gradient(net, alpha * some)
            parts.append(some * total)
        return torch.cat(parts)

    return Task(
        f"Table, integrated gradients {steps}",
        f"{len(rows):,} {ABOUT}; {steps} Gauss–Legendre points from the mean row. The seed's loop "
        f"is run on every {every}th row and its time scaled up.",
        {
            "salience": Contender(ours),
            "salience, max_rows by hand": Contender(ours, BATCHES, own=True),
            "salience, steps='auto'": Contender(auto, own=True, compare="nothing"),
            "Captum": Contender(lambda _: captum(given.net, 0)),
            "Captum, tuned": Contender(lambda batch: captum(given.frozen, batch), (256, *BATCHES)),
            "Captum, tuned, scores summed by hand": Contender(
                lambda batch: captum(one_output, batch), BATCHES
            ),
            "seed's loop": Contender(
                lambda _: loop(given.net, rows[::every], 1),
                share=len(rows[::every]) / len(rows),
                part=lambda values: values[::every],
            ),
            "bare loop, the limit": Contender(
                lambda batch: loop(given.frozen, rows, batch), BATCHES
            ),
        },
        tolerance=1e-4,
    )


if __name__ == "__main__":
    main(make)
