"""The words of pictures: what the item is, what f is, and how values are scaled."""

from __future__ import annotations

from dataclasses import replace

import matplotlib
import numpy as np
import pytest
import torch

import salience
from plugins.molgraph.tests.pictured import SVG, fills, made, molecules, root, texts
from salience import Design, InputError, number_words
from salience_molgraph import MoleculePlot, MolGraph
from salience_molgraph.pictures.words import rounded


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-3.4567, "−3.46"),
        (1234.5, "1234"),
        (0.00123, "0.00123"),
        (1e-7, "1.00e−7"),
        (99999.0, "99999"),
        (1e9, "1.00e9"),
        (999.7, "1000"),
    ],
)
def test_numbers_have_three_digits_and_a_minus_sign(value, text):
    assert number_words(value) == text


def test_numbers_of_a_column_have_the_decimals_of_its_largest():
    assert [rounded(v, 0.9, sign=True) for v in (0.9, -0.123, 0.0, 0.001)] == [
        *("+0.90", "−0.12", "0", "+0.001")
    ]
    assert rounded(12.345, 12.345) == "12.3"


def test_a_caption_names_the_item_and_what_f_is():
    explanation = made(["CO"], [[2.5, -0.5]], score=-3.456)
    plot = MoleculePlot(output_name="log solubility", unit="log₁₀ mol/L")
    drawing = plot.item(explanation, 0)
    assert texts(drawing, "legend") == ["CO"]
    assert texts(drawing, "said") == ["log solubility −3.46 log₁₀ mol/L"]
    assert texts(drawing, "label") == ["contribution to log solubility (log₁₀ mol/L)"]
    assert texts(MoleculePlot().item(explanation, 0), "said") == ["predicted −3.46"]


def test_what_is_unknown_is_not_written():
    drawing = MoleculePlot().item(made(["CO"], [[2.5, -0.5]], score=float("nan")), 0)
    assert texts(drawing, "said") == []
    assert "nan" not in drawing.svg.lower()


def _class(row, output, score):
    explanation = made(["CO"], [[2.5, -0.5]], score=score, output=output)
    return replace(explanation, prediction=torch.tensor([row], dtype=torch.float64))


@pytest.mark.parametrize(
    ("row", "output", "score", "words"),
    [
        ([1.0, 3.0, 2.0], {"name": "predicted"}, 3.0, "class 1, probability .67, logit 3"),
        ([1.0, 3.0, 2.0], {"name": "class", "index": 0}, 1.0, "class 0, softmax .09, logit 1"),
        ([1.0, 3.0, 2.0], {"name": "class", "index": -1}, 2.0, "class 2, softmax .24, logit 2"),
        ([0.25, 0.75], {"name": "predicted"}, 0.75, "class 1, probability .75"),
        (
            np.log([0.25, 0.75]).tolist(),
            {"name": "predicted"},
            float(np.log(0.75)),
            "class 1, probability .75, log-probability −0.288",
        ),
        ([1.0, 3.0], {"name": "class", "index": 0}, 7.0, "class 7"),
        ([1.0, 3.0], {"name": "cross_entropy"}, 0.3, "cross-entropy 0.3"),
        ([1.0, 3.0], {"name": "value", "index": 0}, 1.0, "predicted 1"),
        ([1.0, 30.0], {"name": "predicted"}, 30.0, "class 1, probability > .995, logit 30"),
    ],
)
def test_a_class_has_its_probability_where_the_scores_are_of_classes(row, output, score, words):
    drawing = MoleculePlot().item(_class(row, output, score), 0)
    assert texts(drawing, "said") == [words]


def test_a_function_of_the_user_is_named(ragged):
    domain = MolGraph(fields=("atoms", "edge_index", "owner", "bond_type"))

    def squared(output):
        return output[:, 0] ** 2

    explanation = salience.explain(ragged, ["CCO"], domain, output=squared)
    (words,) = texts(explanation.visualize(0), "said")
    assert words == f"squared {number_words(float(explanation.score[0]))}"


def test_a_template_knows_scores_outputs_and_properties():
    notes = [{"properties": {"SOL": -3.5, "set": "test"}}]
    explanation = made(["CO"], [[2.5, -0.5]], notes=notes)
    assert texts(MoleculePlot().item(explanation, 0), "said") == [
        "predicted 0.5, SOL −3.5, set test"
    ]
    plot = MoleculePlot(legend="{id}: {output}, measured {SOL:.2f} ({set})")
    assert texts(plot.item(explanation, 0), "legend") == [
        "CO: predicted 0.5, measured −3.50 (test)"
    ]
    with pytest.raises(InputError, match=r"\{SOL\}"):
        MoleculePlot(legend="{sol}").item(explanation, 0)


NAN = float("nan")
MAGNITUDES = Design(signed=False)


@pytest.mark.parametrize(
    ("settings", "delta", "design", "label"),
    [
        ({}, 1.0, None, "contribution to the predicted value"),
        ({"scaler": "abs_max"}, 1.0, None, "saliency, largest magnitude of the molecule = 1"),
        ({}, NAN, None, "saliency, largest magnitude of the molecule = 1"),
        ({"scaler": "identity"}, NAN, None, "saliency, as computed"),
        (
            {"unit": "eV"},
            1.0,
            MAGNITUDES,
            "saliency without sign, in units of the predicted value (eV)",
        ),
        ({"scaler": "normalize"}, 1.0, None, "saliency, magnitudes of the molecule sum to 1"),
        ({"scaler": lambda values: values * 2}, 1.0, None, "saliency, scaled"),
        ({"label": "mine"}, 1.0, None, "mine"),
    ],
)
def test_the_bar_says_how_values_are_scaled(settings, delta, design, label):
    plot = MoleculePlot(**settings)
    drawing = plot.item(made(["CO"], [[2.5, 0.5]], delta=delta, design=design), 0)
    assert " ".join(texts(drawing, "label")) == label


def test_pictures_of_an_explanation_share_its_scale_unless_asked():
    explanation = made(["CO", "CN"], [[1.0, 0.5], [4.0, -2.0]], delta=float("nan"))
    shared = [explanation.visualize(item, scaler="identity") for item in (0, 1)]
    assert texts(shared[0], "tick") == texts(shared[1], "tick") == ["−4", "0", "+4"]
    relative = explanation.visualize(0)
    assert texts(relative, "tick") == ["−1", "0", "+1"]
    assert " ".join(texts(relative, "label")).endswith("of all 2 molecules = 1")
    assert fills(relative) == fills(shared[0])
    own = explanation.visualize(0, scaler="identity", scale="item")
    assert texts(own, "tick") == ["−1", "0", "+1"]


def test_values_beyond_the_limit_are_told():
    explanation = made(["CO"], [[2.0, -1.0]])
    assert texts(MoleculePlot(limit=1.5).item(explanation, 0), "tick") == ["≤ −1.5", "0", "≥ +1.5"]
    assert texts(MoleculePlot(limit=2.0).item(explanation, 0), "tick") == ["−2", "0", "+2"]


def test_zeros_are_not_scaled_to_one():
    drawing = MoleculePlot().item(made(["CO"], [[0.0, 0.0]], delta=float("nan")), 0)
    assert texts(drawing, "label") == ["saliency, 0 everywhere"]


def test_magnitudes_have_a_map_of_one_colour_from_zero_on():
    design = Design(signed=False)
    explanation = made(["CO"], [[2.0, 1.0]], [[1.0, 1.0]], design=design)
    drawing = explanation.visualize(0)
    assert texts(drawing, "tick") == ["0", "2"]
    assert fills(drawing)["atom-0"].lower() == salience.colors.PLAIN
    assert texts(drawing, "note") == [] == texts(drawing, "key")


@pytest.mark.parametrize("color_fn", ["jet", matplotlib.colormaps["jet"]], ids=["name", "object"])
def test_maps_of_matplotlib_are_taken(color_fn):
    drawing = made(["CO"], [[1.0, -1.0]]).visualize(0, color_fn=color_fn)
    assert fills(drawing) == {"atom-0": "#800000", "atom-1": "#000080", "bond-0": "#80FF77"} or (
        fills(drawing)["atom-0"],
        fills(drawing)["atom-1"],
    ) == ("#800000", "#000080")


def test_letters_on_dark_discs_have_a_light_edge():
    """The contrast of black and the darkest blue of "RdBu_r" is 1.6, and with white it is 13."""
    explanation = made(["CO"], [[1.0, -1.0]])
    dark = explanation.visualize(0, color_fn="RdBu_r").svg
    pale = explanation.visualize(0, color_fn=lambda value: (0.9, 0.9, 0.9)).svg
    assert "stroke-linejoin:round" in dark and "stroke-linejoin:round" not in pale


def test_an_svg_has_a_title_and_a_text_in_its_place():
    explanation = made(["CCO"], [[0.5, -2.0, 0.1]], [[0.01, 0.01, 0.5]])
    drawing = explanation.visualize(0)
    top = root(drawing)
    names = str(top.get("aria-labelledby")).split()
    found = {e.get("id"): e.text for e in top if e.tag in (f"{SVG}title", f"{SVG}desc")}
    assert top.get("role") == "img" and list(found) == names
    assert found[names[0]] == "Saliency of CCO"
    assert found[names[1]] == (
        "CCO. predicted 0.5. Largest: C1 −2, C0 +0.5, O2 +0.1 (sign uncertain); "
        "the sign of 1 of 3 is uncertain."
    )
    other = root(salience.grid({"a": explanation, "b": explanation}))
    assert str(other.get("aria-labelledby")).split() != names
    assert "a: CCO." in str([e.text for e in other if e.tag == f"{SVG}desc"])


@pytest.mark.parametrize("name", ["x" * 80, "$\\alpha$ <b>&amp;</b>", "😀 emoji", "two\nlines"])
def test_names_of_any_kind_stay_inside(name):
    explanation = made(["CO"], [[1.0, 2.0]])
    explanation = replace(explanation, ids=[name])
    for drawing in (explanation.visualize(0), salience.grid({"a": explanation})):
        (text,) = texts(drawing, "legend")
        assert text.rstrip("…").strip() in name.replace("\n", " ")
        assert len(molecules(drawing)) == 1 and drawing.png


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scale": "molecule"}, "unknown scale='molecule'"),
        ({"share": "rows"}, "did you mean 'row'"),
        ({"ncols": 0}, "ncols=0"),
        ({"unit": 3}, "unit=3"),
        ({"output_name": None}, "output_name=None"),
        ({"strip": "yes"}, "strip"),
    ],
)
def test_unknown_settings_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        MoleculePlot(**settings)
