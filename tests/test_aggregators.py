"""Aggregators of spread: closed forms, and standard errors that mean what they say."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor

import salience
from salience import (
    GaussianNoise,
    InputError,
    MeanPlusStd,
    Quantile,
    SignalToNoise,
    Tensors,
    Variance,
)

RUNS, DRAWS, SIGMA = 1000, 40, 0.5
DOMAIN = Tensors(output="value")


def squares(x: Tensor) -> Tensor:
    """Σ a x² / 2: under noise N(0, σ²) its gradient is N(a x, a² σ²)."""
    return (torch.tensor([2.0, -3.0]).double() * x.square() / 2).sum(1)


X = torch.tensor([[1.0, 0.25]]).double()
MEAN = torch.tensor([2.0, -0.75]).double()
STD = torch.tensor([2.0, 3.0]).double() * SIGMA

EXPECTED: dict[str, tuple[salience.Aggregator, Tensor]] = {
    "mean + std": (MeanPlusStd(), MEAN + STD),
    "mean - 2 std": (MeanPlusStd(-2.0), MEAN - 2 * STD),
    "variance": (Variance(), STD.square()),
    "signal to noise": (SignalToNoise(), MEAN / STD),
}


def explained(aggregator: Any, n_items: int, n_samples: int = DRAWS) -> salience.Explanation:
    noise = GaussianNoise(SIGMA, "absolute")
    data = X.expand(n_items, 2)
    settings: dict[str, Any] = {"samplers": [noise], "n_samples": n_samples}
    return salience.explain(squares, data, DOMAIN, aggregator=aggregator, **settings)


@pytest.mark.parametrize("kind", EXPECTED)
def test_many_draws_meet_the_closed_form(kind: str) -> None:
    aggregator, expected = EXPECTED[kind]
    found = explained(aggregator, 1, n_samples=20_000)
    assert ((found.values[0] - expected).abs() < 4 * found.std_error[0]).all()
    assert (found.std_error[0] < 0.05 * STD.square().max()).all()


@pytest.mark.parametrize("kind", EXPECTED)
def test_intervals_cover_the_truth_as_often_as_they_say(kind: str) -> None:
    # Items have the same numbers and noise of their own: each is a run.
    aggregator, expected = EXPECTED[kind]
    found = explained(aggregator, RUNS)
    width = stats.t.ppf(0.975, DRAWS - 1)
    inside = (found.values - expected).abs() <= width * found.std_error
    # A variance is not quite normal at 40 draws.
    assert 0.91 < float(inside.double().mean()) < 0.97


def test_the_spread_of_kept_draws_is_that_of_streamed_ones() -> None:
    explainer = salience.Explainer(squares, DOMAIN)
    settings: dict[str, Any] = {"samplers": ["gaussian:scale=0.3"], "n_samples": 7}
    kept = explainer.compute(X.expand(5, 2), **settings)
    draws = kept.draws["input"]
    by_hand = draws.mean(0) + 1.5 * draws.std(0)
    for found in (
        explainer.aggregate(kept, "mean_plus_std:factor=1.5"),
        explainer.explain(X.expand(5, 2), aggregator="mean_plus_std:factor=1.5", **settings),
    ):
        torch.testing.assert_close(found.values, by_hand, rtol=1e-12, atol=1e-14)


def test_draws_that_agree_have_a_finite_signal_to_noise() -> None:
    found = salience.explain(
        lambda x: 3 * x[:, 0], X, DOMAIN, samplers=["gaussian"], n_samples=3,
        aggregator="signal_to_noise",
    )  # fmt: skip
    assert found.values[0, 0] > 1e100
    assert found.values[0, 1] == 0
    assert found.values.isfinite().all()


@pytest.mark.parametrize("aggregator", ["variance", "mean_plus_std", "signal_to_noise"])
def test_a_single_draw_has_no_spread(aggregator: str) -> None:
    calls = []

    def model(x: Tensor) -> Tensor:
        calls.append(1)
        return squares(x)

    for settings in ({}, {"samplers": ["gaussian"]}):
        with pytest.raises(InputError, match="needs 2 of them"):
            salience.explain(model, X, DOMAIN, aggregator=aggregator, **settings)
    explainer = salience.Explainer(squares, DOMAIN)
    with pytest.raises(InputError, match="needs 2 of them"):
        explainer.aggregate(explainer.compute(X), aggregator)
    assert not calls


@pytest.mark.parametrize("factor", [float("nan"), float("inf"), -1e308])
def test_a_factor_whose_square_is_no_number_is_refused(factor: float) -> None:
    with pytest.raises(InputError, match="finite|of a size below 1e"):
        MeanPlusStd(factor)


# --- Quantiles and signs -------------------------------------------------------------------------


@pytest.mark.parametrize("q", [0.05, 0.5, 0.9])
def test_quantiles_meet_their_closed_form(q: float) -> None:
    found = explained(Quantile(q), 1, n_samples=20_000)
    expected = MEAN + STD * stats.norm.ppf(q)
    assert ((found.values[0] - expected).abs() < 4 * found.std_error[0]).all()
    density = stats.norm.pdf(stats.norm.ppf(q)) / STD
    asymptotic = (q * (1 - q) / 20_000) ** 0.5 / density
    torch.testing.assert_close(found.std_error[0], asymptotic, rtol=0.2, atol=0)


def test_the_median_is_that_of_the_kept_draws() -> None:
    explainer = salience.Explainer(squares, DOMAIN)
    kept = explainer.compute(X.expand(5, 2), samplers=["gaussian"], n_samples=10)
    for q in (0.0, 0.3, 0.5, 1.0):
        found = explainer.aggregate(kept, Quantile(q))
        torch.testing.assert_close(found.values, kept.draws["input"].quantile(q, 0))


def test_intervals_of_the_median_cover_the_truth() -> None:
    found = explained(Quantile(), RUNS)
    width = stats.t.ppf(0.975, DRAWS - 1)
    inside = (found.values - MEAN).abs() <= width * found.std_error
    # At 40 draws the distance of two of them is a rough measure.
    assert 0.90 < float(inside.double().mean()) < 0.97


def test_the_mean_sign_is_how_stable_the_sign_is() -> None:
    found = explained("sign", 1, n_samples=20_000)
    expected = torch.from_numpy(2 * stats.norm.cdf((MEAN / STD).numpy()) - 1)
    assert ((found.values[0] - expected).abs() < 4 * found.std_error[0]).all()
    # The sign is that of the sum over channels, not of each of them.
    domain = Tensors(("item", "channel"), reduce=("channel",), output="value")
    explainer = salience.Explainer(squares, domain)
    kept = explainer.compute(X, samplers=[GaussianNoise(SIGMA, "absolute")], n_samples=50)
    expected = kept.values.sum(-1).sign().mean(0)
    assert expected != kept.values.sign().sum(-1).mean(0)
    torch.testing.assert_close(explainer.aggregate(kept, "sign").values, expected)


def test_a_few_draws_that_agree_leave_the_sign_unsure() -> None:
    found = salience.explain(
        lambda x: x.sum(1), X, DOMAIN, samplers=["gaussian"], n_samples=8, aggregator="sign"
    )
    assert (found.values == 1).all()
    # Ten draws of mean 0.8, variance 3.6 / 9.
    torch.testing.assert_close(found.std_error, torch.full((1, 2), (3.6 / 9 / 10) ** 0.5).double())


@pytest.mark.parametrize(("q", "n_samples"), [(0.0, 40), (1.0, 40), (0.01, 40), (0.99, 5)])
def test_quantiles_too_far_out_for_the_draws_have_no_error(q: float, n_samples: int) -> None:
    assert explained(Quantile(q), 1, n_samples).std_error.isnan().all()


@pytest.mark.parametrize("q", [-0.1, 1.1, "half"])
def test_a_quantile_beyond_the_draws_is_refused(q: Any) -> None:
    with pytest.raises(InputError, match="q="):
        Quantile(q)
