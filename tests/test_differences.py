"""Differences under common draws: what noise does to both falls out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import salience
from salience import ClassScore, Explainer, InputError, Tensors, Value

X = torch.linspace(-1, 1, 12).reshape(4, 3).double()
SETTINGS: dict[str, Any] = {"samplers": ["gaussian:scale=0.4"], "n_samples": 50}


def model(x: Tensor) -> Tensor:
    """Two classes, whose difference is 2 x₀ + x₂² / 100, and whose sum is very noisy."""
    common = 10 * x.pow(3).sum(1)
    return torch.stack([common + 2 * x[:, 0], common - x[:, 2].square() / 100], 1)


def of_class(index: int, **settings: Any) -> salience.Samples:
    explainer = Explainer(model, Tensors(), output=ClassScore(index))
    return explainer.compute(X, **(SETTINGS | settings))


def test_the_difference_of_two_classes_has_the_error_of_the_difference() -> None:
    one, two = of_class(0), of_class(1)
    explainer = Explainer(model, Tensors())
    found = explainer.aggregate(one - two)
    single = explainer.aggregate(one)
    # The gradient of the difference is (2, 0, x₂ / 50) exactly, but for the noise in x₂.
    torch.testing.assert_close(found.values[:, 0], torch.full((4,), 2.0).double())
    assert found.values[:, 1].abs().max() < 1e-12
    assert found.std_error[:, :2].max() < 1e-12
    assert (found.std_error[:, 2] < 1e-2 * single.std_error[:, 2]).all()
    gap = (found.values[:, 2] - X[:, 2] / 50).abs()
    assert (gap < 4 * found.std_error[:, 2]).all()
    both = model(X)
    torch.testing.assert_close(found.score, both[:, 0] - both[:, 1])


@pytest.mark.parametrize("kind", [torch.tensor, np.array])
def test_settings_that_are_arrays_are_compared_by_their_numbers(kind: Any) -> None:
    def noise(first: float) -> Any:
        return salience.GaussianNoise(kind([first, 0.2, 0.3]), "absolute")

    one, same, other = (of_class(0, samplers=[noise(first)]) for first in (0.1, 0.1, 0.4))
    assert not (one - same).values.any()
    with pytest.raises(InputError, match="samplers"):
        one - other


def test_ragged_items_of_other_sizes_have_no_draws_in_common(graphs: Any) -> None:
    explainer = Explainer(graphs.models()[0], graphs.ragged())
    one, two = list(graphs.data)[:2]
    assert len(one.labels) != len(two.labels)
    kept = [explainer.compute(data, **SETTINGS) for data in ([one, two], [two, one])]
    with pytest.raises(InputError, match="sizes of items"):
        kept[0] - kept[1]


def test_methods_may_be_compared_draw_by_draw() -> None:
    explainer = Explainer(lambda x: (x * x[:, :1]).sum(1), Tensors(), output=Value())
    one = explainer.compute(X, "integrated_gradients", **SETTINGS)
    two = explainer.compute(X, "gradient:multiply_by_target=True", **SETTINGS)
    # For a quadratic function the second is twice the first.
    found = explainer.aggregate(one - two)
    torch.testing.assert_close(found.values, -explainer.aggregate(one).values)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"seed": 1}, "seed"),
        ({"samplers": ["gaussian:scale=0.3"]}, "samplers"),
        ({"n_samples": 49}, "target variables"),
        ({"ids": [4, 3, 2, 1]}, "items"),
    ],
)
def test_what_has_no_draws_in_common_is_refused(other: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        of_class(0) - of_class(1, **other)


def test_a_difference_says_of_what_it_is() -> None:
    net, other = nn.Linear(3, 2), nn.Sequential(nn.Linear(3, 2))
    data = torch.randn(2, 3)

    def of(model: Any, output: str, calculator: str = "gradient", **given: Any) -> Any:
        return salience.Explainer(model, "tabular", output=output).compute(
            data, calculator, n_samples=1, **given
        )

    def shown(one: Any, two: Any) -> list[str]:
        found = salience.Explainer(net, "tabular").aggregate(one - two)
        assert repr(one - two).splitlines()[0].endswith(repr(found).splitlines()[0][28:])
        return repr(found).splitlines()

    classes = shown(of(net, "class:0"), of(net, "class:1"))
    assert classes[0] == "Explanation of 2 items (tabular), a difference"
    assert "output class:0 − class:1" in classes[1]
    methods = shown(of(net, "class:0"), of(net, "class:0", "integrated_gradients"))
    assert "gradient, raw − integrated_gradients, raw" in methods[2]
    models = shown(of(net, "class:0"), of(other, "class:0"))
    assert models[0].endswith("a difference of Linear − Sequential")
    assert "−" not in models[1]
