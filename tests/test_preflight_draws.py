"""Draws of the model's own, dropout that hides, and targets without a way."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import salience
from salience import ClassScore, Explainer, InputError, MCDropout, Target, Tensors

X = torch.randn(5, 8, generator=torch.Generator().manual_seed(0))
INNER = Tensors(inner=("item", "unit"))


class Drawing(nn.Module):
    """Two layers with something random between them."""

    def __init__(self, draw: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b, self.draw = nn.Linear(8, 8), nn.Linear(8, 1), draw

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.b(self.draw(torch.tanh(self.a(x))))
        return out


WAYS: dict[str, Callable[[Tensor], Tensor]] = {
    "torch": lambda h: h + torch.randn_like(h),
    "NumPy": lambda h: h * float(np.random.rand()),
    "Python": lambda h: h * random.random(),
    "in place": lambda h: h * torch.empty_like(h).uniform_(),
    "permutation": lambda h: h[:, torch.randperm(8)],
    "functional dropout": lambda h: F.dropout(h, 0.5, training=True),
    "attention dropout": lambda h: F.scaled_dot_product_attention(
        h[:, None], h[:, None], h[:, None], dropout_p=0.5
    )[:, 0],
}


@pytest.mark.parametrize("items", [1, 5])
@pytest.mark.parametrize("way", WAYS)
def test_a_model_that_draws_in_eval_mode_is_refused(way: str, items: int) -> None:
    with pytest.raises(InputError, match="draws random numbers in eval mode"):
        salience.explain(Drawing(WAYS[way]).eval(), X[:items], Tensors(output="value"))


SELDOM: dict[str, Callable[[Tensor], Tensor]] = {
    "one of three": lambda h: h * random.choice([1, 2, 3]),
    "one of eight": lambda h: h * torch.multinomial(torch.ones(8), 1),
    "one in four": lambda h: h * (2 if float(np.random.rand()) < 0.25 else 1),
}


@pytest.mark.parametrize("items", [1, 5])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("way", SELDOM)
def test_a_draw_that_is_often_the_same_is_refused(way: str, seed: int, items: int) -> None:
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)
    with pytest.raises(InputError, match="draws random numbers in eval mode"):
        salience.explain(Drawing(SELDOM[way]).eval(), X[:items], Tensors(output="value"))


PRIVATE: dict[str, Callable[[], Callable[[Tensor], Tensor]]] = {
    "torch": lambda: partial(_torch_noise, torch.Generator().manual_seed(5)),
    "NumPy": lambda: partial(_numpy_factor, np.random.default_rng(0)),
}


def _torch_noise(generator: torch.Generator, h: Tensor) -> Tensor:
    return h + torch.randn(h.shape, generator=generator)


def _numpy_factor(generator: np.random.Generator, h: Tensor) -> Tensor:
    return h * float(generator.random())


@pytest.mark.parametrize("way", PRIVATE)
def test_a_private_generator_is_refused_where_rows_are_packed(way: str) -> None:
    explainer = Explainer(Drawing(PRIVATE[way]()), Tensors(output="value"))
    with pytest.raises(InputError, match=r"second pass|draws random numbers"):
        explainer.explain(X)


def test_random_numbers_without_effect_are_no_fault() -> None:
    net = Drawing(lambda h: h + 0 * torch.rand_like(h)).eval()
    plain = Drawing(lambda h: h).eval()
    found = salience.explain(net, X, Tensors(output="value"))
    torch.testing.assert_close(
        found.values, salience.explain(plain, X, Tensors(output="value")).values
    )


@pytest.mark.parametrize("way", ["functional dropout", "attention dropout"])
def test_mc_dropout_serves_functional_dropout_by_the_seed(way: str) -> None:
    net, found = Drawing(WAYS[way]).eval(), []
    for state in (1, 2):
        torch.manual_seed(state)
        explained = salience.explain(
            net, X, Tensors(output="value"), samplers=["mc_dropout"], n_samples=4
        )
        found.append((explained.values, explained.score, explained.prediction))
    torch.testing.assert_close(*found, rtol=0, atol=0)


def test_attention_outside_of_the_chosen_layers_does_not_draw() -> None:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.5, batch_first=True)
    net = nn.Sequential(layer, nn.Flatten(), nn.Linear(12, 1)).eval()
    x, found = torch.randn(2, 3, 4), []
    for state in (1, 2):
        torch.manual_seed(state)
        domain = Tensors(("item", "time", "channel"), output="value")
        sampler = MCDropout(layers="0.dropout1")
        found.append(salience.explain(net, x, domain, samplers=[sampler], n_samples=4).values)
    torch.testing.assert_close(*found, rtol=0, atol=0)


# --- Dropout that only training mode shows --------------------------------------------------------


class Gated(nn.Module):
    """Draws dropout only where it is in training mode."""

    def __init__(self, way: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.way, self.a, self.b = way, nn.Linear(8, 8), nn.Linear(8, 1)
        self.norm, self.drop = nn.BatchNorm1d(8), nn.Dropout(0.01)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(torch.tanh(self.a(x)))
        if self.way == "branch" and self.training:
            h = F.dropout(h, 0.5)
        if self.way == "rate":
            h = F.dropout(h, 0.5 if self.training else 0.0, training=self.training)
        if self.way == "with scale" and self.training:
            h = 3 * F.dropout(h, 0.5)
        out: Tensor = self.b(self.drop(h))
        return out


def spread_in_training_mode(net: nn.Module, x: Tensor, draws: int = 600) -> Tensor:
    torch.manual_seed(7)
    net.train()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.eval()
    found = []
    for _ in range(draws):
        z = x.clone().requires_grad_()
        found.append(torch.autograd.grad(net(z).sum(), z)[0])
    net.eval()
    return torch.stack(found).std(0)


@pytest.mark.parametrize("way", ["branch", "rate"])
def test_dropout_that_only_training_mode_shows_is_drawn(way: str) -> None:
    net = Gated(way).eval()
    found = salience.explain(
        net, X, Tensors(output="value"), samplers=["mc_dropout"], n_samples=300
    )
    truth = spread_in_training_mode(net, X)
    torch.testing.assert_close((found.std_error * 300**0.5).mean(), truth.mean(), rtol=0.1, atol=0)
    plain = salience.explain(net, X, Tensors(output="value"))
    torch.testing.assert_close(found.score, plain.score)
    assert not net.training


def test_training_mode_that_changes_more_than_dropout_is_refused() -> None:
    with pytest.raises(InputError, match="drops in training mode"):
        salience.explain(
            Gated("with scale").eval(), X, Tensors(output="value"), samplers=["mc_dropout"]
        )


# --- Dropout before a target ----------------------------------------------------------------------


@pytest.mark.parametrize("max_rows", [1, 3, "auto"])
@pytest.mark.parametrize("drop", [nn.Dropout(0.5), nn.AlphaDropout(0.5)])
def test_dropout_before_an_inner_target_moves_it(drop: nn.Module, max_rows: Any) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, 6), drop, nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 1)).eval()
    settings: dict[str, Any] = {"samplers": ["mc_dropout"], "n_samples": 5}
    explainer = Explainer(net, INNER, target="2", output="value", max_rows=max_rows)
    draws = explainer.compute(X, "gradient:multiply_by_target=true", **settings).values
    assert draws.std(0).min() > 0
    packed = Explainer(net, INNER, target="2", output="value", max_rows=100)
    same = packed.compute(X, "gradient:multiply_by_target=true", **settings).values
    torch.testing.assert_close(draws, same, rtol=1e-4, atol=1e-6)


def test_dropout_behind_an_inner_target_leaves_it_where_it_is() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, 6), nn.Dropout(0.5), nn.Linear(6, 1)).eval()
    sizes: list[int] = []
    net[0].register_forward_pre_hook(lambda module, args: sizes.append(len(args[0])))
    salience.explain(
        net, X, INNER, target="0", output="value", samplers=["mc_dropout"], n_samples=4, max_rows=20
    )
    assert sizes.count(20) == 1  # no pass beside that of the gradient


# --- Ways to the targets --------------------------------------------------------------------------


def test_a_target_without_effect_is_told_beside_another() -> None:
    weight = torch.randn(8, 3, generator=torch.Generator().manual_seed(1))
    domain = Tensors(axes={"a": ("item", "unit"), "b": ("item", "unit")})
    data = {"a": X, "b": X}
    with pytest.warns(salience.Notice, match="does not depend on target variable 'b'"):
        found = salience.explain(lambda a, b: a @ weight, data, domain, target=["a", "b"])
    assert "notices" in found.provenance
    with pytest.raises(InputError, match="by autograd"):
        salience.explain(lambda a, b: a @ weight, data, domain, target="b")


@pytest.mark.parametrize("calculator", ["gradient", "integrated_gradients:steps=3", "occlusion"])
@pytest.mark.parametrize("targets", [["0", "1"], ["1", "0"], ["input", "2"]])
def test_a_target_upstream_of_another_is_refused(calculator: str, targets: list[str]) -> None:
    net = nn.Sequential(nn.Linear(8, 5), nn.Tanh(), nn.Linear(5, 2)).eval()
    with pytest.raises(InputError, match="is computed from another"):
        salience.explain(net, X, INNER, calculator, target=targets, output=ClassScore(0))


def test_which_call_of_a_module_is_explained_is_told() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.b(torch.tanh(self.a(torch.tanh(self.a(x)))))  # type: ignore[no-any-return]

    with pytest.warns(salience.Notice, match="runs 2 times in a forward pass"):
        salience.explain(Twice(), X, INNER, target="a")
    salience.explain(Twice(), X, INNER, target=Target("a", call=1))
