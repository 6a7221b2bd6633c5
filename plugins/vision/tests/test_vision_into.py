"""Maps drawn into axes and figures of the user's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import salience
from plugins.vision.tests.pictured import explanation, positive
from salience import InputError
from salience_vision import Montage, Overlay


def inside(part: Any, figure: Figure) -> bool:
    """Whether all axes and texts of a figure or subfigure lie inside it."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    boxes = [axes.get_tightbbox(renderer) for axes in part.axes]
    boxes += [text.get_window_extent(renderer) for text in part.texts]
    box = part.bbox
    return all(
        b.x0 >= box.x0 - 1 and b.y0 >= box.y0 - 1 and b.x1 <= box.x1 + 1 and b.y1 <= box.y1 + 1
        for b in boxes
    )


@pytest.mark.parametrize("item", [0, None])
def test_a_passed_ax_keeps_its_figure(item: Any) -> None:
    made = explanation(positive())
    figure = Figure(figsize=(9, 3))
    left, right = figure.subplots(1, 2)
    line = right.plot([1, 2])[0]
    found = made.visualize(item, visualizer=Overlay(percentile=100), ax=left)
    assert found is figure
    assert tuple(figure.get_size_inches()) == (9, 3)
    assert right.lines == [line] if isinstance(right.lines, list) else line in right.lines
    values = made.values[0] if item == 0 else made.values.mean(0)
    top = float(made.values.max()) if item == 0 else float(values.max())
    assert np.allclose(left.images[-1].get_array(), values / top)
    assert left.get_title().startswith("p0.png" if item == 0 else "mean over 2 items")


def test_montages_and_grids_fill_a_figure_or_a_subfigure() -> None:
    made = explanation(positive() - 0.5)
    figure = Figure(figsize=(11, 6))
    left, right = figure.subfigures(1, 2)
    assert salience.grid({"one": made, "two": made}, figure=left) is figure
    assert made.visualize(0, figure=right, visualizer=Montage()) is figure
    assert len(left.axes) == 2 * 3 + 1 and len(right.axes) == 2
    assert inside(left, figure) and inside(right, figure)
    assert tuple(figure.get_size_inches()) == (11, 6)
    for cell in left.axes[:-1]:
        box = cell.bbox
        assert box.width / box.height == pytest.approx(16 / 12)


def test_pictures_take_as_much_of_a_figure_as_they_can() -> None:
    made = explanation(positive())
    for size in ((5, 5), (10, 4), (4, 10)):
        figure = Figure(figsize=size)
        made.visualize(0, figure=figure)
        assert inside(figure, figure)
        photo = figure.axes[0].bbox.bounds[2:]
        assert max(photo[0] / figure.bbox.width, photo[1] / figure.bbox.height) > 0.55


def test_what_cannot_be_filled_is_refused_and_left_empty() -> None:
    made = explanation(positive())
    with pytest.raises(InputError, match=r"too small .*takes \d"):
        made.visualize(0, figure=(small := Figure(figsize=(0.5, 0.5))))
    assert not small.axes and not small.texts
    full = Figure()
    full.subplots()
    with pytest.raises(InputError, match="holds axes already"):
        made.visualize(0, figure=full)
    with pytest.raises(InputError, match="no figure of matplotlib"):
        made.visualize(0, figure=3)
    with pytest.raises(InputError, match="both ax and figure"):
        made.visualize(0, figure=Figure(), ax=full.axes[0])
    with pytest.raises(InputError, match="pass an empty figure or subfigure by figure="):
        made.visualize(0, visualizer=Montage(), ax=full.axes[0])


def test_a_given_figure_is_not_made_to_show_itself() -> None:
    figure = Figure(figsize=(5, 5))
    before = set(vars(figure))
    explanation(positive()).visualize(0, figure=figure)
    assert set(vars(figure)) == before
    new = explanation(positive()).visualize(0)
    assert hasattr(new, "_repr_png_")
