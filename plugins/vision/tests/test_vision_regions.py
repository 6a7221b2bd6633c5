"""Regions: connected places of large saliency, their shares and the errors of these."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import salience
from salience import Explainer, Explanation, InputError, Tensors
from salience_vision import regions

AXES = ("item", "channel", "height", "width")


def of_values(values: torch.Tensor) -> Explanation:
    data = torch.zeros(len(values), 1, *values.shape[1:])
    return Explanation.from_arrays(values, data, "vision")


def planted() -> torch.Tensor:
    values = torch.zeros(1, 20, 30)
    values[0, 2:5, 3:8] = -2.0  # 15 places, 30
    values[0, 10, 20] = values[0, 11, 21] = 5.0  # corners touch: one region, 10
    values[0, 18, 0] = 4.0
    return values


def test_regions_are_found_with_box_area_and_share_largest_first() -> None:
    found = regions(of_values(planted()), 0)
    assert [r.box for r in found] == [(2, 3, 5, 8), (10, 20, 12, 22), (18, 0, 19, 1)]
    assert [r.n_places for r in found] == [15, 2, 1]
    assert [r.share for r in found] == pytest.approx([30 / 44, 10 / 44, 4 / 44], rel=1e-12)
    assert [r.area for r in found] == pytest.approx([15 / 600, 2 / 600, 1 / 600], rel=1e-12)
    assert all(math.isnan(r.std_error) for r in found)
    assert len(regions(of_values(planted()), 0, 2)) == 2
    assert regions(of_values(torch.zeros(1, 4, 4)), 0) == []


def test_the_largest_share_of_places_is_taken_with_those_that_tie() -> None:
    values = torch.arange(1.0, 101).reshape(1, 10, 10)
    assert sum(r.n_places for r in regions(of_values(values), 0, 99)) == 10
    assert sum(r.n_places for r in regions(of_values(values), 0, 99, top=0.101)) == 11
    (every,) = regions(of_values(values), 0, top=1)
    assert every.n_places == 100 and every.share == pytest.approx(1.0, rel=1e-12)


def samples(antithetic: bool = False, n_samples: int = 12) -> tuple[Explainer, Any]:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    ).double()
    explainer = Explainer(net, Tensors(axes=AXES, reduce=("channel",)))
    data = torch.randn(2, 3, 12, 14, dtype=torch.float64)
    noise = f"gaussian:scale=0.5,antithetic={antithetic}"
    return explainer, explainer.compute(data, samplers=[noise], n_samples=n_samples)


@pytest.mark.parametrize("antithetic", [False, True])
def test_errors_are_those_of_a_ratio_of_sums_over_independent_draws(antithetic: bool) -> None:
    explainer, kept = samples(antithetic)
    maps = explainer.aggregate(kept, "abs").values[1].numpy()
    found = regions(kept, 1, 3)
    plain = regions(explainer.aggregate(kept, "abs"), 1, 3)
    assert [r.box for r in found] == [r.box for r in plain]
    drawn = kept.draws[next(iter(kept.draws))][:, 1].abs().sum(1).numpy()
    group = 2 if antithetic else 1
    drawn = drawn.reshape(-1, group, 12, 14).mean(1)
    assert np.allclose(drawn.mean(0), maps, rtol=1e-12)
    for region in found:
        top, left, bottom, right = region.box
        mask = np.zeros((12, 14), bool)
        mask[top:bottom, left:right] = True
        mask &= maps >= np.sort(maps, axis=None)[-math.ceil(0.1 * maps.size)]
        if mask.sum() != region.n_places:  # another region reaches into the box
            continue
        inside, every = drawn[:, mask].sum(1), drawn.sum((1, 2))
        share = inside.sum() / every.sum()
        spread = (inside - share * every).std(ddof=1) * math.sqrt(1 / len(drawn)) / every.mean()
        assert region.share == pytest.approx(share, rel=1e-12)
        assert region.std_error == pytest.approx(spread, rel=1e-9)
    assert any(r.std_error > 0 for r in found)


def test_a_single_draw_has_no_error() -> None:
    _, kept = samples(n_samples=1)
    assert all(math.isnan(r.std_error) for r in regions(kept, 0))


def test_items_are_named_by_position_or_id() -> None:
    made = Explanation.from_arrays(
        torch.cat([planted(), 0 * planted()]), torch.zeros(2, 1, 20, 30), "vision", ids=["a", "b"]
    )
    assert len(regions(made, "a")) == 3 and regions(made, "b") == []
    _, kept = samples()
    assert regions(kept, -1) == regions(kept, 1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"k": 0}, "k is 0"),
        ({"k": True}, "k is True"),
        ({"top": 0}, "top is 0"),
        ({"top": 2}, "top is 2"),
        ({"item": 5}, "5"),
        ({"variable": "y"}, "'y'"),
    ],
)
def test_wrong_settings_are_refused(options: dict[str, Any], words: str) -> None:
    for result in (of_values(planted()), samples()[1]):
        with pytest.raises(InputError, match=words):
            regions(result, **{"item": 0, **options})


def test_what_is_no_map_of_saliency_is_refused() -> None:
    explainer, kept = samples()
    with pytest.raises(InputError, match="before pool"):
        regions(kept.pool(salience.Blocks(4)), 0)
    with pytest.raises(InputError, match="'top_share' counts draws"):
        regions(explainer.aggregate(kept, "top_share"), 0)
    with pytest.raises(InputError, match="has no maps"):
        regions(torch.zeros(3, 3), 0)  # type: ignore[arg-type]
    table = Explainer(nn.Linear(3, 2), Tensors()).explain(torch.zeros(2, 3))
    with pytest.raises(InputError, match="height, width"):
        regions(table, 0)
