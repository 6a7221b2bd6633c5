"""Precision of results, and variables of several numbers that count as one."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

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


FAR = torch.tensor([[3000.125, 3001.5], [2999.75, 3000.0]])


class Centred(nn.Module):
    """Subtracts a mean in the precision of its argument; its first parameter has 16 bits."""

    def __init__(self, dtype: torch.dtype, way: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.way = nn.Embedding(3, 2).to(dtype), way
        self.layer = nn.Linear(2, 1).to(dtype if way == "then rounds" else torch.float32)

    def forward(self, x: Tensor) -> Tensor:
        centred = (x.float() if self.way == "converts" else x) - 3000
        return self.layer(centred.to(self.layer.weight.dtype))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("way", ["converts", "as it is", "then rounds"])
@pytest.mark.parametrize("calculator", ["gradient", "integrated_gradients:steps=4", "occlusion"])
def test_data_is_not_rounded_to_16_bits_where_the_model_takes_it(
    dtype: torch.dtype, way: str, calculator: str
) -> None:
    net = Centred(dtype, way).eval()
    found = salience.explain(net, FAR, Tensors(output="value"), calculator)
    assert torch.equal(found.score, net(FAR)[:, 0].detach().float())


def test_data_is_rounded_where_the_model_takes_16_bits_only() -> None:
    net = nn.Linear(2, 1).bfloat16()
    found = salience.explain(net, FAR, Tensors(output="value"))
    assert torch.equal(found.score, net(FAR.bfloat16())[:, 0].detach().float())


STAMPS = torch.tensor([[1700000013.0, 0.1], [1700000111.0, 0.1]], dtype=torch.float64)
PLAIN = torch.tensor([[13.3, 0.1], [111.1, 0.1]], dtype=torch.float64)


@pytest.mark.parametrize(
    "data, dtype, told",
    [
        (STAMPS, torch.float32, True),
        (FAR, torch.bfloat16, True),
        (PLAIN, torch.float32, False),
        (PLAIN, torch.bfloat16, False),
        (STAMPS, torch.float64, False),
    ],
    ids=["time stamps", "16 bits", "plain", "plain in 16 bits", "double"],
)
def test_rounding_that_leaves_little_of_how_items_differ_is_told(
    data: Tensor, dtype: torch.dtype, told: bool, recwarn: pytest.WarningsRecorder
) -> None:
    salience.explain(nn.Linear(2, 1).to(dtype), data, Tensors(output="value"))
    assert told == any("rounds numbers of argument 'x'" in str(w.message) for w in recwarn)


EIGHT = [torch.float8_e4m3fn, torch.float8_e5m2]


@pytest.mark.parametrize("dtype", EIGHT)
def test_numbers_of_8_bits_are_refused(dtype: torch.dtype) -> None:
    x = torch.ones(2, 3)
    for data, model in (
        (x.to(dtype), lambda x: x.float().sum(1)),
        (x, lambda x: x.sum(1).to(dtype)),
    ):
        with pytest.raises(InputError, match=str(dtype).removeprefix("torch.")):
            salience.explain(model, data, Tensors(output="value"))


@pytest.mark.parametrize("dtype", EIGHT)
def test_weights_of_8_bits_do_not_round_the_data(dtype: torch.dtype) -> None:
    net = nn.Module()
    net.weight = nn.Parameter(torch.ones(2).to(dtype), requires_grad=False)
    net.forward = lambda x: (x * net.weight.float()).sum(1)  # type: ignore[method-assign]
    found = salience.explain(net, FAR, Tensors(output="value"))
    assert torch.equal(found.score, FAR.sum(1))
    with pytest.raises(InputError, match="weight_noise moves real parameters"):
        salience.explain(net, FAR, Tensors(output="value"), samplers=["weight_noise"], n_samples=2)


@pytest.mark.parametrize("calculator", ["gradient", "occlusion"])
def test_a_complex_output_does_not_lose_its_imaginary_part(calculator: str) -> None:
    net = nn.Linear(3, 2, dtype=torch.complex64)
    x = torch.ones(2, 3)
    for output in ("class:0", lambda out: out[:, 1]):
        with pytest.raises(InputError, match="the output variable is complex"):
            salience.explain(lambda x: net(x * (1 + 0j)), x, Tensors(), calculator, output=output)
    found = salience.explain(
        lambda x: net(x * (1 + 0j)), x, Tensors(), output=lambda out: out[:, 0].abs()
    )
    assert found.values.abs().min() > 0


class Frequencies(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fourier = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.fourier(torch.fft.fft(x)).abs().sum(1)


@pytest.mark.parametrize("calculator", ["gradient", "occlusion"])
def test_a_complex_variable_inside_the_model_is_no_target(calculator: str) -> None:
    domain = Tensors(inner=("item", "frequency"), output="value")
    with pytest.raises(InputError, match="'fourier' is complex"):
        salience.explain(Frequencies(), torch.ones(2, 4), domain, calculator, target="fourier")
