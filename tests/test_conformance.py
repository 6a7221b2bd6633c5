"""Core's own parts pass the conformance kit."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import salience
from salience.plugins import host
from salience.testing import parametrize_checks
from salience.testing.examples import Padded, Ragged, examples

DENSE, PADDED, RAGGED = examples()


def moved(seed: int) -> nn.Module:
    """The dense example's model with other weights."""
    model: nn.Module = copy.deepcopy(DENSE.model)
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator).double()
    return model


class Normal:
    """A posterior: the weights with noise from torch's generator."""

    state = DENSE.model.state_dict()

    def sample(self) -> dict[str, Tensor]:
        return {name: value + torch.randn(()).double() for name, value in self.state.items()}


class Scaled(nn.Module):
    """The sum of scaled columns, through a hyperbolic tangent."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(3, 1).double()

    def forward(self, numeric: Tensor, scale: Tensor) -> Tensor:
        return torch.tanh(self.out(numeric * scale))


@parametrize_checks(salience.Tensors(output="value"), data=torch.randn(4, 3), model=nn.Linear(3, 1))
def test_tensors(check: Any) -> None:
    check()


@parametrize_checks(
    salience.Tensors(axes={"numeric": ("item", "column"), "scale": ("column",)}, output="value"),
    data={"numeric": np.random.default_rng(0).normal(size=(4, 3)), "scale": np.ones(3)},
    model=Scaled(),
)
def test_tensors_of_several_arguments(check: Any) -> None:
    check()


@parametrize_checks(Padded(), data=PADDED.data, model=PADDED.model)
def test_the_padded_example(check: Any) -> None:
    check()


@parametrize_checks(Ragged(), data=RAGGED.data, model=RAGGED.model)
def test_the_ragged_example(check: Any) -> None:
    check()


@parametrize_checks(salience.Gradient())
def test_gradient(check: Any) -> None:
    check()


@parametrize_checks(salience.Gradient(multiply_by_target=True))
def test_gradient_times_input(check: Any) -> None:
    check()


@parametrize_checks(salience.IntegratedGradients())
def test_integrated_gradients(check: Any) -> None:
    check()


@parametrize_checks(salience.IntegratedGradients(steps=8, baseline=0.3))
def test_integrated_gradients_of_eight_steps(check: Any) -> None:
    check()


@parametrize_checks(salience.Occlusion())
def test_occlusion(check: Any) -> None:
    check()


@parametrize_checks(salience.GaussianNoise())
def test_gaussian(check: Any) -> None:
    check()


@parametrize_checks(salience.GaussianNoise(antithetic=True, mode="absolute"))
def test_antithetic_gaussian(check: Any) -> None:
    check()


@parametrize_checks(salience.UniformNoise())
def test_uniform(check: Any) -> None:
    check()


@parametrize_checks(salience.MCDropout())
def test_mc_dropout(check: Any) -> None:
    check()


@parametrize_checks(salience.WeightNoise())
def test_weight_noise(check: Any) -> None:
    check()


@parametrize_checks(salience.Ensemble([moved(1), moved(2)]))
def test_ensemble(check: Any) -> None:
    check()


@parametrize_checks(salience.SWAG([moved(seed).state_dict() for seed in range(3)]))
def test_swag(check: Any) -> None:
    check()


@parametrize_checks(salience.Posterior(Normal()))
def test_posterior(check: Any) -> None:
    check()


@parametrize_checks(salience.Raw())
def test_raw(check: Any) -> None:
    check()


@parametrize_checks(salience.Abs())
def test_abs(check: Any) -> None:
    check()


@parametrize_checks(salience.Square())
def test_square(check: Any) -> None:
    check()


@parametrize_checks(salience.Sign())
def test_sign(check: Any) -> None:
    check()


@parametrize_checks(salience.MeanPlusStd())
def test_mean_plus_std(check: Any) -> None:
    check()


@parametrize_checks(salience.Variance())
def test_variance(check: Any) -> None:
    check()


@parametrize_checks(salience.SignalToNoise())
def test_signal_to_noise(check: Any) -> None:
    check()


@parametrize_checks(salience.Quantile())
def test_quantile(check: Any) -> None:
    check()


@parametrize_checks(salience.TopShare())
def test_top_share(check: Any) -> None:
    check()


@parametrize_checks(salience.Serial())
def test_serial(check: Any) -> None:
    check()


@parametrize_checks(salience.Threads([None, None]))
def test_threads(check: Any) -> None:
    check()


#: The tests above, by the name of the part that plugins bring under it.
CHECKED = {
    "domains": {"tensor"},
    "calculators": {"gradient", "integrated_gradients", "occlusion"},
    "samplers": {
        *("gaussian", "uniform", "mc_dropout"),
        *("ensemble", "swag", "weight_noise", "posterior"),
    },
    "aggregators": {
        *("raw", "abs", "square", "sign", "quantile"),
        *("mean_plus_std", "variance", "signal_to_noise", "top_share"),
    },
}


@pytest.mark.parametrize("kind", CHECKED)
def test_every_part_of_core_is_checked(kind: str) -> None:
    (core,) = [record for record in host().records if record.name == "core"]
    assert set(core.parts[kind]) == CHECKED[kind]
