"""The heat map: rows, features, and a colour scale that tells the truth about zero."""

import numpy as np
import pytest

import salience
from salience import InputError


def image(figure):
    return figure.axes[0].images[0]


def test_mean_draws_every_row(by_hand):
    figure = by_hand([[1.0, 2.0], [3.0, 4.0]], columns=["a", "b"]).visualize(visualizer="heatmap")
    assert np.array_equal(image(figure).get_array(), [[1, 2], [3, 4]])
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["a", "b"]
    assert figure.axes[0].get_title() == "2 rows"


def test_item_draws_that_row(by_hand):
    figure = by_hand([[1.0, 2.0], [3.0, 4.0]]).visualize(1, visualizer="heatmap")
    assert np.array_equal(image(figure).get_array(), [[3, 4]])
    assert " ".join(figure.axes[0].get_title().split()) == "row 1: class 0, output 0"


def test_signed_saliency_is_centred_at_zero(by_hand):
    drawn = image(by_hand([[-1.0, 3.0]]).visualize(visualizer="heatmap"))
    assert drawn.get_clim() == (-3.0, 3.0)
    assert drawn.get_cmap().name == "blue_vermilion"


def test_importances_start_at_zero(by_hand):
    drawn = image(by_hand([[2.0, 3.0]]).visualize(visualizer="heatmap"))
    assert drawn.get_clim() == (0.0, 3.0)
    assert drawn.get_cmap().name == "viridis"


def test_zeros_alone_can_be_drawn(by_hand):
    assert image(by_hand([[0.0, 0.0]]).visualize(visualizer="heatmap")).get_clim() == (0.0, 1.0)


def test_rows_have_their_ids_while_they_are_few(by_hand):
    few = by_hand([[1.0]] * 3, ids=["a", "b", "c"]).visualize(visualizer="heatmap")
    assert [t.get_text() for t in few.axes[0].get_yticklabels()] == ["a", "b", "c"]
    many = by_hand([[1.0]] * 100, ids=[f"id {i}" for i in range(100)]).visualize(
        visualizer="heatmap"
    )
    assert many.axes[0].get_ylabel() == "row"
    assert "id 0" not in [t.get_text() for t in many.axes[0].get_yticklabels()]


def test_colour_map_scaler_and_colour_bar_can_be_chosen(by_hand):
    explanation = by_hand([[-1.0, 4.0]])
    figure = explanation.visualize(
        visualizer="heatmap", cmap="jet", scaler="abs_max", colorbar=False, title="t"
    )
    assert image(figure).get_cmap().name == "jet"
    assert image(figure).get_clim() == (-1.0, 1.0)
    assert len(figure.axes) == 1
    assert figure.axes[0].get_title() == "t"
    assert len(explanation.visualize(visualizer="heatmap").axes) == 2


def test_grid_puts_explanations_side_by_side(by_hand):
    explanations = {"one": by_hand([[1.0], [2.0]]), "two": by_hand([[-3.0], [4.0]])}
    figure = salience.grid(explanations, [1, 0], visualizer="heatmap")
    one, two = (axes for axes in figure.axes if axes.get_title())
    assert [one.get_title(), two.get_title()] == ["one", "two"]
    assert np.array_equal(one.images[0].get_array(), [[2], [1]])
    # One of the two is signed, so that colours mean the same in both.
    assert {a.images[0].get_cmap().name for a in (one, two)} == {"blue_vermilion"}


def test_refuses_an_unknown_colour_map(by_hand):
    with pytest.raises(InputError, match="did you mean 'viridis'"):
        by_hand([[1.0]]).visualize(visualizer="heatmap", cmap="virids")


def test_cells_whose_sign_is_uncertain_have_a_ring(by_hand):
    values, errors = [[1.0, -1.0, 3.0], [0.2, 5.0, -0.1]], [[0.01, 2.0, 0.1], [0.3, 0.1, 0.5]]
    explanation = by_hand(values, errors)
    uncertain = explanation.p_values() >= 0.05
    figure = explanation.visualize(visualizer="heatmap")
    rings = figure.axes[0].collections[0].get_offsets()
    assert {(int(x), int(y)) for x, y in rings} == {
        (column, row) for row, column in uncertain.nonzero().tolist()
    }
    assert "rings: sign uncertain (p ≥ .05)" in figure.get_supxlabel().replace("\u00a0", " ")
    assert not explanation.visualize(visualizer="heatmap", rings=False).axes[0].collections
    one = explanation.visualize(1, visualizer="heatmap").axes[0].collections[0].get_offsets()
    assert [int(x) for x, _ in one] == [0, 2]


def test_many_cells_are_not_marked_and_the_picture_says_so(by_hand):
    figure = by_hand([[1.0, -1.0]] * 50, [[1.0, 1.0]] * 50).visualize(visualizer="heatmap")
    assert not figure.axes[0].collections
    assert "not marked" in figure.get_supxlabel()
