"""Points: where they lie, their two intervals, which are hollow, and what shares a scale."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_rgba

import salience
from salience import ColumnAnnotations, InputError
from salience.colors import GROUND, NEGATIVE, PLAIN, POSITIVE
from salience_tabular import PointPlot

VALUES = [[0.1, 3.0, -2.0, 1.0], [0.3, 1.0, -4.0, 1.0]]
ERRORS = [[0.2, 0.3, 1.5, 0.1], [0.01, 0.3, 0.2, 0.6]]
NAMES = ["small", "large", "negative", "middle"]


def points(axes):
    (drawn,) = [c for c in axes.collections if isinstance(c, PathCollection)]
    return drawn


def places(axes):
    return points(axes).get_offsets()[:, 0].tolist()


def lines(axes):
    """Ends of the lines of each interval, by its width."""
    found = {}
    for collection in axes.collections:
        if isinstance(collection, LineCollection):
            width = float(collection.get_linewidths()[0])
            found[width] = [segment[:, 0].tolist() for segment in collection.get_segments()]
    return [found[width] for width in sorted(found)]


def labels(axes):
    return [label.get_text() for label in axes.get_yticklabels()]


def valued(explanation, values):
    return replace(explanation, annotations=ColumnAnnotations({"values": torch.tensor(values)}))


def test_the_default_picture_of_a_row_is_points_beside_name_and_value(by_hand):
    explanation = valued(by_hand(VALUES, ERRORS, NAMES), [[1.0, 2.25, -3e7, 1984.0]] * 2)
    axes = explanation.visualize(0).axes[0]
    assert labels(axes) == ["large = 2.25", "negative = −3.00e7", "middle = 1984", "small = 1"]
    assert places(axes) == [3.0, -2.0, 1.0, 0.1]
    assert labels(explanation.visualize(0, values=False).axes[0])[0] == "large"


def test_lines_are_66_and_95_percent_intervals(by_hand):
    explanation = by_hand(VALUES, ERRORS)
    thin, thick = lines(explanation.visualize(0, sort="table").axes[0])
    for drawn, level in ((thin, 0.95), (thick, 0.66)):
        low, high = (bound[0] for bound in explanation.interval(level))
        assert np.allclose(drawn, torch.stack([low, high], 1), rtol=1e-12)


@pytest.mark.parametrize("item", [0, 1])
def test_points_are_hollow_exactly_where_the_sign_is_uncertain(by_hand, item):
    explanation = by_hand(VALUES, ERRORS)
    axes = explanation.visualize(item, sort="table").axes[0]
    hollow = [tuple(face) == to_rgba(GROUND) for face in points(axes).get_facecolors()]
    assert hollow == (explanation.p_values()[item] >= 0.05).tolist()
    edges = [tuple(edge) for edge in points(axes).get_edgecolors()]
    assert edges == [to_rgba(POSITIVE if v >= 0 else NEGATIVE) for v in VALUES[item]]


def test_magnitudes_and_single_draws_have_no_hollow_points(by_hand):
    sizes = by_hand([[0.1, 3.0]], [[5.0, 5.0]]).visualize(0).axes[0]
    faces = {tuple(face) for face in points(sizes).get_facecolors()}
    assert faces == {to_rgba(PLAIN)} and len(lines(sizes)) == 2
    single = by_hand([[0.1, -3.0]]).visualize(0)
    assert lines(single.axes[0]) == []
    assert "hollow" not in single.get_supxlabel() and "FDR" not in single.get_supxlabel()


def test_values_are_written_beside_their_points(by_hand):
    explanation = by_hand([[3.0, -2.0]], [[0.3, 1.5]])
    texts = [text.get_text() for text in explanation.visualize(0).axes[0].texts]
    assert texts == ["+3.00", "−2.00"]


def test_pictures_of_one_explanation_share_their_axis_unless_asked(by_hand):
    explanation = by_hand([[1.0, -2.0], [10.0, 3.0]])
    shared = [explanation.visualize(i).axes[0].get_xlim() for i in (0, 1)]
    assert shared[0] == shared[1] and shared[0][1] >= 10
    own = [explanation.visualize(i, scale="item").axes[0].get_xlim() for i in (0, 1)]
    assert own[0][1] < 2 and own[1][1] >= 10


@pytest.mark.parametrize(
    ("scaler", "scale", "expected", "words"),
    [
        ("abs_max", "explanation", [0.1, -0.2], "largest magnitude of all 2 rows = 1"),
        ("abs_max", "item", [0.5, -1.0], "largest magnitude of the row = 1"),
        ("normalize", "explanation", [1 / 3, -2 / 3], "magnitudes of the row sum to 1"),
        ("identity", "explanation", [1.0, -2.0], "as computed"),
    ],
)
def test_how_values_are_scaled_stands_at_the_axis(by_hand, scaler, scale, expected, words):
    explanation = by_hand([[1.0, -2.0], [10.0, 3.0]])
    axes = explanation.visualize(0, scaler=scaler, scale=scale, sort="table").axes[0]
    assert places(axes) == pytest.approx(expected, rel=1e-14)
    assert axes.get_xlabel().replace("\n", " ").endswith(words)


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        ("all", [[0.25, 0.5], [1.0, 0.125]]),
        ("row", [[0.5, 1.0], [1.0, 0.125]]),
        ("column", [[0.25, 1.0], [1.0, 0.25]]),
        ("none", [[1.0, 1.0], [1.0, 1.0]]),
    ],
)
def test_grids_share_their_scale_as_asked(by_hand, share, expected):
    one, two = by_hand([[2.0, 0.0], [8.0, 0.0]]), by_hand([[4.0, 0.0], [1.0, 0.0]])
    figure = salience.grid({"one": one, "two": two}, scaler="abs_max", share=share)
    axes = np.array(figure.axes).reshape(2, 2)
    assert [[places(cell)[0] for cell in row] for row in axes] == expected
    limits = {cell.get_xlim() for cell in axes.flat}
    assert share == "none" or len(limits) <= {"all": 1, "row": 2, "column": 2}[share]


def test_grids_have_as_many_columns_as_asked_and_no_empty_axes(by_hand):
    explanation = by_hand([[1.0, 2.0]] * 5, ids=list("vwxyz"))
    figure = salience.grid({"one": explanation}, ncols=3)
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert len(figure.axes) == 6 and len(shown) == 5
    assert [axes.get_ylabel().split("\n")[0] for axes in shown] == list("vwxyz")
    rows = {round(axes.get_position().y0, 3) for axes in shown}
    assert len(rows) == 2


def test_features_of_other_units_are_ranked_by_their_share(by_hand):
    one = by_hand([[1.0, 2.0, 0.0]], columns=list("abc"))
    two = by_hand([[0.0, 100.0, 90.0]], columns=list("abc"))
    other = dict(one.provenance) | {"aggregator": {"name": "square"}}
    figure = salience.grid({"one": replace(one, provenance=other), "two": two})
    assert labels(figure.axes[0]) == ["b", "c", "a"]  # 1, .9 and .5 of the largest


def test_the_output_is_named_in_title_and_axis(by_hand):
    made = by_hand([[1.0, -2.0]])
    record = {**made.provenance, "output": {"name": "value"}}
    delta = torch.tensor([-1.0], dtype=torch.float64)
    explanation = replace(made, provenance=record, delta=delta, score=delta)
    axes = explanation.visualize(0, output_name="solubility", unit="mol/L").axes[0]
    assert axes.get_title() == "row 0: solubility −1 mol/L"
    assert axes.get_xlabel() == "contribution to solubility (mol/L)"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"scale": "rows"}, "scale='rows'"),
        ({"share": "columns"}, "share='columns'; did you mean 'column'"),
        ({"ncols": 0}, "ncols=0"),
        ({"num_visualize": 0}, "at least 1"),
        ({"color": "no colour"}, "color='no colour'"),
    ],
)
def test_settings_are_checked_when_they_are_made(options, words):
    with pytest.raises(InputError, match=words):
        PointPlot(**options)
