"""Precision of results, and variables of several numbers that count as one."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import salience
from salience import InputError, Target, Tensors


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("calculator", ["gradient", "integrated_gradients:steps=8", "occlusion"])
def test_results_of_half_precision_models_are_float32(dtype: torch.dtype, calculator: str) -> None:
    torch.manual_seed(0)
    net, x = nn.Linear(4, 2).to(dtype), torch.randn(3, 4).to(dtype)
    explainer = salience.Explainer(net, Tensors())
    for aggregator in ("raw", "abs", "square", "variance"):
        found = explainer.explain(x, calculator, ["gaussian"], 3, aggregator)
        assert found.values.dtype == found.std_error.dtype == torch.float32
        assert found.score.dtype == found.delta.dtype == torch.float32
    assert explainer.compute(x, calculator, ["gaussian"], 3).values.dtype == torch.float32


def test_what_overflows_when_it_is_aggregated_is_refused() -> None:
    with pytest.raises(InputError, match=r"beyond the range of float32 .* by Square"):
        salience.explain(
            lambda x: (x * 1e25).sum(1),
            torch.ones(2, 3),
            Tensors(output="value"),
            aggregator="square",
        )


class Cancelling(nn.Module):
    """Half of the units of an embedding undo the others."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(3, units)
        nn.init.ones_(self.embed.weight)
        self.signs = torch.tensor([1.0, -1.0] * (units // 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (self.embed(x) * self.signs).sum((1, 2))


TOKENS = Tensors(("item", "place"), components=("unit",), output="value")
EMBED = Target("embed", axes=("item", "place", "unit"))


@pytest.mark.parametrize("units", [2, 16])
@pytest.mark.parametrize("aggregator", ["abs", "square"])
@pytest.mark.parametrize(
    "calculator",
    ["integrated_gradients", "occlusion", salience.Gradient(multiply_by_target=True)],
)
def test_an_embedding_without_effect_has_no_magnitude(
    calculator: object, aggregator: str, units: int
) -> None:
    tokens = torch.tensor([[0, 1], [2, 2]])
    explainer = salience.Explainer(Cancelling(units), TOKENS, target=EMBED)
    found = explainer.explain(tokens, calculator, aggregator=aggregator)  # type: ignore[arg-type]
    torch.testing.assert_close(found.values, torch.zeros(2, 2))
    kept = explainer.compute(tokens, calculator)  # type: ignore[arg-type]
    assert kept.values.shape == (1, 2, 2)
    torch.testing.assert_close(explainer.aggregate(kept, aggregator).values, found.values)


def test_a_plain_gradient_has_a_magnitude_for_each_unit() -> None:
    found = salience.explain(
        Cancelling(4), torch.tensor([[0, 1]]), TOKENS, target=EMBED, aggregator="abs"
    )
    torch.testing.assert_close(found.values, torch.full((1, 2), 4.0))


def test_the_same_axis_is_not_summed_twice() -> None:
    with pytest.raises(InputError, match="is in reduce and in components"):
        Tensors(("item", "unit"), reduce=("unit",), components=("unit",))
    with pytest.raises(InputError, match="components names the axis 'unti'"):
        salience.Explainer(nn.Linear(2, 2), Tensors(("item", "unit"), components=("unti",)))
