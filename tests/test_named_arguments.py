"""Named arguments reach the parameters of their names, in any order."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import salience
from salience import InputError, Tensors

A = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
DATA = {"c": 3 * A, "a": A, "b": 2 * A}


def value(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    return (a * b**2 + torch.sin(c)).sum(1)


class Network(nn.Module):
    def forward(self, a: Tensor, b: Tensor, c: Tensor, d: Tensor | None = None) -> Tensor:
        return value(a, b, c)


class Dictionary(nn.Module):
    def forward(self, **batch: Tensor) -> Tensor:
        return value(**batch)


class KeywordOnly(nn.Module):
    def forward(self, a: Tensor, *, b: Tensor, c: Tensor) -> Tensor:
        return value(a, b, c)


MODELS: list[Any] = [
    Network(),
    Dictionary(),
    KeywordOnly(),
    value,
    Network().forward,
    functools.partial(Network(), d=None),
    nn.DataParallel(Network()),
    torch.jit.script(Network()),
]


@pytest.mark.parametrize("order", ["abc", "cab", "bca"])
@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_each_parameter_gets_the_argument_of_its_name(
    model: Callable[..., Tensor], order: str
) -> None:
    data = {name: DATA[name] for name in order}
    axes = dict.fromkeys(order, ("item", "feature"))
    found = salience.explain(model, data, Tensors(axes=axes, target="a"), output="value").values
    torch.testing.assert_close(found, DATA["b"] ** 2)


def test_names_that_are_no_parameters_go_by_position() -> None:
    axes = dict.fromkeys(("u", "v", "w"), ("item", "feature"))
    data = dict(zip(axes, (DATA[name] for name in "abc"), strict=True))
    found = salience.explain(value, data, Tensors(axes=axes, target="u"), output="value").values
    torch.testing.assert_close(found, DATA["b"] ** 2)


def test_names_that_fit_in_part_are_refused_in_another_order() -> None:
    axes = dict.fromkeys(("c", "a", "v"), ("item", "feature"))
    data = dict(zip(axes, (DATA[name] for name in "cab"), strict=True))
    with pytest.raises(InputError, match="'v' is no parameter of the model"):
        salience.explain(value, data, Tensors(axes=axes, target="a"), output="value")


def test_the_only_argument_goes_first_whatever_its_name() -> None:
    def model(features: Tensor, x: Tensor | None = None) -> Tensor:
        assert x is None
        return features.sum(1)

    assert salience.explain(model, A, Tensors(), output="value").values.eq(1).all()
