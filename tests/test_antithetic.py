"""Antithetic pairs: what depends on the noise linearly cancels, and errors say so."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor

import salience
from salience import GaussianNoise, InputError, Tensors, UniformNoise, Until

DOMAIN = Tensors(output="value")
X = torch.tensor([[0.4, -0.7]]).double()
RUNS, DRAWS, SIGMA = 1000, 32, 0.5
KINDS = [GaussianNoise, UniformNoise]


def cubic(x: Tensor) -> Tensor:
    """Σ x³ / 3, whose gradient x² has under noise n the mean x² + Var n."""
    return (x.pow(3) / 3).sum(1)


def explained(noise: Any, model: Any = cubic, n_items: int = 1, **settings: Any) -> Any:
    data = X.expand(n_items, 2)
    settings = {"n_samples": DRAWS} | settings
    return salience.explain(model, data, DOMAIN, samplers=[noise], **settings)


@pytest.mark.parametrize("kind", KINDS)
def test_draws_of_a_pair_mirror_each_other(kind: Any) -> None:
    noise = kind(SIGMA, "absolute", antithetic=True)
    seen: list[Tensor] = []

    def watching(x: Tensor) -> Tensor:
        seen.append(x.detach().clone())
        return cubic(x)

    explained(noise, watching, max_rows=2, n_samples=4)
    first, second = [rows for rows in seen if len(rows) == 2][-2:]
    for pair in (first, second):
        torch.testing.assert_close(pair.mean(0, keepdim=True), X)
        assert (pair[0] != pair[1]).all()
    assert not torch.equal(first, second)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_linear_in_the_noise_has_no_error(kind: Any) -> None:
    found = explained(kind(SIGMA, "absolute", antithetic=True), lambda x: x.square().sum(1))
    torch.testing.assert_close(found.values, 2 * X, rtol=1e-14, atol=1e-14)
    assert (found.std_error < 1e-15).all()
    assert (explained(kind(SIGMA, "absolute"), lambda x: x.square().sum(1)).std_error > 0.05).all()


def test_intervals_cover_the_truth_by_pairs() -> None:
    draws = 200
    noise = GaussianNoise(SIGMA, "absolute", antithetic=True)
    found = explained(noise, n_items=RUNS, n_samples=draws)
    assert (found.n_independent == draws // 2).all() and (found.draws == draws).all()
    truth = X.square() + SIGMA**2
    # Var of a pair's mean, x² + n² without the 2 x n: Var(n²) = 2 σ⁴.
    expected = (2 * SIGMA**4 / (draws / 2)) ** 0.5
    assert found.std_error.square().mean().sqrt().item() == pytest.approx(expected, rel=0.05)
    low, high = found.confidence_interval(0.95)
    inside = ((low <= truth) & (truth <= high)).double().mean()
    width = stats.t.ppf(0.975, draws // 2 - 1) * found.std_error
    torch.testing.assert_close(high - low, 2 * width)
    assert 0.92 <= float(inside) <= 0.97


def test_kept_draws_know_their_pairs() -> None:
    noise = GaussianNoise(SIGMA, antithetic=True)
    explainer = salience.Explainer(cubic, DOMAIN)
    kept = explainer.compute(X, samplers=[noise], n_samples=DRAWS)
    for aggregator in ("raw", "abs", "square"):
        found, streamed = (
            explainer.aggregate(kept, aggregator),
            explained(noise, aggregator=aggregator),
        )
        torch.testing.assert_close(found.std_error, streamed.std_error)
        torch.testing.assert_close(found.values, streamed.values)
    by_hand = kept.values.reshape(DRAWS // 2, 2, 1, 2).mean(1).std(0) / (DRAWS / 2) ** 0.5
    torch.testing.assert_close(explainer.aggregate(kept).std_error, by_hand)


def test_until_looks_after_whole_pairs() -> None:
    found = explained(GaussianNoise(SIGMA, antithetic=True), n_samples=Until(0.2, min=3, max=9))
    assert found.draws.item() % 2 == 0 and 4 <= found.draws.item() <= 10


def test_dropout_and_pairs_are_drawn_together() -> None:
    model = torch.nn.Sequential(torch.nn.Dropout(0.5), torch.nn.Linear(2, 1)).double()
    samplers = ["mc_dropout", GaussianNoise(antithetic=True)]
    found = salience.explain(model, X, DOMAIN, samplers=samplers, n_samples=6)
    assert found.n_independent.tolist() == [3]
    for max_rows in (1, 3, 4, "auto"):
        explainer = salience.Explainer(model, DOMAIN, max_rows=max_rows)
        draws = explainer.compute(X, samplers=samplers, n_samples=6).values
        # The gradient of a linear model depends on the masks only, which a pair shares.
        assert torch.equal(draws[0::2], draws[1::2])


@pytest.mark.parametrize("max_rows", [1, 3, "auto"])
def test_what_is_linear_in_the_noise_cancels_under_each_draw_of_weights(max_rows: Any) -> None:
    class Scaled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.tensor([1.0, -2.0]).double())

        def forward(self, x: Tensor) -> Tensor:
            return x.square() @ self.weight

    def drawn(samplers: list[Any], n_samples: int) -> Any:
        settings: dict[str, Any] = {"samplers": samplers, "n_samples": n_samples, "seed": 5}
        return salience.explain(Scaled(), X, DOMAIN, max_rows=max_rows, **settings)

    pairs = drawn(["weight_noise", GaussianNoise(SIGMA, antithetic=True)], 16)
    weights = drawn(["weight_noise"], 8)
    torch.testing.assert_close(pairs.values, weights.values, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(pairs.std_error, weights.std_error, rtol=1e-12, atol=1e-12)


def test_an_ensemble_has_a_member_for_each_pair() -> None:
    members = [torch.nn.Linear(2, 1).double() for _ in range(3)]
    noise = GaussianNoise(antithetic=True)
    settings: dict[str, Any] = {"samplers": [salience.Ensemble(members), noise]}
    assert salience.explain(
        members[0], X, DOMAIN, n_samples=6, **settings
    ).n_independent.tolist() == [3]
    with pytest.raises(InputError, match="pass 6 or fewer"):
        salience.explain(members[0], X, DOMAIN, n_samples=8, **settings)


@pytest.mark.parametrize("aggregator", ["variance", "mean_plus_std", "signal_to_noise", "quantile"])
def test_aggregators_of_single_draws_refuse_pairs(aggregator: str) -> None:
    noise = GaussianNoise(antithetic=True)
    with pytest.raises(InputError, match="antithetic"):
        explained(noise, aggregator=aggregator)
    explainer = salience.Explainer(cubic, DOMAIN)
    with pytest.raises(InputError, match="antithetic"):
        explainer.aggregate(explainer.compute(X, samplers=[noise], n_samples=4), aggregator)


def test_an_odd_number_of_draws_is_refused() -> None:
    with pytest.raises(InputError, match="even"):
        explained(GaussianNoise(antithetic=True), n_samples=5)
