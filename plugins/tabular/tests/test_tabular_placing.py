"""Panels stand where their texts have room, without matplotlib's own layout."""

from __future__ import annotations

import pickle
from io import BytesIO

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import salience
from salience_tabular.pictures.placing import balanced, fitted, width_of

ROWS = [[0.61, -2.0, 0.1], [3.0, 1.0, -0.5], [0.2, 0.7, 0.9]]
ERRORS = [[0.3, 1.5, 0.1]] * 3
NAMES = ["$a$ < b", "w" * 40, "a name of some words"]


def drawn(figure: Figure) -> Figure:
    figure.savefig(BytesIO(), format="png")
    return figure


def boxes(figure: Figure) -> list[tuple[str, tuple[float, ...]]]:
    """Text and extent in pixels of every text that is drawn."""
    renderer, texts = FigureCanvasAgg(figure).get_renderer(), list(figure.texts)
    for axes in filter(Axes.get_visible, figure.axes):
        texts += [axes.title, axes.xaxis.label, axes.yaxis.label, *axes.texts]
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
            texts += [tick.label1 for tick in ticks if tick.label1.get_visible()]
    return [
        (text.get_text(), tuple(text.get_window_extent(renderer).extents))
        for text in texts
        if text.get_text()
    ]


@pytest.mark.parametrize("kind", ["row", "one", "mean", "grid", "beside", "means", "bars", "long"])
def test_texts_are_inside_and_apart(by_hand, kind):
    found = by_hand(ROWS, ERRORS, columns=NAMES)
    figure = {
        "row": lambda: found.visualize(0),
        "one": lambda: found.visualize(0, num_visualize=1),
        "mean": found.visualize,
        "grid": lambda: salience.grid({"a": found, "b": found}),
        "beside": lambda: salience.grid({"a": found, "b": found}, ncols=2),
        "means": lambda: salience.grid({"a": found, "b" * 40: found}, "mean"),
        "bars": lambda: salience.grid({"a": found}, visualizer="bar", share="none", ncols=3),
        "long": lambda: found.visualize(0, title="a title " * 9, xlabel="some words " * 9),
    }[kind]()
    drawn(figure)
    width, height = figure.get_size_inches() * figure.dpi
    extents = boxes(figure)
    assert len(extents) > 8
    for text, (x0, y0, x1, y1) in extents:
        assert x0 >= 0 and y0 >= 0 and x1 <= width and y1 <= height, text
    for i, (text, one) in enumerate(extents):
        for other, two in extents[i + 1 :]:
            apart_x = min(one[2], two[2]) - max(one[0], two[0])
            apart_y = min(one[3], two[3]) - max(one[1], two[1])
            assert apart_x <= 1 or apart_y <= 1, (text, other)


def test_panels_have_one_size_whatever_their_names(by_hand):
    sizes = []
    for names in (["a", "b", "c"], NAMES):
        figure = drawn(salience.grid({"a": by_hand(ROWS, ERRORS, columns=names)}, ncols=2))
        inches = figure.get_size_inches()
        shown = [axes for axes in figure.axes if axes.get_visible()]
        sizes += [axes.get_position().size * inches for axes in shown]
    np.testing.assert_allclose(sizes, [sizes[0]] * 6, rtol=1e-9)


def test_a_figure_that_is_changed_is_laid_out_anew(by_hand):
    figure = drawn(by_hand(ROWS, ERRORS, columns=NAMES).visualize(0))
    placed = figure.axes[0].get_position().bounds
    assert drawn(pickle.loads(pickle.dumps(figure))).axes[0].get_position().bounds == placed
    figure.suptitle("above")
    figure.axes[0].tick_params(labelsize=13)
    drawn(figure)
    assert figure.axes[0].get_position().bounds != placed
    width, height = figure.get_size_inches() * figure.dpi
    for text, (x0, y0, x1, y1) in boxes(figure):
        assert x0 >= 0 and y0 >= 0 and x1 <= width and y1 <= height, text


@pytest.mark.parametrize("text", ["lines: 66 and 95 %", "WWWiii", "a − b", r"\$5", "two\nlines"])
def test_widths_are_those_of_matplotlib(text):
    figure = Figure(dpi=100)
    own = figure.text(0, 0, text, fontsize=9).get_window_extent(
        FigureCanvasAgg(figure).get_renderer()
    )
    assert width_of(text, 9) == pytest.approx(own.width / 100, rel=0.08)


def test_lines_are_as_wide_as_they_may_be_and_alike():
    text = "lines: 66 and 95 % intervals of a further draw of the parameters; hollow: uncertain"
    for inches in (1.0, 2.0, 3.0, 9.0):
        greedy, even = fitted(text, inches, 8), balanced(text, inches, 8)
        assert greedy.replace("\n", " ") == even.replace("\n", " ") == text
        assert greedy.count("\n") == even.count("\n")
        widths = [width_of(line, 8) for line in even.split("\n")]
        assert max(widths) <= width_of(greedy, 8) <= inches
    assert fitted("mmmmm", width_of("mm", 8) * 1.1, 8) == "mm\nmm\nm"
