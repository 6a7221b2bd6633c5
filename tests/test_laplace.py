"""A posterior from elsewhere: the Laplace approximation of laplace-torch takes part as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from laplace import Laplace
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import salience
from salience import Posterior, Tensors

DOMAIN = Tensors(output="value")


class Drawn:
    """What :class:`salience.Posterior` asks for, around a Laplace approximation."""

    def __init__(self, laplace: Any, model: nn.Module) -> None:
        self.laplace, self.model = laplace, model

    def sample(self) -> Mapping[str, Tensor]:
        flat = self.laplace.sample(1)[0]
        sizes = [parameter.numel() for parameter in self.model.parameters()]
        named = zip(self.model.named_parameters(), torch.split(flat, sizes), strict=True)
        return {name: values.reshape(old.shape) for (name, old), values in named}


@pytest.fixture
def fitted() -> tuple[nn.Module, Any]:
    """A linear model at its optimum, and its posterior, which is exactly normal."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        x = torch.randn(150, 3)
        y = x @ torch.tensor([[1.0], [0.0], [-2.0]]) + 0.5 * torch.randn(150, 1)
    model = nn.Sequential(nn.Linear(3, 1))
    solution = torch.linalg.lstsq(torch.cat([x, torch.ones(150, 1)], 1), y).solution[:, 0]
    with torch.no_grad():
        model[0].weight.copy_(solution[None, :3])
        model[0].bias.copy_(solution[3:])
    laplace = Laplace(
        model, "regression", subset_of_weights="all", hessian_structure="full", sigma_noise=0.5
    )
    laplace.fit(DataLoader(TensorDataset(x, y), batch_size=50))
    return model, laplace


def test_draws_of_saliency_have_the_spread_of_the_laplace_posterior(
    fitted: tuple[nn.Module, Any],
) -> None:
    model, laplace = fitted
    n = 2000
    kept = salience.Explainer(model, DOMAIN).compute(
        torch.ones(1, 3), samplers=[Posterior(Drawn(laplace, model))], n_samples=n
    )
    draws = kept.values[:, 0]
    expected = laplace.posterior_covariance[:3, :3]
    spread = expected.diag()
    error = ((spread[:, None] * spread + expected.square()) / n).sqrt()
    assert ((torch.cov(draws.T) - expected).abs() < 4 * error).all()
    assert ((draws.mean(0) - model[0].weight[0]).abs() < 4 * (spread / n).sqrt()).all()


def test_what_the_label_depends_on_is_significant_under_it(fitted: tuple[nn.Module, Any]) -> None:
    model, laplace = fitted
    found = salience.explain(
        model, torch.ones(2, 3), DOMAIN, samplers=[Posterior(Drawn(laplace, model))], n_samples=30
    )
    assert found.significant().tolist() == [[True, False, True]] * 2


def test_the_users_model_keeps_its_weights(fitted: tuple[nn.Module, Any]) -> None:
    model, laplace = fitted
    before = {name: value.clone() for name, value in model.state_dict().items()}
    salience.explain(
        model, torch.ones(2, 3), DOMAIN, samplers=[Posterior(Drawn(laplace, model))], n_samples=5
    )
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
