"""Modules and weights under several names, and the user's own hooks, where weights are drawn."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import salience
from salience import ClassScore, Ensemble, Explainer, Tensors

X = torch.randn(6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


class Twins(nn.Module):
    """One layer under two names."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.a = nn.Linear(4, 4)
        self.b, self.out = self.a, nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.b(torch.tanh(self.a(x)))))


class Listed(nn.Module):
    """One block, with buffers, that a list holds three times and a dict once more."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        block = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Tanh())
        block[1].running_mean.normal_()
        self.blocks = nn.ModuleList([block] * 3)
        self.named = nn.ModuleDict({"again": block})
        self.out = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        for block in (*self.blocks, self.named["again"]):
            x = block(x)
        return self.out(x)


class TiedWeights(nn.Module):
    """Two modules with one weight, and one module of the two under a second name."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.a, self.b, self.out = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 3)
        self.b.weight = self.a.weight
        self.c = self.b

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.c(torch.tanh(self.b(torch.tanh(self.a(x)))))))


class Nested(nn.Module):
    """A module under one name here and under another inside a child."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.inner = TiedWeights(seed)
        self.head, self.last = self.inner.out, nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.head(torch.tanh(self.inner.c(x))))


MODELS = [Twins, Listed, TiedWeights, Nested]


def gradient(model: Callable[[Tensor], Tensor]) -> Tensor:
    x = X.clone().requires_grad_()
    return torch.autograd.grad(model(x)[:, 0].sum(), x)[0]


@pytest.mark.parametrize("max_rows", [1, 3, "auto"])
@pytest.mark.parametrize("make", MODELS)
def test_weight_noise_leaves_the_prediction_alone(
    make: type[nn.Module], max_rows: int | str
) -> None:
    net = make().double().eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    found = salience.explain(
        net, X, Tensors(), samplers=["weight_noise:scale=1.0"], n_samples=4, max_rows=max_rows
    )
    torch.testing.assert_close(found.prediction, net(X).detach())
    assert all(torch.equal(net.state_dict()[name], value) for name, value in before.items())


@pytest.mark.parametrize("max_rows", [1, 6, "auto"])
@pytest.mark.parametrize("make", MODELS)
def test_an_ensemble_is_the_mean_of_its_members(make: type[nn.Module], max_rows: int | str) -> None:
    net, members = make().double().eval(), [make(seed).double().eval() for seed in (1, 2, 3)]
    explainer = Explainer(net, Tensors(), output=ClassScore(0), max_rows=max_rows)
    found = explainer.explain(X, samplers=[Ensemble(members)], n_samples=3)
    truth = torch.stack([gradient(member) for member in members]).mean(0)
    torch.testing.assert_close(found.values, truth)


def _clamp_gradient(module: nn.Module, args: object, out: Tensor) -> None:
    if out.requires_grad:
        out.register_hook(lambda g: g.clamp(min=0))


def hooked(kind: str) -> nn.Module:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1)).double().eval()
    if kind == "module":
        net[1].register_full_backward_hook(lambda module, into, out: (into[0].clamp(min=0),))
    elif kind == "before":
        net[1].register_full_backward_pre_hook(lambda module, out: (out[0].clamp(min=0),))
    elif kind == "tensor":
        net[0].register_forward_hook(_clamp_gradient)
    return net


@pytest.mark.parametrize("kind", ["module", "before", "tensor"])
def test_backward_hooks_of_the_user_count_at_any_size_of_the_passes(kind: str) -> None:
    def values(net: nn.Module, max_rows: int | str) -> Tensor:
        return salience.explain(
            net,
            X,
            Tensors(),
            samplers=["weight_noise"],
            n_samples=3,
            output="value",
            max_rows=max_rows,
        ).values

    truth = values(hooked(kind), 1)
    assert (truth - values(hooked(""), 1)).abs().max() > 1e-3
    for max_rows in (6, "auto"):
        torch.testing.assert_close(values(hooked(kind), max_rows), truth)
