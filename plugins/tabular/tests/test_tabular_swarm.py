"""Beeswarms and scatters: every row is where it belongs, hollow and coloured as it should be."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

import salience
from salience import ColumnAnnotations, InputError
from salience.colors import GROUND, colormap, contrast
from salience_tabular.pictures.swarm import dark_enough, offsets

GENERATOR = torch.Generator().manual_seed(0)
VALUES = torch.randn(40, 3, generator=GENERATOR).double()
ERRORS = torch.rand(40, 3, generator=GENERATOR).double()
DATA = torch.randn(40, 3, generator=GENERATOR).double()


@pytest.fixture
def rows(by_hand):
    made = by_hand(VALUES, ERRORS, ["a", "b", "c"])
    return replace(made, annotations=ColumnAnnotations({"values": DATA}))


def points(axes):
    return next(c for c in axes.collections if isinstance(c, PathCollection))


def test_every_row_is_a_point_at_its_saliency_in_the_line_of_its_feature(rows):
    axes = rows.visualize(visualizer="beeswarm").axes[0]
    order = VALUES.abs().mean(0).argsort(descending=True).tolist()
    assert [label.get_text() for label in axes.get_yticklabels()] == ["abc"[i] for i in order]
    x, y = points(axes).get_offsets().T
    assert np.allclose(x.reshape(40, 3), VALUES[:, order])
    assert (np.abs(y.reshape(40, 3) - np.arange(3)) <= 0.45).all()


def test_points_are_hollow_exactly_where_the_sign_is_uncertain(rows):
    figure = rows.visualize(visualizer="beeswarm")
    order = VALUES.abs().mean(0).argsort(descending=True)
    faces = points(figure.axes[0]).get_facecolors()
    hollow = np.array([tuple(face) == to_rgba(GROUND) for face in faces]).reshape(40, 3)
    uncertain = (rows.p_values() >= 0.05)[:, order].numpy()
    assert (hollow == uncertain).all() and 0 < hollow.sum() < 120
    note = " ".join(figure.get_supxlabel().split())
    assert f"{uncertain.sum()} of 120 points" in note and "the mean over draws" in note


def test_colours_are_those_of_the_values_of_the_features(rows):
    certain = replace(rows, saliency={"input": salience.Saliency(VALUES, VALUES * torch.nan)})
    faces = points(certain.visualize(visualizer="beeswarm").axes[0]).get_facecolors()
    faces = faces.reshape(40, 3, 4)
    order = VALUES.abs().mean(0).argsort(descending=True)
    held = DATA[:, order].numpy()
    low, high = np.quantile(held, [0.05, 0.95], axis=0)
    expected = colormap("viridis")(np.clip((held - low) / (high - low), 0, 1))
    assert np.allclose(faces, expected)


def test_edges_of_any_colour_are_seen_on_the_ground():
    colors = dark_enough(colormap("viridis")(np.linspace(0, 1, 256)))
    found = ["#" + "".join(f"{round(255 * c):02x}" for c in color[:3]) for color in colors]
    assert min(map(contrast, found)) >= 3.0
    dark = colormap("viridis")([0.0, 0.2])
    assert np.array_equal(dark_enough(dark), dark)


def test_points_do_not_overlap_while_there_is_room():
    along = np.sort(np.random.default_rng(0).normal(size=60))
    away = offsets(along, 4.0, 400.0, 100.0)
    place = np.minimum(((along - along[0]) / np.ptp(along) * 100).astype(int), 99)
    for column in np.unique(place):
        own = np.sort(away[place == column])
        assert len(own) == 1 or np.diff(own).min() >= 4.0 - 1e-9
    assert np.abs(offsets(along, 4.0, 40.0, 5.0)).max() <= 5.0 + 1e-9


def test_a_row_is_marked_in_each_feature(rows):
    figure = rows.visualize(7, visualizer="beeswarm")
    rings = [c for c in figure.axes[0].collections if isinstance(c, PathCollection)][1]
    order = VALUES.abs().mean(0).argsort(descending=True)
    assert np.allclose(rings.get_offsets()[:, 0], VALUES[7, order])
    assert "rings: row 7" in figure.get_supxlabel()


@pytest.mark.parametrize(("n", "rasterized"), [(900, False), (1100, True)])
def test_many_points_are_pixels(by_hand, n, rasterized):
    figure = by_hand(torch.randn(n, 3)).visualize(visualizer="beeswarm")
    assert bool(points(figure.axes[0]).get_rasterized()) is rasterized


def test_swarms_of_explanations_stand_side_by_side_in_one_order(rows, by_hand):
    other = by_hand(VALUES[:10], columns=["a", "b", "c"])
    figure = salience.grid({"one": rows, "two": other}, "mean", visualizer="beeswarm")
    assert [a.get_title() for a in figure.axes[:2]] == ["one, 40 rows", "two, 10 rows"]
    few = salience.grid({"one": rows}, [3, 4], visualizer="beeswarm")
    assert len(points(few.axes[0]).get_offsets()) == 6


def test_values_that_are_unknown_leave_the_colours_of_signs(by_hand):
    figure = by_hand(VALUES).visualize(visualizer="beeswarm")
    assert len(figure.axes) == 1  # no colour bar
    assert len({tuple(face) for face in points(figure.axes[0]).get_facecolors()}) == 2


# --- Scatter --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("feature", "at"), [("b", 1), (2, 2), (-3, 0), (None, None)])
def test_a_scatter_has_values_against_saliency(rows, feature, at):
    axes = rows.visualize(visualizer="scatter", feature=feature).axes[0]
    at = int(VALUES.abs().mean(0).argmax()) if at is None else at
    assert np.allclose(points(axes).get_offsets(), torch.stack([DATA[:, at], VALUES[:, at]], 1))
    assert axes.get_xlabel() == "abc"[at]
    faces = points(axes).get_facecolors()
    hollow = [tuple(face) == to_rgba(GROUND) for face in faces]
    assert hollow == (rows.p_values()[:, at] >= 0.05).tolist()
    (lines,) = [c for c in axes.collections if isinstance(c, LineCollection)]
    low, high = (bound[:, at] for bound in rows.interval(0.95))
    ends = np.array([segment[:, 1] for segment in lines.get_segments()])
    assert np.allclose(ends, torch.stack([low, high], 1))


def test_categories_are_strips_with_their_names(rows):
    data = DATA.clone()
    data[:, 1] = torch.arange(40) % 2 * 2
    info = rows.dataset_info | {
        "numeric": [0, 2],
        "categorical": [1],
        "categories": [["x", "y", "z"]],
    }
    found = replace(
        rows,
        annotations=ColumnAnnotations({"values": data}),
        dataset_info=info,
        saliency={"features": rows.saliency["input"]},
    )
    axes = found.visualize(visualizer="scatter", feature="b").axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["x", "z"]
    x = points(axes).get_offsets()[:, 0]
    assert np.array_equal(x.round(), np.arange(40) % 2)
    assert found.visualize(0).axes[0].get_yticklabels()[0].get_text().startswith(("a", "b", "c"))


@pytest.mark.parametrize("feature", ["d", 3, 2.5, True])
def test_an_unknown_feature_is_refused(rows, feature):
    with pytest.raises(InputError, match="feature="):
        rows.visualize(visualizer="scatter", feature=feature)


def test_a_scatter_needs_values(by_hand):
    with pytest.raises(InputError, match="needs the values of the features"):
        by_hand(VALUES).visualize(visualizer="scatter")


@pytest.mark.parametrize("visualizer", ["beeswarm", "scatter"])
def test_both_draw_into_axes(rows, visualizer):
    axes = Figure().subplots()
    rows.visualize(3, visualizer=visualizer, ax=axes)
    assert len(points(axes).get_offsets()) in (40, 120)


@pytest.mark.parametrize(("names", "is_grey"), [(["x", "y", "z"], True), (["no", "yes"], False)])
def test_more_than_two_categories_have_no_order_and_are_grey(rows, names, is_grey):
    data = DATA.clone()
    data[:, 1] = torch.arange(40) % len(names)
    info = rows.dataset_info | {"numeric": [0, 2], "categorical": [1], "categories": [names]}
    found = replace(
        rows,
        annotations=ColumnAnnotations({"values": data}),
        dataset_info=info,
        saliency={"features": rows.saliency["input"]},
    )
    figure = found.visualize(visualizer="beeswarm")
    axes = figure.axes[0]
    line = [label.get_text() for label in axes.get_yticklabels()].index("b")
    edges = points(axes).get_edgecolors().reshape(40, 3, 4)[:, line]
    assert (len(np.unique(edges, axis=0)) == 1) == is_grey
    assert ("grey: categories" in figure.get_supxlabel()) == is_grey
