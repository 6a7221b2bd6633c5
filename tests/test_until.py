"""Draws until the error is small: item by item, whatever the packing."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import salience
from salience import GaussianNoise, InputError, MCDropout, Tensors, Until

DOMAIN = Tensors(output="value")
RULE = Until(rel_error=0.1, min=8, max=200)


class Bowl(nn.Module):
    """Σ a x² / 2, whose gradient under noise N(0, σ²) is N(a x, a² σ²): large x are sure soon."""

    def __init__(self, n: int = 4) -> None:
        super().__init__()
        self.register_buffer("a", torch.linspace(1, 2, n).double())

    def forward(self, x: Tensor) -> Tensor:
        return (self.a * x.square() / 2).sum(1)


def sized(*sizes: float, n: int = 4) -> Tensor:
    return torch.tensor(sizes).double()[:, None].expand(-1, n)


def explained(data: Tensor, rule: Any = RULE, max_rows: Any = "auto", **settings: Any) -> Any:
    noise = GaussianNoise(1.0, "absolute")
    explainer = salience.Explainer(Bowl(data.shape[1]), DOMAIN, max_rows=max_rows)
    settings = {"samplers": [noise]} | settings
    return explainer.explain(data, n_samples=rule, **settings)


DATA = sized(20.0, 1.5, 0.0, 3.0, 0.7, 100.0)


def test_items_stop_when_their_error_is_small() -> None:
    found = explained(DATA)
    error = found.std_error.square().sum(1)
    relative = (error / (found.values.square().sum(1) - error).clamp(min=0)).sqrt()
    done = found.draws < RULE.max
    assert done.tolist() == [True, True, False, True, False, True]
    assert (relative[done] <= RULE.rel_error).all()
    assert (relative[~done] > RULE.rel_error).all()
    assert found.draws[0] == found.draws[5] == RULE.min
    assert RULE.min < found.draws[3] < found.draws[1]
    assert found.n_samples == RULE.max


def test_an_item_has_the_numbers_of_as_many_draws_for_all() -> None:
    found = explained(DATA)
    for item, draws in enumerate(found.draws.tolist()):
        fixed = explained(DATA, draws)
        for what in ("values", "std_error", "score"):
            got, expected = getattr(found, what)[item], getattr(fixed, what)[item]
            torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("max_rows", [1, 3, 16, 1000])
def test_packing_and_neighbours_do_not_show(max_rows: int) -> None:
    found = explained(DATA)
    ids = list(range(len(DATA)))
    packed = explained(DATA, max_rows=max_rows)
    turned = explained(DATA.flip(0), max_rows=max_rows, ids=ids[::-1])
    assert torch.equal(packed.draws, found.draws)
    assert torch.equal(turned.draws.flip(0), found.draws)
    torch.testing.assert_close(packed.values, found.values, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(turned.values.flip(0), found.values, rtol=1e-12, atol=1e-12)


def test_items_that_are_done_leave_the_batch(watched: Any) -> None:
    sizes: list[int] = []
    explainer = salience.Explainer(watched(Bowl(), sizes), DOMAIN, max_rows=6)
    found = explainer.explain(DATA, samplers=[GaussianNoise(1.0, "absolute")], n_samples=RULE)
    # The prediction, then each draw of each item once, and five rows with which to compare.
    assert sum(sizes) == len(DATA) + int(found.draws.sum()) + 5


def test_ragged_items_and_paths_stop_too(graphs: Any) -> None:
    ragged, padded = graphs.models(p=0.5)
    calculator = salience.IntegratedGradients(steps=4)
    settings: dict[str, Any] = {
        "samplers": [MCDropout(), GaussianNoise(0.1)],
        "n_samples": Until(0.3, 6, 40),
    }
    data = list(graphs.data)
    found = [
        salience.explain(model, data, domain, calculator, max_rows=rows, **settings)
        for model, domain, rows in (
            (ragged, graphs.ragged(), "auto"),
            (ragged, graphs.ragged(), 7),
            (padded, graphs.padded(), "auto"),
            (padded, graphs.padded(), 2),
        )
    ]
    assert len(set(found[0].draws.tolist())) > 1
    for other in found[1:]:
        assert torch.equal(other.draws, found[0].draws)
        for a, b in zip(other.values, found[0].values, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(other.completeness_gap, found[0].completeness_gap)
    for item, draws in enumerate(found[0].draws.tolist()):
        fixed = salience.explain(
            ragged, data, graphs.ragged(), calculator, **(settings | {"n_samples": draws})
        )
        torch.testing.assert_close(found[0].values[item], fixed.values[item])
        torch.testing.assert_close(found[0].delta[item], fixed.delta[item])


def test_intervals_still_cover_the_truth() -> None:
    # Each item is a run; with 64 positions the error that stops it is known well.
    n_runs = 400
    data = sized(*[2.0] * n_runs, n=64)
    found = explained(data, Until(0.1, 8, 300))
    assert 8 < found.draws.double().mean() < 100
    low, high = found.confidence_interval(0.95)
    truth = Bowl(64).a * data
    inside = float(((low <= truth) & (truth <= high)).double().mean())
    assert 0.93 <= inside <= 0.97
    off = ((found.values - truth).norm(dim=1) / truth.norm(dim=1)).square().mean().sqrt()
    assert 0.08 < float(off) < 0.105


def test_streams_and_records_know_until() -> None:
    found = explained(DATA)
    explainer = salience.Explainer(Bowl(), DOMAIN)
    streamed = list(
        explainer.stream(
            torch.split(DATA, 2), samplers=[GaussianNoise(1.0, "absolute")], n_samples=RULE
        )
    )
    assert [int(one.draws) for one in streamed] == found.draws.tolist()
    again = salience.rerun(Bowl(), DATA, found.provenance)
    assert torch.equal(again.values, found.values)
    assert found.provenance["n_samples"] == {"rel_error": 0.1, "min": 8, "max": 200}


def test_spread_stops_by_its_own_error() -> None:
    rule = Until(0.2, 8, 400)
    found = explained(DATA[:2], rule, aggregator="variance")
    assert (found.draws < 400).all()
    relative = found.std_error.norm(dim=1) / found.values.norm(dim=1)
    assert (relative < 0.2).all()


REFUSED: dict[str, tuple[Any, dict[str, Any], tuple[str, ...]]] = {
    "no error": (lambda: Until(0.0), {}, ("rel_error=0.0",)),
    "one draw": (lambda: Until(min=1), {}, ("min=1", "2 ≤ min")),
    "less than it begins with": (lambda: Until(min=9, max=8), {}, ("min=9", "max=8")),
    "no sampler": (lambda: RULE, {"samplers": []}, ("without a sampler",)),
    "a mapping of something else": (lambda: {"draws": 3}, {}, ("draws",)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_makes_no_sense_is_refused(name: str) -> None:
    rule, settings, words = REFUSED[name]
    with pytest.raises(InputError) as caught:
        explained(DATA, rule(), **settings)
    for word in words:
        assert word in str(caught.value)


def test_kept_draws_are_as_many_for_all() -> None:
    with pytest.raises(InputError, match="explain"):
        salience.Explainer(Bowl(), DOMAIN).compute(DATA, samplers=["gaussian"], n_samples=RULE)
