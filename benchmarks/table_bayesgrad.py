"""BayesGrad of all the rows of a table: 30 gradients under dropout."""

from __future__ import annotations

from typing import Any

import torch
from captum.attr import Saliency
from torch import Tensor, nn

import salience
from harness import main
from table import ABOUT, BATCHES, gradient, setup, summed
from task import Contender, Found, Goal, Task, found


def make(quick: bool) -> Task:
    """The task."""
    given = setup(quick)
    rows = given.rows
    n_draws = 30
    dropping = given.dropping()
    as_it_comes = given.dropping().requires_grad_(True)
    one_output = summed(dropping)
    every = 40

    def ours(batch: int) -> Found:
        settings: dict[str, Any] = {"output": "value", "max_rows": batch or "auto"}
        draws: dict[str, Any] = {"samplers": [salience.MCDropout()], "n_samples": n_draws}
        return found(salience.explain(given.net, rows, salience.Tensors(), **draws, **settings))

    def captum(net: nn.Module, batch: int) -> Tensor:
        method = Saliency(net)
        total = torch.zeros_like(rows)
        for _ in range(n_draws):
            total += torch.cat(
                [method.attribute(some, abs=False) for some in torch.split(rows, batch)]
            )
        return total / n_draws

    def loop(net: nn.Module, rows: Tensor, batch: int) -> Tensor:
        total = torch.zeros_like(rows)
        for some, into in zip(torch.split(rows, batch), torch.split(total, batch), strict=True):
            for _ in range(n_draws):
                into += gradient(net, some)
        return total / n_draws

    limit = "bare loop over model.train(), the limit"
    return Task(
        f"Table, BayesGrad {n_draws}",
        f"{len(rows):,} {ABOUT}; {n_draws} draws. The peers drop by torch's own dropout in train "
        f"mode, whose draws do not depend on the item alone. The seed's loop is run on every "
        f"{every}th row and its time scaled up.",
        {
            "salience": Contender(ours),
            "salience, max_rows by hand": Contender(ours, BATCHES, own=True),
            "Captum": Contender(lambda _: captum(as_it_comes, len(rows)), compare="draws"),
            "Captum, tuned": Contender(
                lambda batch: captum(dropping, batch), (256, *BATCHES), compare="draws"
            ),
            "Captum, tuned, scores summed by hand": Contender(
                lambda batch: captum(one_output, batch), BATCHES, compare="draws"
            ),
            "seed's loop": Contender(
                lambda _: loop(as_it_comes, rows[::every], 1),
                share=len(rows[::every]) / len(rows),
                part=lambda values: values[::every],
                compare="draws",
            ),
            limit: Contender(lambda batch: loop(dropping, rows, batch), BATCHES, compare="draws"),
        },
        tolerance=1e-4,
        goals=[Goal(limit, 1)],
    )


if __name__ == "__main__":
    main(make)
