"""What lies upstream of inner target variables is run once a batch, and nothing shows of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import salience
from salience import Tap, Target, Tensors

DOMAIN = Tensors(("item", "feature"), inner=("item", "unit"))
X = torch.linspace(-2, 3, 5 * 4).reshape(5, 4).double()


class Counting(nn.Module):
    """A layer that counts its passes."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.linear = nn.Linear(n_in, n_out)
        self.passes: list[int] = []

    def __deepcopy__(self, memo: dict[int, Any]) -> Counting:
        made = Counting(self.linear.in_features, self.linear.out_features)
        made.linear.load_state_dict(self.linear.state_dict())
        made.passes = self.passes
        return made.to(self.linear.weight.dtype)

    def forward(self, x: Tensor) -> Tensor:
        self.passes.append(len(x))
        return self.linear(x).tanh()  # type: ignore[no-any-return]


class Net(nn.Module):
    """Two layers before the target variable, one after; a part of the first goes around it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Counting(4, 6)
        self.middle = nn.Sequential(nn.Linear(6, 6), nn.Dropout(0.4), nn.SiLU())
        self.target = nn.Linear(6, 6)
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.head((self.target(self.middle(x)) + x).tanh())  # type: ignore[no-any-return]


class InPlace(Net):
    """Works in place on what a layer before the target variable has returned."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.middle(self.stem(x))
        inside = self.target(x.mul_(2))
        return self.head((inside + x.add_(1)).tanh())  # type: ignore[no-any-return]


class Remembering(Net):
    """Keeps what a layer has seen on the layer itself, and reads it behind the target variable."""

    def forward(self, x: Tensor) -> Tensor:
        y = self.wrapped(x)
        return self.head((self.target(y) + self.wrapped.seen).tanh())  # type: ignore[no-any-return]

    def __init__(self) -> None:
        super().__init__()
        self.wrapped = Keeping(self.stem)
        del self.stem

    @property
    def stem(self) -> Any:
        return self.wrapped.inner


class Keeping(nn.Module):
    """Has an attribute with what came out last."""

    seen: Tensor

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        self.seen = self.inner(x)
        return self.seen * 0.5


class TimeFirst(Net):
    """A layer before the target variable returns its items along the second axis."""

    def __init__(self) -> None:
        super().__init__()
        self.turn = Turning()

    def forward(self, x: Tensor) -> Tensor:
        steps = self.turn(self.stem(x))
        return self.head((self.target(steps.sum(0)) + steps[0]).tanh())  # type: ignore[no-any-return]


class Turning(nn.Module):
    """(items, 6) to (5 steps, items, 6): as many steps as the data has items."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([x * (i + 1) for i in range(5)])


class Reused(Net):
    """The target variable is the second call of a layer, whose first lies inside another."""

    def __init__(self) -> None:
        super().__init__()
        self.target = nn.Tanh()  # type: ignore[assignment]
        self.block = nn.Sequential(nn.Linear(6, 6), self.target)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.target(self.block(self.stem(x))) * 2)  # type: ignore[no-any-return]


MODELS: list[Callable[[], nn.Module]] = [Net, InPlace, Remembering, TimeFirst, Reused]
SETTINGS: dict[str, dict[str, Any]] = {
    "smoothgrad": {"samplers": ["gaussian"], "n_samples": 4},
    "integrated gradients": {"calculator": "integrated_gradients:steps=5"},
    "occlusion": {"calculator": "occlusion"},
    "both": {
        "calculator": "integrated_gradients:steps=3", "samplers": ["gaussian"], "n_samples": 3,
    },
}  # fmt: skip


@pytest.mark.parametrize("max_rows", [1, 3, 100])
@pytest.mark.parametrize("kind", SETTINGS)
@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_numbers_are_those_of_whole_passes(
    make: Callable[[], nn.Module], kind: str, max_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(1)
    model = make().double().eval()
    call = 1 if make is Reused else 0
    target = Target("target", call=call)
    settings = SETTINGS[kind] | {"target": target, "max_rows": max_rows}
    found = salience.explain(model, X, DOMAIN, **settings)
    monkeypatch.setattr("salience.model.speedups.Upstream", lambda *_: None)
    whole = salience.explain(model, X, DOMAIN, **settings)
    torch.testing.assert_close(found.values, whole.values, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(found.score, whole.score, rtol=1e-10, atol=1e-12)
    assert found.values.abs().max() > 1e-3


def test_upstream_runs_once_a_batch_however_many_draws() -> None:
    model = Net().double().eval()
    settings: dict[str, Any] = {"target": "target", "samplers": ["gaussian"], "n_samples": 9}
    salience.explain(model, X, DOMAIN, max_rows=5, **settings)
    # The batch, and the rows with which it is compared; nine draws are not there.
    assert model.stem.passes == [5, 1, 1, 1, 2]
    model.stem.passes.clear()
    salience.explain(model, X, DOMAIN, max_rows=2, **settings)
    assert model.stem.passes == [2, 1, 1, 1, 2, 2, 1]


def test_a_model_that_keeps_state_is_run_as_a_whole() -> None:
    model = Remembering().double().eval()
    settings: dict[str, Any] = {"target": "target", "samplers": ["gaussian"], "n_samples": 4}
    found = salience.explain(model, X, DOMAIN, max_rows=100, **settings)
    outcomes = {v.assumption: v.outcome for v in found.preflight.verdicts}
    assert outcomes["speed-up upstream"] == "fallback"
    assert 20 in model.stem.passes


def test_draws_of_the_parameters_reach_what_lies_upstream() -> None:
    model = Net().double().eval()
    settings: dict[str, Any] = {"target": "target", "samplers": ["mc_dropout"], "n_samples": 6}
    salience.explain(model, X, DOMAIN, max_rows=5, **settings)
    assert len(model.stem.passes) >= 7


def test_an_output_tapped_upstream_or_downstream_is_found() -> None:
    class Summed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.square().sum(1)

    model = Net().double().eval()
    model.add_module("total", Summed())

    def forward(self: Any, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.target(self.middle(x))
        self.total(y)
        return self.head(F.silu(y))  # type: ignore[no-any-return]

    model.forward = forward.__get__(model)  # type: ignore[method-assign]
    found = salience.explain(
        model, X, DOMAIN, "integrated_gradients:steps=2", target="target", output=Tap("total")
    )
    inside = model.target(model.middle(model.stem(X))).detach()
    torch.testing.assert_close(found.values, inside.square(), rtol=1e-10, atol=1e-12)
