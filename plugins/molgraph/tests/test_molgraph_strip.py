"""Strips of points with intervals, and grids: where things lie, and what shares a scale."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch

import salience
from plugins.molgraph.tests.pictured import SVG, fills, made, molecules, root, texts
from salience import Design, InputError, colors
from salience_molgraph import MoleculePlot

VALUES, ERRORS = [1.0, -0.6, -0.8, 0.2, 0.4], [0.01, 0.01, 0.2, 0.2, 0.01]


def _lines(drawing, kind: str) -> list[tuple[float, float, float]]:
    """Start, end and height of the horizontal lines of a class."""
    return [
        tuple(float(line.get(key, "nan")) for key in ("x1", "x2", "y1"))
        for line in root(drawing).iter(f"{SVG}line")
        if line.get("class") == kind
    ]


def _points(drawing) -> list[tuple[float, float, bool, str]]:
    found = []
    for dot in root(drawing).iter(f"{SVG}circle"):
        x, y = (float(dot.get(key, "nan")) for key in ("cx", "cy"))
        found.append((x, y, "hollow" in str(dot.get("class")), str(dot.get("stroke"))))
    return found


def _axis(drawing, n_rows: int) -> tuple[float, float]:
    """Position of 0 and SVG units a unit of saliency, from the ticks."""
    ticks = [e for e in root(drawing).iter(f"{SVG}text") if e.get("class") == "tick"][:-3]
    assert n_rows and ticks
    places = {
        float(str(e.text).replace("−", "-").replace("+", "")): float(e.get("x", "nan"))
        for e in ticks
    }
    low, high = min(places), max(places)
    return places[0.0], (places[high] - places[low]) / (high - low)


@pytest.mark.parametrize("samples_parameters", [False, True])
def test_points_and_lines_lie_where_values_and_intervals_are(samples_parameters):
    design = Design(signed=True, samples_parameters=samples_parameters)
    explanation = made(["CC(O)CN"], [VALUES], [ERRORS], design=design)
    drawing = explanation.visualize(0, strip=True)
    zero, unit = _axis(drawing, 5)
    points = _points(drawing)
    assert [(x - zero) / unit for x, *_ in points] == pytest.approx(VALUES, abs=0.01)
    for level in (0.66, 0.95):
        low, high = (bound[0].tolist() for bound in explanation.interval(level))
        lines = _lines(drawing, f"interval-{100 * level:g}")
        assert [(x - zero) / unit for x, _, _ in lines] == pytest.approx(low, abs=0.01)
        assert [(x - zero) / unit for _, x, _ in lines] == pytest.approx(high, abs=0.01)
        assert [y for *_, y in lines] == [y for _, y, *_ in points]
    hollow = [not p < 0.05 for p in explanation.p_values()[0].tolist()]
    assert [is_hollow for *_, is_hollow, _ in points] == hollow
    signs = [colors.POSITIVE if v > 0 else colors.NEGATIVE for v in VALUES]
    assert [color for *_, color in points] == signs
    assert texts(drawing, "row") == ["C0", "C1", "O2", "C3", "N4"]
    of = "a further draw of the parameters" if samples_parameters else "draws of noise"
    note = " ".join(texts(drawing, "note"))
    assert note.startswith("lines: 66 and 95 % intervals of ") and of in note
    assert "hollow where the 95 % interval holds 0" in note


def test_indices_are_drawn_in_the_structure_beside_a_strip():
    explanation = made(["CC(O)CN"], [VALUES], [ERRORS])
    assert "class='note'" in explanation.visualize(0, strip=True).svg
    assert "class='note'" not in explanation.visualize(0).svg


def test_single_draws_and_magnitudes_have_no_lines_or_hollow_points():
    single = made(["CC(O)CN"], [VALUES]).visualize(0, strip=True)
    assert len(_points(single)) == 5
    assert not _lines(single, "interval-95") and texts(single, "note") == []
    design = Design(signed=False)
    magnitudes = [abs(v) for v in VALUES]
    drawing = made(["CC(O)CN"], [magnitudes], [ERRORS], design=design).visualize(0, strip=True)
    assert len(_lines(drawing, "interval-95")) == 5
    assert not any(is_hollow for *_, is_hollow, _ in _points(drawing))
    assert "hollow" not in " ".join(texts(drawing, "note"))


def test_of_many_values_the_largest_are_shown_and_it_is_said():
    values = torch.linspace(-1, 1, 60).tolist()
    drawing = made(["C" * 60], [values]).visualize(0, strip=True)
    assert texts(drawing, "row") == [f"C{i}" for i in [*range(20), *range(40, 60)]]
    assert texts(drawing, "note") == ["the 40 largest of 60"]
    assert len(fills(drawing)) == 60 + 59


def test_intervals_beyond_the_axis_end_in_an_arrow():
    values, errors = [0.1, 0.02, -0.05], [0.6, 0.001, 0.001]
    drawing = made(["CCO"], [values], [errors]).visualize(0, strip=True)
    assert texts(drawing, "arrow") == ["‹", "›"]
    right = max(x for _, x, _ in _lines(drawing, "axis"))
    assert all(x <= right for _, x, _ in _lines(drawing, "interval-95"))


def _boxes(drawing) -> list[tuple[float, float]]:
    places = (re.findall(r"[\d.]+", group.get("transform", "")) for group in molecules(drawing))
    return [(float(x), float(y)) for x, y in places]


def test_rows_are_as_high_as_their_molecules():
    chain, ring = [0.1] * 10, [0.1] * 14
    explanation = made(["CCCCCCCCCO", "c1ccc2cc3ccccc3cc2c1"], [chain, ring])
    drawing = salience.grid({"a": explanation, "b": explanation})
    boxes = _boxes(drawing)
    assert boxes[0][1] == boxes[1][1] and boxes[2][1] == boxes[3][1]
    high = boxes[2][1] - boxes[0][1]
    reverse = made(["c1ccc2cc3ccccc3cc2c1", "CCCCCCCCCO"], [ring, chain])
    turned = _boxes(salience.grid({"a": reverse, "b": reverse}))
    assert high < turned[2][1] - turned[0][1]  # a chain is flatter than three rings


def test_a_box_fits_its_molecule_up_to_a_page():
    small = made(["CO"], [[1.0, 1.0]]).visualize(0)
    large = made(["C" * 300], [[1.0] * 300]).visualize(0)
    assert small.width <= 330 < large.width <= 900
    asked = made(["CO"], [[1.0, 1.0]]).visualize(0, size=(500, 400))
    assert asked.width > 500 and asked.height > 400


def _three() -> salience.Explanation:
    return made(["CO", "CN", "CF"], [[1.0, 0.5], [2.0, -0.5], [4.0, 1.0]])


@pytest.mark.parametrize(
    ("share", "n_bars", "ticks"),
    [
        ("all", 1, {"+8"}),
        ("row", 3, {"+2", "+4", "+8"}),
        ("column", 2, {"+4", "+8"}),
        ("none", 6, {"+1", "+2", "+4", "+8"}),
        (None, 1, {"+8"}),
    ],
)
def test_a_grid_has_a_scale_for_what_shares_it(share, n_bars, ticks):
    one = _three()
    flat = one.only.flat * 2
    two = replace(one, saliency={"embed": replace(one.only, flat=flat)})
    drawing = salience.grid({"one": one, "two": two}, share=share)
    bars = [e for e in root(drawing).iter(f"{SVG}rect") if e.get("class") == "color-bar"]
    assert len(bars) == n_bars
    assert {t for t in texts(drawing, "tick") if t.startswith("+")} == ticks
    full = [panel for panel in range(6) if fills(drawing, panel)["atom-0"].lower() == "#d55e00"]
    expected = {"all": [5], "row": [1, 3, 5], "column": [4, 5], "none": list(range(6)), None: [5]}
    assert full == expected[share]


def test_methods_of_different_units_share_no_scale_by_default():
    one = made(["CO"], [[1.0, 0.5]], calculator={"name": "gradient"}, delta=float("nan"))
    two = made(["CO"], [[4.0, 0.5]], calculator={"name": "integrated_gradients"})
    drawing = salience.grid({"one": one, "two": two})
    assert texts(drawing, "tick") == ["−1", "0", "+1", "−4", "0", "+4"]
    words = " ".join(texts(drawing, "label"))
    assert (
        words == "saliency, largest magnitude of the column = 1 contribution to the predicted value"
    )


@pytest.mark.parametrize(("ncols", "rows"), [(1, 3), (2, 2), (3, 1), (9, 1), (None, 1)])
def test_molecules_lie_side_by_side(ncols, rows):
    drawing = salience.grid({"one": _three()}, ncols=ncols)
    boxes = _boxes(drawing)
    assert len({y for _, y in boxes}) == rows
    assert texts(drawing, "legend") == ["CO", "CN", "CF"]
    assert [m.get("data-item") for m in molecules(drawing)] == ["0", "1", "2"]


def test_outputs_that_differ_are_said_below_each_molecule():
    one, two = _three(), replace(_three(), score=torch.tensor([1.0, 2.0, 3.0]))
    same = salience.grid({"one": one, "again": one}, items=[0])
    assert texts(same, "said") == ["predicted 0.5"]
    assert texts(salience.grid({"one": one, "two": two}, items=[0]), "said") == [
        *("predicted 0.5", "predicted 1")
    ]


def test_a_grid_without_end_is_refused():
    many = made(["CO"] * 101, [[1.0, 0.5]] * 101)
    with pytest.raises(InputError, match=r"101 panels.*more than the 100"):
        salience.grid({"one": many})
    assert len(molecules(salience.grid({"one": many}, items=range(100)))) == 100


def test_strips_of_a_column_share_their_axis():
    explanation = made(["CO", "CN"], [[1.0, 0.5], [4.0, -2.0]], [[0.1, 0.1], [3.0, 0.1]])
    drawing = salience.grid({"one": explanation}, strip=True, ncols=1)
    zeros = [x for x, _, _ in _lines(drawing, "zero")]
    assert len(zeros) == 2 and zeros[0] == zeros[1]
    ticks = texts(drawing, "tick")[:-3]
    assert ticks[: len(ticks) // 2] == ticks[len(ticks) // 2 :]


def test_a_plot_that_was_asked_for_nothing_draws_what_it_did():
    """The same picture, made twice, is the same to the byte."""
    explanation = made(["CC(O)CN"], [VALUES], [ERRORS])
    plot = MoleculePlot(strip=True)
    assert plot.item(explanation, 0).svg == plot.item(explanation, 0).svg
    assert plot.item(explanation, 0).png == plot.item(explanation, 0).png
