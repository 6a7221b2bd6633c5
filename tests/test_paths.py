"""Integrated gradients takes as many points as each path needs, and knows when it has converged."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import salience
from salience import InputError, IntegratedGradients, Tensors
from salience.results.files.storage import _upgrade

DOMAIN = Tensors(output="value")
FIXED = IntegratedGradients(steps=32)


def smooth() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1)).double()


def kinked() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        *(nn.Linear(4, 24, bias=False), nn.LayerNorm(24), nn.ReLU()),
        *(nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 1)),
    ).double()


def rows(n: int = 7) -> Tensor:
    return torch.randn(n, 4, generator=torch.Generator().manual_seed(1)).double()


@pytest.mark.parametrize("max_rows", [1, 3, 40, "auto"])
def test_a_smooth_path_stops_at_the_first_look_to_the_bit(max_rows: Any) -> None:
    explainer = salience.Explainer(smooth(), DOMAIN, max_rows=max_rows)
    found, fixed = (
        explainer.explain(rows(), "integrated_gradients"),
        explainer.explain(rows(), FIXED),
    )
    assert torch.equal(found.values, fixed.values)
    assert found.n_points.tolist() == fixed.n_points.tolist() == [32] * 7
    assert found.converged.all() and fixed.converged.all()


def hinge(x: Tensor) -> Tensor:
    """Σ max(0, x − c) · slope: a kink of each feature at a place of its own on the path."""
    at = torch.tensor([0.013, 0.31, 0.5009, 0.97]).to(x) * torch.tensor([1.0, 2.0, 3.0, 4.0]).to(x)
    return ((x - at).clamp(min=0) * torch.tensor([50.0, 1.0, 4.0, 20.0]).to(x)).sum(1)


def test_kinks_are_found_and_the_points_gather_there() -> None:
    x = torch.tensor([[1.0, 2.0, 3.0, 4.0]]).double()
    truth = torch.tensor([[50 * 0.987, 2 * 0.69, 12 * 0.4991, 80 * 0.03]]).double()
    errors = []
    for rtol in (0.05, 0.005, 0.0005):
        found = salience.explain(hinge, x, DOMAIN, IntegratedGradients(rtol=rtol))
        assert found.converged.all() and int(found.n_points) <= 70
        errors.append(float((found.values - truth).abs().sum() / truth.sum()))
        assert errors[-1] <= 2 * rtol
        torch.testing.assert_close(found.values.sum(1), found.delta, rtol=rtol, atol=0)
    assert errors[2] < errors[0] / 5
    plain = salience.explain(hinge, x, DOMAIN, IntegratedGradients(steps=64))
    assert float((plain.values - truth).abs().sum() / truth.sum()) > 5 * errors[2]


@pytest.mark.parametrize("max_rows", [1, 2, 5, 40, "auto"])
def test_points_do_not_depend_on_the_size_of_a_pass(max_rows: Any) -> None:
    whole = salience.explain(kinked(), rows(), DOMAIN, "integrated_gradients", max_rows=1000)
    found = salience.explain(kinked(), rows(), DOMAIN, "integrated_gradients", max_rows=max_rows)
    assert whole.n_points.max() > 32 and whole.converged.all()
    assert found.n_points.tolist() == whole.n_points.tolist()
    torch.testing.assert_close(found.values, whole.values, rtol=1e-10, atol=1e-12)


def test_against_a_fine_reference() -> None:
    net, x = kinked(), rows(20)
    found = salience.explain(net, x, DOMAIN, "integrated_gradients")
    fine = salience.explain(net, x, DOMAIN, IntegratedGradients(rtol=1e-4, max_steps=4000))
    midpoints = salience.explain(net, x, DOMAIN, IntegratedGradients(steps=10_000, rule="midpoint"))
    torch.testing.assert_close(fine.values, midpoints.values, rtol=0, atol=3e-3)
    off = (found.values - fine.values).norm(dim=1) / fine.values.norm(dim=1)
    assert off.median() < 0.05
    plain = salience.explain(net, x, DOMAIN, FIXED)
    gap, before = ((e.completeness_gap / e.delta.abs()).median() for e in (found, plain))
    assert gap < 0.05 < before


def jump(x: Tensor) -> Tensor:
    return (x.sum(1) > 0.4).to(x.dtype) + 0.1 * x.sum(1)


def test_a_jump_never_converges_and_is_told_once(shown: Any) -> None:
    explainer = salience.Explainer(jump, DOMAIN)
    made: list[Any] = []

    def run() -> None:
        made.append(explainer.explain(torch.ones(3, 4).double(), "integrated_gradients"))

    (sentence,) = shown(run)
    assert "has not converged" in sentence and shown(run) == []
    assert not made[0].converged.any() and made[0].provenance["notices"] == [sentence]
    assert made[0].n_points.max() < 64  # a segment of no width is not cut again


def test_a_fixed_number_of_steps_that_misses_is_told_once(shown: Any) -> None:
    explainer = salience.Explainer(kinked(), DOMAIN)
    calculator = IntegratedGradients(steps=8)
    (sentence,) = shown(lambda: explainer.explain(rows(), calculator))
    assert "with steps=8" in sentence and "steps='auto'" in sentence
    assert shown(lambda: explainer.explain(rows(), calculator)) == []
    found = explainer.explain(rows(), calculator)
    assert not found.converged.all() and found.n_points.tolist() == [8] * 7
    assert shown(lambda: salience.explain(smooth(), rows(), DOMAIN, calculator)) == []


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_function_that_does_not_change_converges_at_once(dtype: torch.dtype) -> None:
    def constant(x: Tensor) -> Tensor:
        return 1e6 + 0 * x.sum(1)

    def barely(x: Tensor) -> Tensor:
        return 1e4 + 1e-4 * x.sum(1)

    for f in (constant, barely):
        found = salience.explain(f, rows().to(dtype), DOMAIN, "integrated_gradients")
        assert found.n_points.tolist() == [32] * 7 and found.converged.all()


WAYS: dict[str, dict[str, Any]] = {
    "noise": {"samplers": ["gaussian:scale=0"], "n_samples": 4},
    "pairs": {"samplers": ["gaussian:scale=0,antithetic=true"], "n_samples": 4},
    "until": {"samplers": ["gaussian:scale=0"], "n_samples": salience.Until(0.5, 3, 6)},
    "dropout": {"samplers": ["mc_dropout:rate=0.0000001"], "n_samples": 4},
    "weights": {"samplers": ["weight_noise:scale=1e-12"], "n_samples": 3},
    "nested": {"samplers": ["gaussian:scale=0", "weight_noise:scale=1e-12"], "n_samples": (2, 3)},
}


@pytest.mark.parametrize("max_rows", [3, 100])
@pytest.mark.parametrize("way", WAYS)
def test_draws_have_the_points_of_the_clean_item(way: str, max_rows: int) -> None:
    net = nn.Sequential(kinked(), nn.Dropout(0.1), nn.Linear(1, 1)).double()
    explainer = salience.Explainer(net, DOMAIN, max_rows=max_rows)
    clean = explainer.explain(rows(), "integrated_gradients")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", salience.Notice)
        found = explainer.explain(rows(), "integrated_gradients", **WAYS[way])
    assert found.n_points.tolist() == clean.n_points.tolist()
    assert found.converged.tolist() == clean.converged.tolist()
    torch.testing.assert_close(found.values, clean.values, rtol=1e-5, atol=1e-8)


def test_draws_in_any_packing_are_the_same() -> None:
    explained = [
        salience.explain(
            kinked(),
            rows(),
            DOMAIN,
            "integrated_gradients",
            samplers=["gaussian"],
            n_samples=5,
            max_rows=max_rows,
        ).values
        for max_rows in (1, 4, 1000)
    ]
    for other in explained[1:]:
        torch.testing.assert_close(other, explained[0], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("form", ["ragged", "padded"])
@pytest.mark.parametrize("max_rows", [5, 200])
def test_ragged_and_padded_items_have_points_of_their_own(
    graphs: Any, form: str, max_rows: int
) -> None:
    net = graphs.models(0.0)[form == "padded"].double()
    settings = {"target": "embed", "output": "value", "max_rows": max_rows}
    method = IntegratedGradients(rtol=1e-5)
    domain = getattr(graphs, form)()
    found = salience.explain(net, graphs.data, domain, method, **settings)
    for i, one in enumerate(graphs.data):
        alone = salience.explain(net, [one], domain, method, **settings)
        assert alone.n_points[0] == found.n_points[i]
        torch.testing.assert_close(alone.values[0], found.values[i], rtol=1e-9, atol=1e-12)


class TwoInside(nn.Module):
    """Reads two embeddings, which are of different size."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Embedding(5, 6), nn.Embedding(7, 3)
        self.hidden, self.out = nn.Linear(9, 16), nn.Linear(16, 1)
        self.norm = nn.LayerNorm(16)
        self.double()

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        state = torch.cat([self.first(a).mean(1), self.second(b).mean(1)], 1)
        return self.out(self.norm(self.hidden(state)).relu())[:, 0]


@pytest.mark.parametrize("samplers", [[], ["gaussian:scale=0"]])
def test_several_inner_targets_share_the_points_of_their_path(samplers: list[str]) -> None:
    domain = Tensors(
        {"a": ("item", "column"), "b": ("item", "column")}, inner=("item", "column", "channel")
    )
    data = {"a": torch.arange(12).reshape(6, 2) % 5, "b": torch.arange(24).reshape(6, 4) % 7}
    targets = ["first", "second"]
    found = [
        salience.explain(
            *(TwoInside(), data, domain, IntegratedGradients(rtol=1e-3)),
            target=targets,
            output="value",
            max_rows=max_rows,
            samplers=samplers,
            n_samples=2 if samplers else 1,
        )
        for max_rows in (1, 2, 5, 1000)
    ]
    assert found[0].n_points.max() > 32 and found[0].converged.all()
    assert bool((found[0].completeness_gap <= 2e-3 * found[0].delta.abs().clamp(min=0.1)).all())
    for other in found[1:]:
        assert other.n_points.tolist() == found[0].n_points.tolist()
        for name, saliency in found[0].saliency.items():
            torch.testing.assert_close(
                other.saliency[name].values, saliency.values, rtol=1e-9, atol=1e-12
            )


def test_the_mean_gradient_along_the_path() -> None:
    net, x = smooth(), rows()
    found = salience.explain(net, x, DOMAIN, IntegratedGradients(multiply_by_inputs=False))
    whole = salience.explain(net, x, DOMAIN, "integrated_gradients")
    torch.testing.assert_close(found.values * x, whole.values)
    assert found.delta.isnan().all() and found.completeness_gap.isnan().all()
    assert not IntegratedGradients(multiply_by_inputs=False).additive


def test_points_and_convergence_are_saved(tmp_path: Any) -> None:
    found = salience.explain(kinked(), rows(), DOMAIN, "integrated_gradients")
    found.save(tmp_path / "a.salience")
    back = salience.Explanation.load(tmp_path / "a.salience")
    assert torch.equal(back.n_points, found.n_points)
    assert torch.equal(back.converged, found.converged)
    gradient = salience.explain(kinked(), rows(), DOMAIN)
    assert gradient.converged.all() and gradient.n_points.tolist() == [0] * 7


WRONG: list[dict[str, Any]] = [
    {"steps": "many"},
    {"steps": 0},
    {"steps": True},
    {"steps": 3.0},
    {"rtol": 0.0},
    {"rtol": "small"},
    {"max_steps": 31},
    {"rule": "midpoint"},
    {"rule": "simpson", "steps": 8},
    {"multiply_by_inputs": "no"},
]


@pytest.mark.parametrize("wrong", WRONG)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        IntegratedGradients(**wrong)


def test_files_of_before_say_that_no_points_were_counted() -> None:
    tensors = {"n_independent": torch.tensor([1, 4])}
    _upgrade({"format": 5, "provenance": {}, "design": {}}, tensors)
    assert tensors["n_points"].tolist() == [0, 0] and tensors["converged"].tolist() == [True, True]
