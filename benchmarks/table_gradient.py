"""Gradients of all the rows of a table."""

from __future__ import annotations

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
    one_output = summed(given.frozen)

    def ours(batch: int) -> Found:
        most = batch or "auto"
        return found(
            salience.explain(given.net, rows, salience.Tensors(), output="value", max_rows=most)
        )

    def captum(net: nn.Module, batch: int) -> Tensor:
        method = Saliency(net)
        return torch.cat([method.attribute(some, abs=False) for some in torch.split(rows, batch)])

    def loop(net: nn.Module, batch: int) -> Tensor:
        return torch.cat([gradient(net, some) for some in torch.split(rows, batch)])

    return Task(
        "Table, gradient",
        f"{len(rows):,} {ABOUT}.",
        {
            "salience": Contender(ours),
            "salience, max_rows by hand": Contender(ours, BATCHES, own=True),
            "Captum": Contender(lambda _: captum(given.net, len(rows))),
            "Captum, tuned": Contender(lambda batch: captum(given.frozen, batch), (256, *BATCHES)),
            "Captum, tuned, scores summed by hand": Contender(
                lambda batch: captum(one_output, batch), BATCHES
            ),
            "seed's loop": Contender(lambda _: loop(given.net, 1)),
            "bare loop, the limit": Contender(lambda batch: loop(given.frozen, batch), BATCHES),
        },
        tolerance=1e-4,
        goals=[Goal("Captum", 20)],
    )


if __name__ == "__main__":
    main(make, repeats=9)
