"""Pictures in the user's axes, grids of means, caps of grids, and the text in place of pictures."""

from __future__ import annotations

import pickle
import sys
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib
import pytest
import torch
from matplotlib import pyplot
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image
from torch import nn

import salience
from salience import Explanation, InputError, Visualizer, number_words, score_name, score_words
from salience.colors import GROUND
from salience_tabular import BarPlot, Tabular

matplotlib.use("Agg")
SVG = "{http://www.w3.org/2000/svg}"


def net(outputs: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, outputs)
    ).double()


def explained(n: int = 6, model: Any = None, **settings: Any) -> Explanation:
    torch.manual_seed(1)
    domain = Tabular(feature_names=["a", "b", "c", "d"], class_names=["one", "two", "three"])
    options = {"samplers": ["mc_dropout"], "n_samples": 8, **settings}
    return salience.explain(model or net(), torch.randn(n, 4).double(), domain, **options)


@dataclass(frozen=True)
class Plain(Visualizer):
    """Draws figures of its own, and grids of any size."""

    def item(self, explanation: Explanation, item: int) -> Any:
        return Figure()

    def grid(self, explanations: Mapping[str, Explanation], items: Any) -> Any:
        return Figure()


@dataclass(frozen=True)
class Endless(Plain):
    max_panels = None


@pytest.mark.parametrize("visualizer", ["points", "bar", "heatmap", "beeswarm", "scatter"])
@pytest.mark.parametrize("item", [0, None])
def test_axes_that_are_passed_keep_their_figure(visualizer: str, item: int | None) -> None:
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3))
    options = {"colorbar": False} if visualizer == "heatmap" else {}
    found = explained().visualize(item, visualizer=visualizer, ax=right, **options)
    assert found is figure and figure.axes == [left, right]
    assert tuple(figure.get_size_inches()) == (9, 3)
    assert right.has_data() and right.get_title() and not left.has_data()
    pyplot.close(figure)


def test_axes_of_a_subfigure_return_the_figure_that_holds_it() -> None:
    figure = Figure()
    inner = figure.subfigures(1, 2)[0]
    assert explained().visualize(0, ax=inner.subplots()) is figure


def test_what_is_drawn_into_axes_is_written(tmp_path: Path) -> None:
    figure = Figure()
    explained().visualize(0, ax=figure.subplots(), path=tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("ax", [3, "axes", Figure()])
def test_what_is_no_axes_is_refused(ax: Any) -> None:
    with pytest.raises(InputError, match="is not axes of matplotlib"):
        explained().visualize(0, ax=ax)


def test_a_visualizer_that_draws_into_no_axes_says_which_do() -> None:
    with pytest.raises(InputError, match=r"Plain draws figures of its own.*points"):
        explained().visualize(0, visualizer=Plain(), ax=Figure().subplots())
    with pytest.raises(InputError, match="not into ax="):
        Plain().draw(None, explained(), 0)


def test_a_grid_of_means_is_of_explanations_of_any_items() -> None:
    few, many = explained(3), explained(9)
    figure = salience.grid({"few": few, "many": many}, "mean", visualizer="bar")
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == ["few", "many"]
    lengths = sorted(bar.get_width() for bar in figure.axes[1].patches)
    assert lengths == pytest.approx(sorted(many.mean("magnitude").tolist()), rel=1e-12)
    with pytest.raises(InputError, match="Plain draws no grids of means"):
        salience.grid({"few": few}, "mean", visualizer=Plain())


def test_a_grid_that_nobody_can_read_is_refused() -> None:
    found = explained(51)
    with pytest.raises(InputError, match="102 panels, 51 items × 2 explanations, is more than"):
        salience.grid({"one": found, "two": found}, visualizer=Plain())
    assert isinstance(salience.grid({"one": found}, visualizer=Plain()), Figure)
    assert isinstance(salience.grid({"a": found, "b": found}, visualizer=Endless()), Figure)
    with pytest.raises(InputError, match="at least one explanation"):
        salience.grid({})


# --- Text in place of a picture -------------------------------------------------------------------


def test_an_svg_file_says_what_it_shows(tmp_path: Path) -> None:
    found = explained(ids=["<x> & y", *range(1, 6)])
    found.visualize(0, path=tmp_path / "a.svg")
    root = ET.fromstring((tmp_path / "a.svg").read_bytes())
    assert root.get("role") == "img"
    assert [child.tag for child in root][:2] == [f"{SVG}title", f"{SVG}desc"]
    assert root[0].text == "Saliency of <x> & y"
    words = root[1].text or ""
    assert words.startswith(f"{score_words(found, 0)}. Saliency, largest first: ")
    largest = int(found.values[0].abs().argmax())
    assert words.split("largest first: ")[1].startswith("abcd"[largest])
    p = found.p_values()[0]
    order = found.values[0].abs().argsort(descending=True).tolist()
    shown = words.split("largest first: ")[1].removesuffix(".").split(", ")
    assert [("uncertain" in text) for text in shown] == [bool(p[i] >= 0.05) for i in order]


def test_means_and_grids_say_so_too(tmp_path: Path) -> None:
    found = explained()
    found.visualize(path=tmp_path / "a.svg")
    salience.grid({"one": found}, [0], path=tmp_path / "b.svg")
    for name in ("a", "b"):
        root = ET.fromstring((tmp_path / f"{name}.svg").read_bytes())
        assert root[0].text == "Saliency of 6 items"
        assert "Mean saliency, largest first: " in (root[1].text or "")


def test_figures_with_text_pickle_and_other_formats_are_as_before(tmp_path: Path) -> None:
    figure = explained().visualize(0)
    again = pickle.loads(pickle.dumps(figure))
    salience.save_figure(again, tmp_path / "a.svg")
    assert b"<desc>" in (tmp_path / "a.svg").read_bytes()
    salience.save_figure(Figure(), tmp_path / "b.svg")
    assert b"<desc>" not in (tmp_path / "b.svg").read_bytes()


# --- What f is ------------------------------------------------------------------------------------


def test_a_class_has_its_probability_and_logit() -> None:
    found = explained(samplers=[], n_samples=1)
    one = int(found.prediction[0].argmax())
    share = f"{float(found.prediction[0].softmax(0)[one]):.2f}".removeprefix("0")
    logit = number_words(float(found.score[0]))
    words = score_words(found, 0, name="spam")
    assert words == f"spam, probability {share}, logit {logit}"
    # Of a class that the user names, softmax is a probability only if classes exclude each other.
    found = explained(output="class:1", samplers=[], n_samples=1)
    share = f"{float(found.prediction[0].softmax(0)[1]):.2f}".removeprefix("0")
    assert score_words(found, 0) == f"two, softmax {share}, logit {number_words(found.score[0])}"
    assert score_name(found) == "logit of two"


def test_no_probability_is_made_of_outputs_that_are_no_logits_of_exclusive_classes() -> None:
    for output in ("predicted", "class:1"):
        model = nn.Sequential(net(), nn.Sigmoid())
        found = explained(model=model, output=output, samplers=[], n_samples=1)
        value = number_words(float(found.score[0]))
        assert score_words(found, 0, "spam") == f"spam, output {value}"
        assert score_name(found, "spam") == "output of spam"
    for output in (salience.Value(1), lambda scores: scores[:, 1]):
        found = explained(output=output, samplers=[], n_samples=1)
        assert not {"probability", "softmax"} & set(score_words(found, 0).split())


def test_names_of_all_rows_are_those_of_single_rows() -> None:
    found = explained(samplers=[], n_samples=1)
    rows = torch.tensor([[0.2, 0.3], [2.0, -1.0], [0.4, 0.6], [-0.1, -3.0], [9.0, 8.0], [0.9, 0.9]])
    made = replace(found, prediction=rows, score=rows.max(1).values)
    words = [score_words(made, item, "it") for item in range(6)]
    assert [text.split()[1] for text in words] == ["output", *["probability"] * 4, "output"]
    assert [text.count("logit") for text in words] == [0, 1, 0, 1, 1, 0]
    # A row of two logits whose sum is 1 cannot be told from probabilities, but all rows can.
    assert score_name(made) == "logit of the class"
    assert score_name(made.iloc[[0, 2]]) == "output of two"
    for item in range(6):
        alone = made.iloc[[item]]
        assert score_words(alone, 0, "it") == words[item]


def test_probabilities_have_no_logit() -> None:
    found = explained(model=nn.Sequential(net(), nn.Softmax(1)), samplers=[], n_samples=1)
    assert "logit" not in score_words(found, 0) and ", probability ." in score_words(found, 0)
    assert score_name(found).startswith("probability of ")


def test_log_probabilities_are_called_so() -> None:
    found = explained(model=nn.Sequential(net(), nn.LogSoftmax(1)), samplers=[], n_samples=1)
    assert ", log-probability −" in score_words(found, 0)


def test_values_have_their_unit_and_functions_their_name() -> None:
    found = explained(model=net(1), output="value", samplers=[], n_samples=1)
    number = number_words(float(found.score[0]))
    assert score_words(found, 0) == f"predicted {number}"
    assert score_words(found, 0, "log solubility", "mol/L") == f"log solubility {number} mol/L"
    assert score_name(found, "log solubility", "mol/L") == "log solubility (mol/L)"

    def margin(output: torch.Tensor) -> torch.Tensor:
        return output[:, 0] - output[:, 1]

    made = explained(output=margin, samplers=[], n_samples=1)
    assert score_words(made, 0).startswith("margin ") and score_name(made) == "margin"


def test_what_is_unknown_is_not_said() -> None:
    found = replace(explained(), score=torch.full((6,), torch.nan))
    assert score_words(found, 0) == ""
    assert "nan" not in found.visualize(0).axes[0].get_title()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0, "0"),
        (-0.25, "−0.25"),
        (1234.5, "1234"),
        (999.7, "1000"),
        (1e-4, "1.00e−4"),
        (3.21e9, "3.21e9"),
        (float("nan"), "unknown"),
    ],
)
def test_numbers_in_words(value: float, words: str) -> None:
    assert number_words(value) == words


def test_core_draws_without_importing_matplotlib_itself() -> None:
    import subprocess

    code = "import salience.visualize.drawing, sys; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_visualizer_by_object_draws_into_axes() -> None:
    figure = Figure()
    assert explained().visualize(0, visualizer=BarPlot(), ax=figure.subplots()) is figure


def test_a_grid_does_not_take_positions_of_a_selection_for_those_of_others() -> None:
    torch.manual_seed(0)
    explanation = salience.explain(nn.Linear(3, 2), torch.randn(4, 3), "tabular")
    with pytest.raises(InputError, match="item 0 is 0 in the first and 1 in 'b'"):
        salience.grid({"a": explanation.iloc[[0, 1]], "b": explanation.iloc[[1, 2]]})


LOOKS = [(0, "points"), (0, "bar"), (None, "points"), (None, "beeswarm"), (None, "scatter")]


@pytest.mark.parametrize("item, visualizer", LOOKS)
def test_a_dark_style_leaves_pictures_on_their_light_ground(
    item: int | None, visualizer: str, tmp_path: Path
) -> None:
    found, path = explained(), tmp_path / "a.png"
    with pyplot.style.context("dark_background"):
        figure = found.visualize(item, visualizer=visualizer, path=path)
    assert [to_hex(axes.get_facecolor()) for axes in figure.axes[:1]] == [GROUND]
    assert to_hex(figure.get_facecolor()) == GROUND
    with Image.open(path) as image:
        assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("ground, refused", [("black", True), ("#333333", True), ("white", False)])
def test_a_dark_figure_of_the_user_is_refused(ground: str, refused: bool) -> None:
    for handed in ("ax", "figure"):
        figure = Figure(facecolor=ground)
        options = {handed: figure.subplots() if handed == "ax" else figure}
        if refused:
            with pytest.raises(InputError, match="cannot be read; pass a light one"):
                explained().visualize(0, **options)
        else:
            explained().visualize(0, **options)


def test_a_transparent_figure_of_the_user_may_stand_on_anything() -> None:
    figure = Figure(facecolor="none")
    assert explained().visualize(0, ax=figure.subplots()) is figure


@pytest.mark.parametrize("projection", ["3d", "polar"])
def test_axes_with_a_projection_are_refused(projection: str) -> None:
    ax = Figure().add_subplot(projection=projection)
    with pytest.raises(InputError, match=f"the projection '{projection}'"):
        explained().visualize(0, ax=ax)
