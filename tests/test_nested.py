"""Noise nested in draws of the parameters: where the variance comes from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import salience
from salience import (
    Aggregator,
    Ensemble,
    GaussianNoise,
    Gradient,
    InputError,
    MCDropout,
    Tensors,
    WeightNoise,
)

DOMAIN = Tensors(output="value")
OUTER, INNER = 3000, 8
WEIGHT, POINT = torch.tensor([1.0, -2.0]).double(), torch.tensor([[0.5, 3.0]]).double()
SIGMA_W, SIGMA_X = 0.7, 0.4


class Linear(nn.Module):
    """x · w."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(WEIGHT.clone())

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight


BOTH = [WeightNoise(SIGMA_W, "additive"), GaussianNoise(SIGMA_X, "absolute")]


def nested(n_samples: Any = (OUTER, INNER), **settings: Any) -> salience.Explanation:
    """Gradient times input of a linear model: w (x + ε)."""
    return salience.explain(
        Linear(), POINT, DOMAIN, Gradient(True), samplers=BOTH, n_samples=n_samples, **settings
    )


def test_the_parts_of_the_variance_meet_their_closed_forms() -> None:
    # Var_θ(E_ε[w (x + ε) | w]) = σ_w² x²;  E_θ(Var_ε[w (x + ε) | w]) = (w² + σ_w²) σ_x².
    found = nested()
    parts = {name: part[0] for name, part in found.variance_parts.items()}
    parameters = SIGMA_W**2 * POINT[0].square()
    noise = (WEIGHT.square() + SIGMA_W**2) * SIGMA_X**2
    # 2.58 standard errors of a variance of (nearly) normal draws; those of the variances within
    # differ from group to group with w², which adds to it: Var(w²) = 4 w² σ_w² + 2 σ_w⁴.
    means = parameters + noise / INNER
    assert ((parts["parameters"] - parameters).abs() < 2.58 * means * (2 / OUTER) ** 0.5).all()
    own = noise.square() * 2 / (INNER - 1)
    own += (4 * WEIGHT.square() * SIGMA_W**2 + 2 * SIGMA_W**4) * SIGMA_X**4 * 2
    assert ((parts["noise"] - noise).abs() < 2.58 * (own / OUTER).sqrt()).all()
    torch.testing.assert_close(parts["total"], parts["parameters"] + parts["noise"])


def test_the_standard_error_counts_draws_of_the_parameters() -> None:
    found = nested()
    variance = SIGMA_W**2 * POINT[0].square()
    variance += (WEIGHT.square() + SIGMA_W**2) * SIGMA_X**2 / INNER
    expected = (variance / OUTER).sqrt()
    assert ((found.std_error[0] / expected - 1).abs() < 2.58 / (2 * OUTER) ** 0.5).all()
    assert ((found.values[0] - WEIGHT * POINT[0]).abs() < 2.58 * expected).all()
    assert found.n_independent.tolist() == [OUTER]
    assert found.draws.tolist() == [OUTER * INNER] and found.n_samples == OUTER * INNER


@pytest.mark.parametrize("max_rows", [1, 3, 16, 64, "auto"])
def test_packing_does_not_show(max_rows: Any) -> None:
    by_one, packed = nested((5, 4), max_rows=1), nested((5, 4), max_rows=max_rows)
    for what in ("values", "std_error"):
        torch.testing.assert_close(getattr(packed, what), getattr(by_one, what))
    for name, part in by_one.variance_parts.items():
        torch.testing.assert_close(packed.variance_parts[name], part)


def test_all_the_draws_of_a_group_share_their_parameters_and_not_their_noise() -> None:
    explainer = salience.Explainer(Linear(), DOMAIN)
    plain, both = (
        explainer.compute(POINT, Gradient(times), samplers=BOTH, n_samples=(3, 4)).values[:, 0]
        for times in (False, True)
    )
    weights = plain.reshape(3, 4, 2)
    assert (weights == weights[:, :1]).all()
    assert len(weights[:, 0, 0].unique()) == 3
    moved = (both / plain)[:, 0]
    assert len(moved.unique()) == 12


def test_kept_draws_have_the_same_parts() -> None:
    explainer = salience.Explainer(Linear(), DOMAIN)
    kept = explainer.compute(POINT, Gradient(True), samplers=BOTH, n_samples=(6, 5))
    found, streamed = explainer.aggregate(kept), nested((6, 5))
    torch.testing.assert_close(found.std_error, streamed.std_error)
    groups = kept.values[:, 0].reshape(6, 5, 2)
    within = groups.var(1).mean(0)
    for one in (found, streamed):
        torch.testing.assert_close(one.variance_parts["noise"][0], within)
        between = groups.mean(1).var(0) - within / 5
        torch.testing.assert_close(one.variance_parts["parameters"][0], between)


def test_dropout_masks_are_parameters_too(graphs: Any) -> None:
    ragged, padded = graphs.models(p=0.5)
    samplers = [MCDropout(), GaussianNoise(0.05)]
    data, settings = list(graphs.data), {"samplers": samplers, "n_samples": (4, 3)}
    one = salience.explain(ragged, data, graphs.ragged(), **settings)
    other = salience.explain(padded, data, graphs.padded(), **settings)
    for name, part in one.variance_parts.items():
        for a, b in zip(part, other.variance_parts[name], strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


def test_parts_are_saved_and_run_again(tmp_path: Path) -> None:
    found = nested((4, 3))
    found.save(tmp_path / "run.salience")
    loaded = salience.Explanation.load(tmp_path / "run.salience")
    again = salience.rerun(Linear(), POINT, loaded.provenance)
    for one in (loaded, again, found.item(0)):
        assert torch.equal(one.n_independent, found.n_independent)
        for name, part in found.variance_parts.items():
            assert torch.equal(one.variance_parts[name], part)


REFUSED: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "noise alone": ({"samplers": ["gaussian"]}, ("sampler of each",)),
    "parameters alone": ({"samplers": ["weight_noise"]}, ("sampler of each",)),
    "one draw of the parameters": ({"n_samples": (1, 8)}, ("(1, 8)", "2 draws")),
    "one draw of noise": ({"n_samples": (8, 1)}, ("(8, 1)", "2 draws")),
    "three numbers": ({"n_samples": (8, 2, 2)}, ("(8, 2, 2)", "a pair")),
    "half a draw": ({"n_samples": (8, 2.5)}, ("a pair",)),
    "spread": ({"aggregator": "variance"}, ("Variance", "nested", "'raw'")),
    "a quantile": ({"aggregator": "quantile"}, ("Quantile", "nested")),
    "antithetic": (
        {"samplers": ["weight_noise", "gaussian:antithetic=True"]},
        ("antithetic", "leave"),
    ),
    "more than the ensemble": (
        {"samplers": [Ensemble([Linear(), Linear()]), "gaussian"]},
        ("2 draws of weights", "asks for 4"),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_nested_is_refused(name: str) -> None:
    changes, words = REFUSED[name]
    settings: dict[str, Any] = {"samplers": BOTH, "n_samples": (4, 4)} | changes
    with pytest.raises(InputError) as caught:
        salience.explain(Linear(), POINT, DOMAIN, **settings)
    for word in words:
        assert word in str(caught.value)


def test_only_nested_draws_have_parts() -> None:
    with pytest.raises(InputError, match="nested"):
        _ = nested(4).variance_parts


@dataclass(frozen=True)
class Last:
    """A state that knows of nothing but the last draw."""

    value: Tensor | None = None

    def add(self, draw: Tensor) -> Last:
        return Last(draw.clone())


@dataclass(frozen=True)
class LastDraw(Aggregator):
    """An aggregator with a state of its own, such as authors of plugins write."""

    def init(self, group: int = 1) -> Last:
        return Last()

    def finalize(self, state: Last) -> tuple[Tensor, Tensor]:
        assert state.value is not None
        return state.value, torch.full_like(state.value, torch.nan)


def test_nested_draws_are_served_by_a_state_that_knows_no_parts() -> None:
    explainer = salience.Explainer(Linear(), DOMAIN)
    settings: dict[str, Any] = {
        "samplers": [WeightNoise(), GaussianNoise()],
        "n_samples": (3, 4),
    }
    found = explainer.explain(POINT, aggregator=LastDraw(), **settings)
    draws = explainer.compute(POINT, **settings).draws["input"]
    assert torch.equal(found.values, draws[-1])
    with pytest.raises(InputError, match="aggregated by means"):
        _ = found.variance_parts
