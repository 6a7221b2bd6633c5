"""The share of draws in which a place is among the top is that of a loop over the draws."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import salience
from salience import InputError, Tensors, TopShare
from salience.aggregators.top_share import top_places


def loop(draws: Tensor, share: float) -> Tensor:
    """Share of the draws (M, n) of an item in which each of n places is among the top."""
    number = math.ceil(share * draws.shape[1] - 1e-9)
    found = torch.zeros(draws.shape[1], dtype=torch.float64)
    for draw in draws:
        order = np.argsort(-draw.numpy(), kind="stable")[:number]
        for place in order:
            found[place] += float(draw[place] > 0)
    return found / len(draws)


IMAGES = Tensors(("item", "channel", "height", "width"), reduce=("channel",), output="value")
MAPS = torch.randn(3, 2, 7, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
NOISE: dict[str, Any] = {"samplers": ["gaussian:scale=0.5"], "n_samples": 12}


def score(x: Tensor) -> Tensor:
    return x.tanh().square().sum((1, 2, 3))


@pytest.mark.parametrize("share", [0.1, 0.05, 0.5, 0.999])
@pytest.mark.parametrize("max_rows", [1, 7, "auto"])
def test_maps_are_ranked_within_their_item(share: float, max_rows: Any) -> None:
    explainer = salience.Explainer(score, IMAGES, max_rows=max_rows)
    kept = explainer.compute(MAPS, **NOISE)
    found = explainer.explain(MAPS, **NOISE, aggregator=TopShare(share))
    magnitudes = kept.values.abs().sum(2)
    for item in range(3):
        expected = loop(magnitudes[:, item].flatten(1), share).reshape(7, 9)
        assert torch.equal(found.values[item], expected)
    assert torch.equal(explainer.aggregate(kept, TopShare(share)).values, found.values)
    assert not found.signed and found.interval_of == "mean"


@pytest.mark.parametrize("kind", ["ragged", "padded"])
@pytest.mark.parametrize("max_rows", [6, 100])
def test_items_of_different_sizes_are_ranked_by_themselves(
    graphs: Any, kind: str, max_rows: int
) -> None:
    ragged, padded = graphs.models(p=0.3)
    model = ragged if kind == "ragged" else padded
    domain = getattr(graphs, kind)(reduce=("channel",))
    draws: dict[str, Any] = {"samplers": ["mc_dropout"], "n_samples": 10}
    explainer = salience.Explainer(model, domain, max_rows=max_rows)
    found = explainer.explain(graphs.data, **draws, aggregator="top_share:share=0.4")
    kept = explainer.compute(graphs.data, **draws)
    for item, own in enumerate(kept.values):
        assert torch.equal(found.values[item], loop(own.abs().sum(-1), 0.4))
    again = explainer.aggregate(kept, TopShare(0.4))
    assert all(map(torch.equal, again.values, found.values))


def test_pairs_nested_draws_and_until_are_counted_too() -> None:
    pairs = {"samplers": ["gaussian:antithetic=True"], "n_samples": 8}
    nested = {"samplers": ["gaussian", salience.WeightNoise(0.1)], "n_samples": (3, 4)}
    data = torch.randn(3, 6, dtype=torch.float64)
    net = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.Tanh(), torch.nn.Linear(5, 1))
    for settings in (pairs, nested):
        explainer = salience.Explainer(net.double(), Tensors(output="value"))
        found = explainer.explain(data, **settings, aggregator="top_share")
        kept = explainer.compute(data, **settings)
        for item in range(3):
            expected = loop(kept.values[:, item].abs(), 0.1)
            torch.testing.assert_close(found.values[item], expected, rtol=1e-12, atol=0)
    until = salience.Until(rel_error=0.3, min=4, max=32)
    found = explainer.explain(data, samplers=["gaussian"], n_samples=until, aggregator="top_share")
    assert ((found.values >= 0) & (found.values <= 1)).all()


def test_the_error_is_that_of_a_share_with_two_added_draws() -> None:
    found = salience.explain(score, MAPS, IMAGES, **NOISE, aggregator="top_share")
    count = found.values * 12
    share = (count + 1) / 14
    variance = (count + 1) * (1 - share) ** 2 + (13 - count) * share**2
    expected = (variance / 13 / 14).sqrt()
    torch.testing.assert_close(found.std_error, expected, rtol=1e-12, atol=0)
    assert (found.std_error > 0).all()
    single = salience.explain(score, MAPS, IMAGES, aggregator="top_share")
    assert single.std_error.isnan().all()
    assert set(single.values.unique().tolist()) == {0.0, 1.0}


def test_equal_places_count_by_position_and_zeros_never() -> None:
    values = torch.tensor([[1.0, 2.0, 2.0, 2.0, 0.0, 0.0], [0.0] * 6])
    marks = top_places(values, 0.34)
    assert marks.tolist() == [[False, True, True, True, False, False], [False] * 6]
    ragged = top_places(torch.tensor([3.0, 1.0, 2.0, 5.0]), 0.3, torch.tensor([3, 0, 1]))
    assert ragged.tolist() == [True, False, False, True]


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, float("nan"), "0.1"])
def test_a_share_is_between_0_and_1(share: Any) -> None:
    with pytest.raises(InputError, match="share="):
        TopShare(share)


def test_groups_of_positions_have_no_rank() -> None:
    with pytest.raises(InputError, match="TopShare looks at all positions"):
        salience.explain(
            score, MAPS, IMAGES, **NOISE, aggregator="top_share", pool=salience.Blocks(2)
        )


@dataclass(frozen=True)
class Photos(Tensors):
    """Maps whose magnitudes come with the places that are at the top."""

    counts_top_places = True


RANKED = Photos(("item", "channel", "height", "width"), reduce=("channel",), output="value")


@pytest.mark.parametrize("max_rows", [1, 7, "auto"])
@pytest.mark.parametrize(("name", "power"), [("abs", 1), ("square", 2)])
def test_magnitudes_come_with_the_places_at_the_top(name: str, power: int, max_rows: Any) -> None:
    explainer = salience.Explainer(score, RANKED, max_rows=max_rows)
    kept = explainer.compute(MAPS, **NOISE)
    found = explainer.explain(MAPS, **NOISE, aggregator=name)
    magnitudes = kept.values.abs().pow(power).sum(2)
    for item in range(3):
        expected = loop(magnitudes[:, item].flatten(1), 0.1).reshape(7, 9)
        assert torch.equal(found.top_share[item], expected)
    again = explainer.aggregate(kept, name)
    assert torch.equal(again.top_share, found.top_share)
    alone = salience.Explainer(score, IMAGES, max_rows=max_rows)
    without = alone.explain(MAPS, **NOISE, aggregator=name)
    assert torch.equal(without.values, found.values)
    assert torch.equal(without.std_error, found.std_error)


def test_places_at_the_top_are_selected_saved_and_counted_until_errors_are_small(
    tmp_path: Path,
) -> None:
    explainer = salience.Explainer(score, RANKED)
    until = salience.Until(rel_error=0.1, max=200)
    draws: dict[str, Any] = {"samplers": ["gaussian:scale=0.5"], "n_samples": until}
    found = explainer.explain(MAPS, **draws, aggregator="abs")
    assert len(set(found.draws.tolist())) > 1
    for item, number in enumerate(found.draws.tolist()):
        fixed = {"samplers": ["gaussian:scale=0.5"], "n_samples": number}
        one = explainer.explain(MAPS, **fixed, aggregator="abs")
        assert torch.equal(one.top_share[item], found.top_share[item])
    found.save(tmp_path / "run.salience")
    loaded = salience.Explanation.load(tmp_path / "run.salience")
    assert torch.equal(loaded.iloc[[2, 0]].top_share, found.top_share[[2, 0]])
    with pytest.raises(InputError, match="only nested draws"):
        _ = found.variance_parts


def test_nested_magnitudes_have_parts_of_the_variance_and_places_at_the_top() -> None:
    draws: dict[str, Any] = {"samplers": ["weight_noise", "gaussian"], "n_samples": (3, 4)}
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(126, 1)).double()
    explainer = salience.Explainer(net, RANKED)
    found = explainer.explain(MAPS, **draws, aggregator="abs")
    assert set(found.variance_parts) == {"parameters", "noise", "total"}
    shares = explainer.explain(MAPS, **draws, aggregator="top_share").values
    assert torch.equal(found.top_share, shares)


@pytest.mark.parametrize("settings", [{}, {**NOISE, "aggregator": "raw"}, NOISE | {"pool": True}])
def test_places_at_the_top_are_refused_where_they_were_not_counted(settings: Any) -> None:
    if settings.pop("pool", False):
        settings = {**settings, "pool": salience.Blocks(2), "aggregator": "abs"}
    found = salience.explain(score, MAPS, RANKED, **settings)
    with pytest.raises(InputError, match="aggregator='top_share'"):
        _ = found.top_share
