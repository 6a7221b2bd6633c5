"""Bars: which are drawn, in which order, how long, with what intervals, and which are hollow."""

import dataclasses
import io
import itertools

import matplotlib.colors
import numpy as np
import pytest
import torch
from matplotlib.collections import LineCollection

import salience
from salience import InputError
from salience.colors import GROUND, NEGATIVE, POSITIVE
from salience.scalers import Scaling
from salience_tabular import BarPlot

NAMES = ["small", "large", "negative", "middle"]
VALUES = [[0.1, 3.0, -2.0, 1.0], [0.3, 1.0, -4.0, 1.0]]
ERRORS = [[0.01, 0.3, 0.2, 0.1], [0.01, 0.3, 0.2, 0.1]]


def labels(axes):
    return [label.get_text() for label in axes.get_yticklabels()]


def lengths(axes):
    return [bar.get_width() for bar in axes.patches]


def lines(axes):
    found = [c for c in axes.collections if isinstance(c, LineCollection)]
    return [segment[:, 0].tolist() for c in found for segment in c.get_segments()]


def test_largest_magnitude_is_at_the_top(by_hand):
    axes = by_hand(VALUES, columns=NAMES).visualize(0, visualizer="bar").axes[0]
    assert labels(axes) == ["large", "negative", "middle", "small"]
    assert lengths(axes) == [3.0, -2.0, 1.0, 0.1]
    bottom, top = axes.get_ylim()
    assert bottom > top  # the axis runs downwards, so the first bar is the topmost


def test_unsorted_bars_keep_the_order_of_the_table(by_hand):
    axes = by_hand(VALUES, columns=NAMES).visualize(0, visualizer="bar", sort=False).axes[0]
    assert labels(axes) == NAMES


@pytest.mark.parametrize(("sort", "kept"), [(True, [2, 1]), (False, [1, 2])])
def test_num_visualize_keeps_the_most_important(by_hand, sort, kept):
    values = [[0.1, 2.0, -3.0, 1.0]]
    figure = by_hand(values, columns=NAMES).visualize(
        0, visualizer="bar", num_visualize=2, sort=sort
    )
    assert labels(figure.axes[0]) == [NAMES[i] for i in kept]
    assert "the 2 largest of 4 features" in figure.get_supxlabel()


def test_all_features_can_be_drawn(by_hand):
    explanation = by_hand(torch.arange(50.0)[None])
    assert len(explanation.visualize(0, visualizer="bar").axes[0].patches) == 30
    assert len(explanation.visualize(0, visualizer="bar", num_visualize=None).axes[0].patches) == 50


def test_lines_are_95_percent_intervals_and_scale_with_the_bars(by_hand):
    explanation = by_hand([[1.0, 3.0]], [[0.1, 0.4]])
    axes = explanation.visualize(0, visualizer="bar", scaler="normalize").axes[0]
    assert lengths(axes) == pytest.approx([0.75, 0.25])
    low, high = (bound[0] / 4 for bound in explanation.interval(0.95))
    expected = [pytest.approx([float(low[i]), float(high[i])]) for i in (1, 0)]
    assert lines(axes) == expected


def test_no_line_where_the_standard_error_is_unknown(by_hand):
    assert lines(by_hand(VALUES).visualize(0, visualizer="bar").axes[0]) == []
    partly = by_hand([[1.0, 3.0]], [[float("nan"), 0.5]]).visualize(0, visualizer="bar").axes[0]
    assert len(lines(partly)) == 1


@pytest.mark.parametrize("scale", [0.2, 0.5, 1.0, 2.0])
def test_bars_are_hollow_exactly_where_the_p_value_is_not_below_5_percent(by_hand, scale):
    values = torch.linspace(-2, 2, 20)[None]
    explanation = by_hand(values, torch.full_like(values, scale))
    axes = explanation.visualize(0, visualizer="bar", sort="table").axes[0]
    ground = matplotlib.colors.to_rgba(GROUND)
    hollow = [bar.get_facecolor() == ground for bar in axes.patches]
    assert hollow == (explanation.p_values()[0] >= 0.05).tolist()
    holds = [low <= 0 <= high for low, high in lines(axes)]
    assert holds == hollow
    found = int(explanation.significant(0.05).sum())
    note = " ".join(axes.figure.get_supxlabel().split())
    assert f"{found} of 20 at FDR 5 %" in note


def test_the_note_says_what_the_interval_is_of(by_hand):
    data = torch.randn(3, 4)
    net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 2))
    for sampler, words in (("mc_dropout", "a further draw of"), ("gaussian", "draws of noise")):
        found = salience.explain(net, data, "tabular", samplers=[sampler], n_samples=4)
        assert words in " ".join(found.visualize(0, visualizer="bar").get_supxlabel().split())


def test_magnitudes_have_lines_and_no_hollow_bars(by_hand):
    explanation = dataclasses.replace(by_hand([[0.1, 3.0]], [[5.0, 5.0]]))
    object.__setattr__(explanation, "design", dataclasses.replace(explanation.design, signed=False))
    axes = explanation.visualize(0, visualizer="bar").axes[0]
    assert len(lines(axes)) == 2 and "hollow" not in axes.figure.get_supxlabel()
    ground = matplotlib.colors.to_rgba(GROUND)
    assert all(bar.get_facecolor() != ground for bar in axes.patches)


def test_the_mean_is_of_magnitudes_beside_that_of_signed_values(by_hand):
    explanation = by_hand([[1.0, 3.0], [3.0, -3.0]], [[0.3, 0.1], [0.4, 0.1]], columns=["a", "b"])
    size, signed = explanation.visualize().axes
    assert labels(size) == ["b", "a"] and lengths(size) == [3.0, 2.0]
    assert lengths(signed) == [0.0, 2.0]
    assert size.get_xlabel() == "mean |saliency|" and "cancel" in signed.get_xlabel()
    for axes, of in ((size, "magnitude"), (signed, "value")):
        over = [explanation.mean_interval(0.95, over, of) for over in ("items", "draws")]
        expected = [[float(low[i]), float(high[i])] for low, high in over for i in (1, 0)]
        assert lines(axes) == [pytest.approx(bounds) for bounds in expected]
    note = " ".join(size.figure.get_supxlabel().split())
    assert "over rows" in note and "for these rows" in note
    assert size.get_title() == "mean of 2 rows"


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        (True, ["large", "negative", "middle", "small"]),
        ("descending", ["large", "negative", "middle", "small"]),
        ("ascending", ["small", "middle", "negative", "large"]),
        ("table", NAMES),
    ],
)
def test_bars_are_sorted_as_asked(by_hand, sort, expected):
    assert (
        labels(by_hand(VALUES, columns=NAMES).visualize(0, visualizer="bar", sort=sort).axes[0])
        == expected
    )


@pytest.mark.parametrize("sort", ["ascend", 3, None])
def test_another_order_is_refused(by_hand, sort):
    with pytest.raises(InputError, match="sort="):
        by_hand(VALUES).visualize(0, visualizer="bar", sort=sort)


def test_scaling_sees_all_features_before_any_is_left_out(by_hand):
    axes = (
        by_hand([[1.0, 3.0]])
        .visualize(0, visualizer="bar", scaler="normalize", num_visualize=1)
        .axes[0]
    )
    assert lengths(axes) == [0.75]


def test_a_function_can_scale(by_hand):
    visualizer = BarPlot(scaler=lambda values: Scaling(10.0))
    assert lengths(by_hand([[1.0, 3.0]]).visualize(0, visualizer=visualizer).axes[0]) == [30, 10]


def test_colours_tell_signs_apart_unless_one_is_chosen(by_hand):
    from matplotlib.colors import to_rgba

    explanation = by_hand([[1.0, -2.0]])
    faces = [
        bar.get_facecolor() for bar in explanation.visualize(0, visualizer="bar").axes[0].patches
    ]
    assert faces == [to_rgba(NEGATIVE), to_rgba(POSITIVE)]
    faces = {
        bar.get_facecolor()
        for bar in explanation.visualize(0, visualizer="bar", color="red").axes[0].patches
    }
    assert faces == {to_rgba("red")}


def test_titles_and_labels(by_hand):
    explanation = by_hand(VALUES, ids=["Ann", "Bob"])
    assert (
        explanation.visualize(1, visualizer="bar").axes[0].get_title().startswith("Bob: class 0, ")
    )
    axes = explanation.visualize(1, visualizer="bar", title="t", xlabel="x").axes[0]
    assert (axes.get_title(), axes.get_xlabel()) == ("t", "x")
    assert by_hand(VALUES).visualize(1, visualizer="bar").axes[0].get_title().startswith("row 1: ")


def test_names_are_not_read_as_mathematics_and_do_not_outgrow_the_picture(by_hand):
    explanation = by_hand([[2.0, 1.0]], columns=["$x_1$ or $y^", "n" * 200])
    figure = explanation.visualize(0, visualizer="bar")
    figure.savefig(io.BytesIO(), format="png")
    dollars, long = labels(figure.axes[0])
    assert dollars == r"\$x_1\$ or \$y^"
    assert len(long) == 32 and long.endswith("…")


ALIKE = {
    "ends": ["how often do you eat in company: never", "how often do you eat in company: daily"],
    "several": ["x" * 90 + "a" * 40 + "1", "x" * 90 + "a" * 40 + "2", "x" * 90 + "b" * 40 + "1"],
    "one is the beginning": ["n" * 40, "n" * 41, "n" * 80],
    "white space": ["n" * 31 + " 1", "n" * 31 + " 2"],
}


@pytest.mark.parametrize("kind", ALIKE)
def test_names_that_begin_alike_are_told_apart(by_hand, kind):
    names = ALIKE[kind]
    figure = by_hand([range(1, len(names) + 1)], columns=names).visualize(0, visualizer="bar")
    shown = labels(figure.axes[0])
    assert len(set(shown)) == len(names)
    assert all(len(label) <= 32 for label in shown)


def test_equal_names_stay_equal(by_hand):
    figure = by_hand([[2.0, 1.0]], columns=["n" * 50] * 2).visualize(0, visualizer="bar")
    assert labels(figure.axes[0]) == ["n" * 31 + "…"] * 2


def test_grid_has_items_by_explanations_in_one_order_a_row(by_hand):
    first = by_hand([[1.0, 2.0], [2.0, 1.0], [0.0, 1.0]], columns=["a", "b"])
    second = by_hand([[9.0, 0.0], [0.0, 1.0], [0.0, 1.0]], columns=["a", "b"])
    figure = salience.grid(
        {"one": first, "two": second}, [0, 1], scaler="abs_max", visualizer="bar", share="column"
    )
    axes = np.array(figure.axes).reshape(2, 2)
    assert [a.get_title() for a in axes[0]] == ["one", "two"]
    assert [a.get_ylabel().split("\n")[0] for a in axes[:, 0]] == ["row 0", "row 1"]
    assert labels(axes[0, 0]) == ["a", "b"]
    assert lengths(axes[0, 0]) == [0.5, 1.0]
    assert lengths(axes[0, 1]) == [1.0, 0.0]
    assert labels(axes[0, 1]) == []


def test_grid_refuses_explanations_of_other_features(by_hand):
    with pytest.raises(InputError, match="'two' has other features"):
        salience.grid({"one": by_hand([[1.0, 2.0]]), "two": by_hand([[1.0]])})


def test_positions_that_are_not_the_columns_are_numbered(by_hand):
    explanation = by_hand([[1.0, 2.0]], columns=["a", "b", "c"])
    assert labels(explanation.visualize(0, visualizer="bar").axes[0]) == ["feature 1", "feature 0"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_visualize": 0}, "leaves nothing to draw"),
        ({"scaler": "normalise"}, "did you mean 'normalize'"),
        ({"colour": "red"}, "did you mean 'color'"),
    ],
)
def test_refuses_settings_before_drawing(by_hand, options, message):
    with pytest.raises(InputError, match=message):
        by_hand(VALUES).visualize(0, visualizer="bar", **options)


def test_refuses_saliency_that_is_no_table(by_hand):
    with pytest.raises(InputError, match=r"shape \(rows, features\), got \(1, 2, 3\)"):
        by_hand(torch.zeros(1, 2, 3), columns=["a", "b"]).visualize(0, visualizer="bar")


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_writes_files_and_leaves_pyplot_alone(by_hand, tmp_path, suffix):
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    by_hand(VALUES).visualize(0, visualizer="bar", path=tmp_path / f"bars.{suffix}")
    assert (tmp_path / f"bars.{suffix}").stat().st_size > 1000
    assert dict(mpl.rcParams) == before
    import sys

    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()


@pytest.mark.parametrize("n_features", [1, 3, 8])
def test_long_names_of_rows_stay_beside_their_panels(by_hand, n_features):
    names = ["a$b" * 20, "two words and " * 3, "x" * 5000]
    found = dataclasses.replace(by_hand(torch.ones(3, n_features)), ids=names)
    figure = salience.grid({"one": found, "two": found})
    figure.draw_without_rendering()
    spans = [axes.yaxis.label.get_window_extent() for axes in figure.axes[::2]]
    for above, below in itertools.pairwise(spans):
        assert above.y0 >= below.y1
    assert all(span.x0 >= 0 and span.y0 >= 0 and span.y1 <= figure.bbox.y1 for span in spans)
