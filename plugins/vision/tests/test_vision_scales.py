"""Which maps share a scale, in which units it is, and what the bar says of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import salience
from plugins.vision.tests.pictured import drawn, explanation, positive, words
from salience import InputError
from salience_vision import Montage, Overlay


def unequal() -> Tensor:
    """Maps of two photos, of which the second has a tenth of the magnitudes."""
    values = 2 * positive() - 1
    values[0, 0, 0] = 1.0
    values[1] = values[0] / 10
    return values


def largest(figure: Any) -> float:
    return float(np.abs(drawn(figure).get_array()).max())


def complete(values: Tensor, **changes: Any) -> Any:
    """An explanation by a method that is complete."""
    logit = torch.full((len(values),), 7.25)
    known = {"delta": values.sum((1, 2)), "score": logit, "design": salience.Design(signed=True)}
    return explanation(values, **(known | changes))


def test_pictures_of_an_explanation_share_its_scale_unless_asked() -> None:
    made = explanation(unequal())
    look = Overlay(percentile=100)
    assert [largest(look.item(made, item)) for item in (0, 1)] == pytest.approx([1, 0.1])
    alone = Overlay(percentile=100, scale="item")
    assert [largest(alone.item(made, item)) for item in (0, 1)] == pytest.approx([1, 1])
    assert look.item(made, 0).axes[1].get_ylabel() == "saliency,\nlargest of all maps = 1"
    assert alone.item(made, 0).axes[1].get_ylabel() == "saliency,\nlargest of the map = 1"
    said = " ".join(words(look.item(made, 1))).replace("\n", " ")
    assert "faint on the shared scale: scale='item'" in said
    assert "faint" not in " ".join(words(look.item(made, 0)))


def test_many_photos_are_scaled_by_evenly_spaced_ones() -> None:
    values = torch.zeros(100, 4, 4)
    values[:, 0, 0] = torch.arange(100.0)
    made = explanation(values, annotations=())
    figure = Overlay(percentile=100).item(made, 99)
    assert largest(figure) == pytest.approx(1)
    assert figure.axes[1].get_ylabel() == "saliency,\nlargest of 32 of 100 maps = 1"


@pytest.mark.parametrize("kind", [Overlay, Montage])
def test_complete_methods_are_drawn_in_their_units(kind: Any) -> None:
    made = complete(unequal() * 3)
    look = kind(percentile=100)
    for item in (0, 1):
        layer = drawn(look.item(made, item))
        assert np.allclose(layer.get_array(), made.values[item])
        assert layer.norm.vmax == pytest.approx(3)
    label = look.item(made, 0).axes[-1].get_ylabel()
    assert label == "contribution to\nthe logit of tiger cat"


def test_magnitudes_of_complete_methods_have_units_too() -> None:
    record = {"aggregator": {"name": "abs"}, "n_samples": 4}
    made = complete(positive(), provenance=record, design=salience.Design(signed=False))
    label = Overlay().item(made, 0).axes[-1].get_ylabel()
    assert label == "saliency,\nin units of the logit of tiger cat"


@pytest.mark.parametrize(
    ("share", "tops"),
    [
        ("all", [[0.1, 1.0], [0.01, 0.1]]),
        ("column", [[1, 1], [0.1, 0.1]]),
        ("row", [[0.1, 1.0], [0.1, 1.0]]),
        ("none", [[1, 1], [1, 1]]),
        (None, [[1, 1], [0.1, 0.1]]),
    ],
)
@pytest.mark.parametrize("is_complete", [False, True])
def test_maps_of_a_grid_share_what_is_asked(share: Any, tops: Any, is_complete: bool) -> None:
    make = complete if is_complete else explanation
    panels = {"small": make(unequal()), "large": make(unequal() * 10)}
    figure = Overlay(percentile=100, share=share).grid(panels, [0, 1])
    cells = np.array(figure.axes[:-1]).reshape(2, 3)[:, 1:]
    found = [
        [
            float(np.abs(cell.images[-1].get_array()).max() / cell.images[-1].norm.vmax)
            for cell in row
        ]
        for row in cells
    ]
    assert np.allclose(found, tops)
    texts = words(figure) + [text.get_text() for cell in cells.flat for text in cell.texts]
    ends = [text for text in texts if "±" in text]
    if not is_complete or share == "all":  # scaled to 1, or one bar in its unit
        assert not ends
    elif share == "row":
        assert len(ends) == 2 and all("±10" in text or "±1" in text for text in ends)
    elif share == "none":
        assert ends == ["to ±1", "to ±10", "to ±0.1", "to ±1"]
    else:
        assert ends == ["small, to ±1", "large, to ±10"]
    of = {"all": "all maps", "none": "each map"}.get(share, f"each {share or 'column'}")
    label = figure.axes[-1].get_ylabel().replace("\n", " ")
    if not is_complete:
        assert label == f"saliency, largest of {of} = 1"
    elif share == "all":
        assert label == "contribution to the logit of tiger cat"
    else:
        assert label == f"contribution to the logit of tiger cat, 1 = the end of {of}"


def test_a_grid_of_complete_and_other_methods_has_one_scaler() -> None:
    figure = Overlay(percentile=100).grid(
        {"a": complete(unequal()), "b": explanation(unequal())}, [0]
    )
    assert figure.axes[-1].get_ylabel().replace("\n", " ") == "saliency, largest of each column = 1"


def test_means_are_drawn_side_by_side() -> None:
    panels = {"one": explanation(positive()), "two": explanation(positive(count=3))}
    figure = salience.grid(panels, "mean", visualizer=Overlay(percentile=100))
    cells = figure.axes[:-1]
    assert len(cells) == 2
    for cell, made in zip(cells, panels.values(), strict=True):
        mean = made.values.mean(0)
        assert np.allclose(cell.images[-1].get_array(), mean / mean.max())


@pytest.mark.parametrize("setting", [{"scale": "all"}, {"share": "rows"}, {"show": "contours"}])
def test_unknown_settings_are_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"unknown {next(iter(setting))}"):
        Overlay(**setting)


def ranked() -> tuple[Any, Tensor]:
    """Magnitudes under draws, with the share of draws in which places are at the top."""
    values = positive()
    shares = (values > 0.9).double() * 0.97 + (values <= 0.9).double() * 0.2
    saliency = salience.Saliency(values, values / 10, flat_parts={"top_share": shares})
    record = {"aggregator": {"name": "abs"}, "n_samples": 30}
    made = explanation(values, saliency={"image": saliency}, provenance=record)
    return made, shares


def test_magnitudes_under_draws_have_contours_beside_their_map() -> None:
    made, shares = ranked()
    figure = made.visualize(1)
    contours, beside, bar = figure.axes
    marked = contours.images[-1].get_array()[..., 3] > 0
    assert np.array_equal(marked, np.asarray(shares[1] >= 0.95))
    drawn_beside = beside.images[-1].get_array()
    assert np.allclose(drawn_beside / drawn_beside.max(), made.values[1] / made.values[1].max())
    stable = 100 * float((shares[1] >= 0.95).double().mean())
    said = " ".join(words(figure)).replace("\n", " ").replace("\N{NO-BREAK SPACE}", " ")
    assert f"{stable:.1f} % of places in ≥ 95 % of draws" in said
    assert "mean of magnitudes" in said and "red: in 95 %" in said
    assert "1" in bar.get_ylabel()


def test_one_of_both_is_drawn_where_it_is_asked_for() -> None:
    made, shares = ranked()
    alone = made.visualize(0, show="map")
    assert len(alone.axes) == 2
    contours = made.visualize(0, show="top_share")
    assert len(contours.axes) == 2
    assert contours.axes[-1].get_ylabel() == "share of draws among the top 10 %"
    grid = salience.grid({"a": made, "b": made}, show="top_share")
    for row, cells in enumerate(np.array(grid.axes[:-1]).reshape(2, 3)[:, 1:]):
        for cell in cells:
            marked = cell.images[-1].get_array()[..., 3] > 0
            assert np.array_equal(marked, np.asarray(shares[row] >= 0.95))
    assert all(len(axes.images) == 2 for axes in salience.grid({"a": made}).axes[1:4:2])
    with pytest.raises(InputError, match="share of draws was not counted"):
        explanation(positive()).visualize(0, show="top_share")


def test_photos_under_noise_have_contours_by_default() -> None:
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 2))
    photos = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    draws = {"samplers": ["gaussian:scale=0.2"], "n_samples": 10}
    found = salience.explain(net, photos, "vision", **draws, aggregator="abs")
    shares = salience.explain(net, photos, "vision", **draws, aggregator="top_share").values
    assert torch.equal(found.top_share, shares)
    assert len(found.visualize(0).axes) == 3
    assert len(salience.explain(net, photos, "vision", **draws).visualize(0).axes) == 2


def test_no_map_is_called_faint_on_a_scale_of_its_own() -> None:
    values = positive()
    values[:, 0, 0] = 1000.0  # all other places are faint
    made = explanation(values)
    figures = [
        Overlay(percentile=100, scale="item").item(made, 0),
        Overlay(percentile=100, share="none").grid({"a": made, "b": made}, [0, 1]),
        Overlay(percentile=100).item(made.iloc[[0]], 0),
    ]
    assert not any("faint" in word for figure in figures for word in words(figure))
    shared = Overlay(percentile=100).grid({"a": made, "b": made}, [0, 1])
    assert any("faint" in word for word in words(shared))
