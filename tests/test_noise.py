"""Noise samplers: distributions, scales, chosen positions, ragged and padded data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

import salience
from salience import GaussianNoise, InputError, NoiseSampler, Tensors, UniformNoise, VariableDraw

X = torch.linspace(-1, 2, 6 * 4).reshape(6, 4).double()
KINDS = [GaussianNoise, UniformNoise]


@dataclass(frozen=True)
class Seen(NoiseSampler):
    """Another sampler, with the noise that it added kept."""

    inner: NoiseSampler
    noise: list[Tensor] = field(default_factory=list)

    def __call__(self, x: Tensor, draw: VariableDraw) -> Tensor:
        moved = self.inner(x, draw)
        self.noise.append(moved - x)
        return moved


def noise_of(sampler: NoiseSampler, x: Tensor = X, n_samples: int = 500) -> Tensor:
    """Shape (M, B, …)."""
    seen = Seen(sampler)
    domain = Tensors(output="value") if x.ndim == 2 else Tensors(("item", "a", "b"), output="value")
    salience.explain(lambda x: x.flatten(1).sum(1), x, domain, samplers=[seen], n_samples=n_samples)
    return torch.cat([n.reshape(-1, *x.shape) for n in seen.noise])


def test_uniform_noise_is_uniform_within_its_bounds() -> None:
    noise = noise_of(UniformNoise(0.5, "absolute")).flatten().numpy()
    assert np.abs(noise).max() < 0.5
    assert stats.kstest(noise, stats.uniform(-0.5, 1).cdf).pvalue > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_each_feature_may_have_a_scale_of_its_own(kind: Any) -> None:
    scale = torch.tensor([0.0, 0.5, 1.0, 2.0]).double()
    noise = noise_of(kind(scale, "absolute"))
    unit = noise_of(kind(1.0, "absolute"))
    torch.testing.assert_close(noise, unit * scale, rtol=1e-9, atol=1e-12)
    assert (noise[..., 0] == 0).all()
    listed = noise_of(kind([0.0, 0.5, 1.0, 2.0], "absolute"))
    torch.testing.assert_close(listed, noise, rtol=1e-12, atol=1e-14)
    fraction = noise_of(kind(0.1, "absolute"))
    torch.testing.assert_close(fraction, unit * 0.1, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["relative", "absolute"])
def test_only_chosen_features_move(kind: Any, mode: str) -> None:
    only = [True, False, False, True]
    noise = noise_of(kind(0.3, mode, only))
    assert (noise[..., 1:3] == 0).all()
    torch.testing.assert_close(noise[..., 0], noise_of(kind(0.3, mode))[..., 0])


def test_scales_and_masks_broadcast_over_several_axes() -> None:
    x = torch.randn(3, 2, 5).double()
    noise = noise_of(GaussianNoise(torch.tensor([[0.0], [1.0]]), "absolute"), x)
    assert (noise[:, :, 0] == 0).all()
    assert abs(float(noise[:, :, 1].std()) - 1) < 0.05


def test_on_graphs_scale_and_range_are_per_item(graphs: Any) -> None:
    domain = graphs.ragged(target="embed")
    data = [graphs.graph((1,) * n, ()) for n in (1, 3, 2)]
    seen = Seen(UniformNoise(0.1))
    salience.explain(graphs.models()[0], data, domain, samplers=[seen], n_samples=50)
    assert torch.cat(seen.noise).abs().max() > 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scale": -0.1}, "number from 0"),
        ({"scale": float("nan")}, "number from 0"),
        ({"scale": [0.1, -0.1]}, "number from 0"),
        ({"scale": "wide"}, "no number"),
        ({"mode": "loud"}, "neither"),
        ({"only": [1, 0]}, "True where"),
    ],
)
def test_settings_that_make_no_sense_are_refused(
    kind: Any, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        kind(**settings)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("settings", [{"scale": [1.0, 2.0]}, {"only": [True, False]}])
def test_what_does_not_broadcast_is_refused_with_its_shape(
    kind: Any, settings: dict[str, Any]
) -> None:
    with pytest.raises(InputError, match=r"shape \(2,\), expected .* \(4,\)"):
        noise_of(kind(**settings))


def test_a_scale_from_data_is_in_the_record() -> None:
    found = salience.explain(
        lambda x: x.sum(1), X, Tensors(output="value"), samplers=["uniform:scale=[0.1,0.2,0,1]"]
    )
    assert found.provenance["samplers"][0]["scale"] == [0.1, 0.2, 0, 1]
