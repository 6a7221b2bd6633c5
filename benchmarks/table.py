"""The table of the RAND health insurance experiment and a network, for the tasks of tables."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn

#: Sizes among which the best batch is found.
BATCHES = (1024, 4096, 20190)
ABOUT = (
    "rows of randhie (9 features, number of visits), a network of two hidden layers of 32 with "
    "dropout of 0.25"
)


@dataclass(frozen=True)
class Setup:
    """What all the contenders are given.

    Args:
        net: The network as a user has it, in eval mode; parameters require grad.
        frozen: A copy whose parameters do not.
        rows: Shape (B, 9), standardised.
    """

    net: nn.Module
    frozen: nn.Module
    rows: Tensor

    def dropping(self) -> nn.Module:
        """A frozen copy in train mode."""
        return copy.deepcopy(self.frozen).train()


def setup(quick: bool) -> Setup:
    """All rows, or a tenth of them; the network is trained for a second."""
    spec = find_spec("statsmodels")
    assert spec is not None and spec.origin is not None
    data = pd.read_csv(Path(spec.origin).with_name("datasets") / "randhie" / "randhie.csv")
    rows = torch.tensor(data.drop(columns="mdvis").to_numpy(), dtype=torch.float32)
    rows = (rows - rows.mean(0)) / rows.std(0)
    visits = torch.tensor(data["mdvis"].to_numpy(), dtype=torch.float32).log1p()
    width = 32
    net = nn.Sequential(
        *(nn.Linear(rows.shape[1], width), nn.ReLU(), nn.Dropout(0.25)),
        *(nn.Linear(width, width), nn.ReLU(), nn.Dropout(0.25)),
        *(nn.Linear(width, 1), nn.Flatten(0)),
    )
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(30):
        optimizer.zero_grad()
        nn.functional.mse_loss(net(rows), visits).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    net.eval()
    frozen = copy.deepcopy(net).requires_grad_(False)
    return Setup(net, frozen, rows[::10] if quick else rows)


def gradient(net: nn.Module, rows: Tensor) -> Tensor:
    """Gradient of each row's value, by one backward pass."""
    rows = rows.detach().requires_grad_()
    (found,) = torch.autograd.grad(net(rows).sum(), rows)
    return found


def summed(net: nn.Module) -> nn.Module:
    """The network with one output for all rows, their sum, which spares Captum a loop over rows."""

    class Summed(nn.Module):
        def forward(self, rows: Tensor) -> Tensor:
            total: Tensor = net(rows).sum()
            return total[None]

    return Summed()
