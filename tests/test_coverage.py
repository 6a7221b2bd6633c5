"""Standard errors mean what they say: intervals made of them cover the truth as often as stated."""

from __future__ import annotations

import pytest
import torch
from scipy import stats
from torch import Tensor, nn

import salience

RUNS = 1000
DRAWS = 32


class Quadratic(nn.Module):
    """½ xᵀ A x + Σ xᵢ³ / 3; under noise N(0, σ²) its gradient has the mean A x + x² + σ²."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("a", torch.tensor([[2.0, -1.0], [-1.0, 3.0]], dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return 0.5 * ((x @ self.a) * x).sum(1) + x.pow(3).sum(1) / 3


def covered(values: Tensor, errors: Tensor, truth: Tensor) -> float:
    width = stats.t.ppf(0.975, DRAWS - 1)
    return float(((values - truth).abs() <= width * errors).double().mean())


def test_intervals_of_smoothgrad_cover_the_closed_form_in_93_to_97_percent() -> None:
    sigma = 0.3
    x = torch.tensor([[0.4, -0.7]], dtype=torch.float64).expand(RUNS, 2)
    # Each item draws for itself, so that a thousand items are a thousand runs.
    found = salience.explain(
        Quadratic(),
        x,
        "tensor",
        output="value",
        samplers=[salience.GaussianNoise(sigma, "absolute")],
        n_samples=DRAWS,
    )
    truth = x @ Quadratic().a + x.square() + sigma**2
    assert 0.93 <= covered(found.values, found.std_error, truth) <= 0.97


@pytest.mark.parametrize("seed", [0, 1])
def test_intervals_of_bayesgrad_cover_the_closed_form_in_93_to_97_percent(seed: int) -> None:
    # Gradient wᵢ · mask / (1 − p), summed over many dropped inputs, so that it is nearly normal.
    linear = nn.Linear(64, 1, bias=False, dtype=torch.float64)
    spread = nn.Linear(1, 64, bias=False, dtype=torch.float64)
    with torch.no_grad():
        linear.weight.copy_(torch.linspace(0.5, 1.5, 64)[None])
        spread.weight.fill_(1.0)
    model = nn.Sequential(spread, nn.Dropout(0.25), linear)
    found = salience.explain(
        model,
        torch.ones(RUNS, 1, dtype=torch.float64),
        "tensor",
        output="value",
        samplers=["mc_dropout"],
        n_samples=DRAWS,
        seed=seed,
    )
    truth = linear.weight.sum()
    assert 0.93 <= covered(found.values, found.std_error, truth) <= 0.97


def test_large_gradients_in_float32_have_the_variance_of_float64() -> None:
    weights = torch.tensor([1e4, -3e4, 2.5e4])
    x = torch.linspace(0.1, 1, 30).reshape(10, 3)

    def steep(x: Tensor) -> Tensor:
        return (weights.to(x) * x + 0.5 * x.square()).sum(1)

    noise = salience.GaussianNoise(1.0, "absolute")
    runs = {
        dtype: salience.explain(
            steep, x.to(dtype), "tensor", output="value", samplers=[noise], n_samples=400
        )
        for dtype in (torch.float32, torch.float64)
    }
    single, double = (runs[dtype].std_error.double().square() for dtype in runs)
    assert (single >= 0).all()
    torch.testing.assert_close(single, double, rtol=0.01, atol=0)
