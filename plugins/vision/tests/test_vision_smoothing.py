"""Smoothed maps, sums of blocks and maps of layers say what they are and keep their places."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import salience
from salience import Explanation, InputError
from salience_vision import Overlay
from salience_vision.pictures.smoothing import Smoothing, spread

GENERATOR = np.random.default_rng(0)


def made(values: torch.Tensor, size: tuple[int, int] = (20, 26)) -> Explanation:
    data = torch.rand(len(values), 3, *size, generator=torch.Generator().manual_seed(0))
    return Explanation.from_arrays(values, data, "vision", std_error=values.abs(), n_samples=9)


def notes(figure: object) -> str:
    return " ".join(" ".join(t.get_text().split()) for t in figure.texts)  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", ["gaussian:0.7", "gaussian:3", "blocks:1", "blocks:6"])
def test_smoothing_keeps_the_sum_and_the_shape(text: str) -> None:
    values = GENERATOR.normal(size=(21, 34))
    smoothing = Smoothing.of(text)
    assert smoothing is not None
    found = smoothing(values)
    assert found.shape == values.shape
    if smoothing.kind == "gaussian":
        assert found.sum() == pytest.approx(values.sum(), rel=1e-10)
    else:
        side = int(smoothing.size)
        for row in range(0, 21, side):
            for column in range(0, 34, side):
                block = np.s_[row : row + side, column : column + side]
                assert np.allclose(found[block], values[block].sum(), rtol=1e-12)


@pytest.mark.parametrize(
    "text", ["", "gaussian", "gaussian:0", "gaussian:-1", "gaussian:nan", "blocks:2.5", "box:3"]
)
def test_wrong_smoothing_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="gaussian:3"):
        Overlay(smooth=text)


def test_smoothed_maps_say_so_and_are_not_hatched() -> None:
    values = torch.randn(1, 20, 26)
    figure = Overlay(smooth="blocks:8").item(made(values), 0)
    assert "sums of blocks of 8 × 8 places" in notes(figure)
    assert "hatched" not in notes(figure) and len(figure.axes[0].images) == 2
    assert "hatched" in notes(Overlay().item(made(values), 0))
    said = notes(Overlay(smooth="gaussian:2").grid({"a": made(values), "b": made(values)}, [0]))
    assert said.count("smoothed by a Gaussian, σ = 2 places") == 1


def test_blocks_by_option_equal_blocks_pooled_place_by_place() -> None:
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.Tanh(), torch.nn.Flatten(), torch.nn.LazyLinear(2)
    ).double()
    data = torch.randn(1, 3, 20, 26, dtype=torch.float64)
    net(data)
    plain = salience.explain(net, data, "vision")
    pooled = salience.explain(net, data, "vision", pool=salience.Blocks(8))
    assert pooled.values.shape == (1, 3, 4)  # the last blocks are cut
    drawn = [
        np.asarray(figure.axes[0].images[1].get_array())
        for figure in (
            Overlay(smooth="blocks:8", scaler="identity", percentile=100).item(plain, 0),
            Overlay(scaler="identity", percentile=100).item(pooled, 0),
        )
    ]
    assert np.allclose(*drawn, rtol=1e-9, atol=1e-12)
    assert np.array_equal(drawn[1], spread(pooled.values[0].numpy(), (8, 8), (20, 26)))


def test_maps_of_layers_say_that_they_are_upsampled() -> None:
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3, 4), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.LazyLinear(2)
    )
    data = torch.randn(1, 3, 20, 26)
    net(data)
    found = salience.explain(net, data, "vision", target="0")
    assert found.values.shape == (1, 5, 6)
    figure = Overlay().item(found, 0)
    assert figure.axes[0].images[1].get_array().shape == (20, 26)
    assert "upsampled from 5 × 6 places" in notes(figure)


def test_shares_of_draws_are_not_smoothed() -> None:
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 2))
    found = salience.explain(
        net,
        torch.randn(1, 3, 4, 4),
        "vision",
        samplers=["gaussian"],
        n_samples=3,
        aggregator="top_share",
    )
    with pytest.raises(InputError, match="not smoothed"):
        found.visualize(0, smooth="gaussian:1")
