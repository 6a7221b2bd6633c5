"""What only some rows read of their neighbours is seen by three rows of different items."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import salience
from salience import ClassScore, Tensors

X = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))

WAYS = {
    "largest number of the batch": lambda x: x * x.abs().amax().detach(),
    "whether any row": lambda x: x * 2 if bool((x > 1.5).any()) else x,
}


class Meeting(nn.Module):
    """A linear layer behind a factor that rows share."""

    def __init__(self, way: str) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.layer, self.meet = nn.Linear(4, 3), WAYS[way]

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(self.meet(x))


@pytest.mark.filterwarnings("ignore::salience.Notice")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("turned", [False, True])
def test_a_factor_that_some_rows_change_is_seen(way: str, turned: bool) -> None:
    net, data = Meeting(way).eval(), X.flip(0) if turned else X
    found = salience.explain(net, data, Tensors(), output=ClassScore(0))
    for row, values in zip(data, found.values, strict=True):
        x = row[None].clone().requires_grad_()
        truth = torch.autograd.grad(net(x)[0, 0], x)[0][0]
        torch.testing.assert_close(values, truth, rtol=1e-4, atol=1e-5)


class Highest(nn.Module):
    """Takes the highest frame, which for some items is one of padding."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.out = nn.Conv1d(3, 6, 3, padding=1), nn.Linear(6, 1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return self.out(self.conv(x).amax(2))


@pytest.mark.filterwarnings("ignore::salience.Notice")
def test_padding_that_only_some_items_read_is_seen(series: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    data = [torch.randn(3, length, generator=generator) for length in (5, 3, 7, 3, 4)]
    net = Highest().eval()
    found = salience.explain(net, data, series(), output="value")
    for one, values in zip(data, found.values, strict=True):
        x = one[None].clone().requires_grad_()
        truth = torch.autograd.grad(net(x, torch.ones(1)).sum(), x)[0][0]
        torch.testing.assert_close(values, truth, rtol=1e-4, atol=1e-5)
