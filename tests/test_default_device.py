"""A default device of the user's, such as a GPU, is that of the model alone.

The device ``meta`` stands for any: tensors that are made on it by mistake hold no numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import salience
from salience import Explainer, Explanation

ROWS = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
GROUPS = {"first": [0, 1], "last": [2]}
SEEN: set[str] = set()


class Network(nn.Module):
    """Notes where its forward makes tensors."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Dropout(0.5), nn.Linear(4, 2))

    def forward(self, x: Tensor) -> Any:
        SEEN.add(torch.empty(0).device.type)
        return self.net(x)


NET = Network()


@contextmanager
def by_default() -> Iterator[None]:
    torch.set_default_device("meta")
    try:
        yield
    finally:
        torch.set_default_device(None)


METHODS: dict[str, Callable[[], Any]] = {
    "gradient": lambda: explain("gradient"),
    "smoothgrad": lambda: explain("gradient", samplers=["gaussian"], n_samples=3),
    "integrated gradients": lambda: explain("integrated_gradients"),
    "occlusion": lambda: explain("occlusion"),
    "dropout": lambda: explain("gradient", samplers=["mc_dropout"], n_samples=3),
    "groups": lambda: explain("gradient", pool=GROUPS, samplers=["gaussian"], n_samples=3),
    "draws": lambda: Explainer(NET, "tensor").compute(ROWS, samplers=["gaussian"], n_samples=3),
    "stream": lambda: next(iter(Explainer(NET, "tensor").stream([ROWS, ROWS]))),
}


def explain(calculator: str, **settings: Any) -> Explanation:
    return salience.explain(NET, ROWS, "tensor", calculator, **settings)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("context", [by_default, lambda: torch.device("meta")], ids=["set", "with"])
def test_numbers_do_not_depend_on_the_default_device(method: str, context: Any) -> None:
    plain = METHODS[method]()
    SEEN.clear()
    with context():
        found = METHODS[method]()
        assert torch.empty(0).device.type == "meta"
    assert SEEN and all(kind == "meta" for kind in SEEN)
    torch.testing.assert_close(found.values, plain.values, rtol=0, atol=0)


ASKED: dict[str, Callable[[Explanation], Any]] = {
    "item": lambda e: e.item(1).values,
    "position": lambda e: e.iloc[1:3].values,
    "id": lambda e: e.loc[2].values,
    "where": lambda e: e.where(drawn=True).values,
    "mean": lambda e: e.mean(),
    "error of the mean": lambda e: e.mean_std_error(),
    "interval": lambda e: torch.stack(list(e.interval())),
    "table": lambda e: torch.tensor(e.to_dataframe()["saliency"].to_numpy(), device="cpu"),
    "text": lambda e: torch.tensor([len(repr(e)), len(e._repr_html_())], device="cpu"),
}


@pytest.mark.parametrize("asked", ASKED)
def test_results_do_not_depend_on_the_default_device(asked: str) -> None:
    explained = explain("gradient", samplers=["gaussian"], n_samples=3)
    plain = ASKED[asked](explained)
    with by_default():
        found = ASKED[asked](explained)
    torch.testing.assert_close(found, plain, rtol=0, atol=0)
