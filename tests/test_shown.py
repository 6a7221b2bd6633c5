"""What objects say of themselves: short, true, harmless, and never an error."""

from __future__ import annotations

import copy
import json
import pickle
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

import salience
import salience_tabular
from salience import Explanation, InputError, Tensors, Visualizer
from salience_tabular import Tabular
from salience_vision import Vision
from tests.nets import Atoms, Two

torch.manual_seed(0)
NET = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 2))
HOSTILE = ['<script>alert(1)</script>"', "'onload=x", "a" * 5000, "line\nline", "\u202etfel"]
NOISE: dict[str, Any] = {"samplers": ["gaussian"], "n_samples": 4}


def table(rows: int = 5, **settings: Any) -> Explanation:
    data = torch.randn(rows, 3, generator=torch.Generator().manual_seed(0))
    frame = pd.DataFrame(data.numpy(), columns=["a", "b", "c"])
    return salience.explain(NET, frame, "tabular", **(NOISE | settings))


def hostile() -> Explanation:
    data = torch.randn(5, 3)
    frame = pd.DataFrame(data.numpy(), columns=[name[:80] for name in HOSTILE[:3]], index=HOSTILE)
    return salience.explain(NET, frame, "tabular", **NOISE)


def photos(size: int = 400) -> Explanation:
    pixels = np.random.default_rng(0).integers(0, 255, (3, size, size, 3), dtype=np.uint8)
    net = nn.Sequential(nn.AdaptiveAvgPool2d(7), nn.Flatten(), nn.Linear(147, 4))
    domain = Vision(class_names=HOSTILE[:4])
    return salience.explain(net, list(pixels), domain, **NOISE, aggregator="abs")


def molecules(number: int = 4) -> Explanation:
    smiles = ["CCO", "c1ccccc1O", "CC(=O)Oc1ccccc1C(=O)O", "C" * 60] * (number // 4 + 1)
    return salience.explain(Atoms(), smiles[:number], "molgraph", **NOISE)


def tensors() -> Explanation:
    return salience.explain(NET, torch.randn(4, 3), Tensors(), **NOISE)


def several() -> Explanation:
    frame = pd.DataFrame({"u": [0.1, 0.5], "k": [1, 2]})
    domain = Tabular(categorical=("k",))
    return salience.explain(Two(), frame, domain, target=["embed"], **NOISE)


EXPLANATIONS: dict[str, Any] = {
    "table": table,
    "10 000 rows": lambda: table(10_000),
    "10 000 molecules": lambda: molecules(10_000),
    "hostile names": hostile,
    "photos": photos,
    "molecules": molecules,
    "tensors": tensors,
    "an inner variable": several,
    "a single draw": lambda: table(samplers=[], n_samples=1),
    "nested": lambda: table(samplers=["mc_dropout", "gaussian"], n_samples=(3, 4)),
    "pairs": lambda: table(samplers=["gaussian:antithetic=True"]),
    "until": lambda: table(n_samples=salience.Until(rel_error=0.05)),
    "magnitudes": lambda: table(aggregator="abs"),
    "a path": lambda: table(calculator="integrated_gradients"),
    "groups": lambda: table(pool={"x": [0, 1], "y": [2]}),
    "zeros": lambda: salience.explain(
        lambda x: x.sum(1) * 0, torch.ones(2, 3), Tensors(), output="value"
    ),
}


@pytest.mark.parametrize("kind", EXPLANATIONS)
def test_an_explanation_is_shown_in_six_lines(kind: str) -> None:
    text = repr(EXPLANATIONS[kind]())
    assert 1 < len(text.splitlines()) <= 6 and len(text) <= 600
    assert text.startswith("Explanation of ") and ".to_dataframe()" in text
    assert (".visualize(0)" in text) == (kind not in ("tensors", "zeros"))  # nothing draws these


@pytest.mark.parametrize("kind", EXPLANATIONS)
def test_the_page_of_an_explanation_is_small_and_harmless(kind: str) -> None:
    page = EXPLANATIONS[kind]()._repr_html_()
    assert len(page) <= 100_000
    bare = re.sub(r"data:image/\w+;base64,[\w+/=]+", "", page).lower()
    assert "<script" not in bare and "http" not in bare and "<table" in bare
    assert "onload" not in bare or "&#x27;onload" in bare


def test_the_lines_say_what_was_found() -> None:
    found = table(50, samplers=["mc_dropout"], n_samples=20, calculator="integrated_gradients")
    text = repr(found)
    low, high = float(found.values.min()), float(found.values.max())
    assert f"{low:.3g} to {high:.3g}" in text
    share = 100 * float((found.p_values() < 0.05).double().mean())
    assert f"{share:.2g} % certain (p < .05)" in text
    relative = 100 * float((found.std_error / found.values.abs()).median())
    assert f"median relative error {relative:.0f} %" in text
    for words in (
        "50 items (tabular)",
        "integrated_gradients under mc_dropout",
        "20 draws",
        "hold",
    ):
        assert words in text
    assert "completeness gap" in text
    assert "certain" not in repr(table(aggregator="abs"))
    assert "gap" not in repr(table())


def test_a_share_of_many_values_is_taken_of_items_over_the_whole() -> None:
    # Of 2 000 000 values every second item has the value 1, without error; the others are 0.
    values = (torch.arange(2000) < 500).float()[:, None].expand(-1, 1000).contiguous()
    small = salience.explain(NET, torch.randn(2, 3), Tensors(), **NOISE)
    items = small.iloc[[0] * 2000]
    saliency = salience.Saliency(values, torch.full_like(values, 0.01))
    text = repr(replace(items, saliency={"input": saliency}))
    assert "25 % certain" in text and "of 1,000,000 values" in text


def test_what_is_not_finite_not_converged_or_subtracted_is_said() -> None:
    found = table(50)
    flat = found.only.flat.clone()
    flat[3:5] = torch.nan
    odd = replace(found, saliency={"input": replace(found.only, flat=flat)})
    low, high = (float(v) for v in torch.aminmax(flat[flat.isfinite()]))
    assert f"values: {low:.3g} to {high:.3g}, 6 not finite" in repr(odd)
    assert "not converged" not in repr(found)
    converged = torch.arange(50) >= 3
    assert "3 items not converged" in repr(replace(found, converged=converged))
    # One value of 300 has an interval that holds 0: a share that rounds to 100 % is not all.
    ones = torch.ones(100, 3)
    ones[0, 0] = 0.0
    saliency = salience.Saliency(ones, torch.full_like(ones, 0.01))
    many = replace(table(100), saliency={"input": saliency})
    assert "above 99 % certain" in repr(many)
    rows = torch.randn(2, 3)
    one, other = (salience.explain(NET, rows, "tabular", output=f"class:{k}") for k in (0, 1))
    assert "output class:0 − class:1" in repr(one - other)
    assert "input, sums of groups" in repr(table(pool={"x": [0, 1], "y": [2]}))


def test_lines_move_no_cursor_and_turn_no_text_round() -> None:
    names = "\x1b[31m\u202egnp\r\x07" + "x" * 400
    data, ids = torch.randn(4, 3), [names + c for c in "abcd"]
    found = Explanation.from_arrays(torch.randn(4, 3), data, "tabular", method=names, ids=ids)
    text = repr(found)
    assert all(line.isprintable() for line in text.splitlines()) and len(text) <= 600
    assert "\\x1b[31m" in text


def test_large_items_are_shown_within_the_room_or_with_a_sentence() -> None:
    wide = salience.explain(nn.Linear(300, 2), torch.randn(3, 300), "tabular", **NOISE)
    page = wide._repr_html_()
    assert len(page) <= 100_000 and 'alt="Saliency of 0"' in page  # three would be too tall
    assert 'alt="Saliency of 0, 1, 2"' in table()._repr_html_()
    long = salience.explain(Atoms(), ["C" * 501, "CCO"], "molgraph", **NOISE)
    assert "Items of more than 500 elements are drawn by visualize(0)." in long._repr_html_()
    assert "<img" in long.iloc[[1, 0]]._repr_html_()  # the first alone


class Failing(Visualizer):
    """A visualizer with a fault of its own."""

    def item(self, explanation: Explanation, item: int) -> Figure:
        raise ZeroDivisionError("<b>division by zero</b>")

    grid = item  # type: ignore[assignment]


class Unwritable(Visualizer):
    """A visualizer whose figures cannot be written."""

    def item(self, explanation: Explanation, item: int) -> object:
        return object()


@pytest.mark.parametrize(
    ("visualizer", "words"),
    [(Failing(), "division by zero"), (Unwritable(), "expected a figure")],
)
def test_a_visualizer_that_fails_does_not_hide_the_result(
    visualizer: Visualizer, words: str
) -> None:
    class Own(Tabular):
        pass

    Own.visualizer = visualizer  # type: ignore[assignment]
    data = torch.randn(3, 3)
    page = salience.explain(NET, data, Own(), **NOISE)._repr_html_()
    assert "<table" in page and "certain (p" in page and words in page
    assert "<b>" not in page


def test_samples_say_what_to_do_with_them() -> None:
    explainer = salience.Explainer(NET, "tabular")
    kept = explainer.compute(torch.randn(5, 3), **NOISE)
    text = repr(kept)
    assert len(text.splitlines()) <= 6 and len(text) <= 600
    assert "4 draws of 5 items" in text and "aggregate" in text
    page = kept._repr_html_()
    assert "<table" in page and "4 draws of 5 items" in page and "<script" not in page
    assert len(page) <= 2000


@pytest.mark.parametrize("kind", ["table", "hostile names", "molecules", "10 000 rows"])
def test_what_a_result_holds_is_shown_on_a_line(kind: str) -> None:
    found = EXPLANATIONS[kind]()
    for one in (found.only, found.provenance, found.preflight, found.design, found.domain):
        assert len(repr(one)) <= 600 and "tensor([" not in repr(one)


PARTS: dict[str, Any] = {
    "a baseline": salience.IntegratedGradients(baseline=torch.zeros(1000)),
    "baselines": salience.IntegratedGradients(baseline=salience.PerItem(torch.zeros(50, 1000))),
    "an ensemble": salience.Ensemble([nn.Linear(50, 50).state_dict() for _ in range(9)]),
    "names": Tabular(feature_names=[f"feature {i}" for i in range(5000)]),
    "a posterior": salience.Posterior(type("Own", (), {"sample": lambda self: {}})()),
    "a target": salience.Target("layer"),
    "an output": salience.ClassScore(3),
    "a mean": salience.Mean(torch.zeros(500, 50)),
    "blocks": salience.Blocks((4, 4)),
    "a hostile target": salience.Target("a" * 5000, axes=tuple(HOSTILE)),
    "a layout": salience.Layout(
        {f"argument {i}": salience.Field(("item", *"abcdefgh")) for i in range(200)}
    ),
    "groups of blocks": salience.Blocks([4] * 500),
    "attribution": salience.Attribution({"input": torch.zeros(500, 50)}, torch.zeros(500)),
    "an explainer": salience.Explainer(
        NET, "tabular", output=salience.CrossEntropy(torch.zeros(500).long())
    ),
    "threads": salience.Threads([None] * 100),
    "broken items": salience.BrokenItems(),
    "rows": salience_tabular.Row(torch.zeros(500), torch.zeros(0)),
    "a table": Tabular().read(torch.zeros(500, 50)),
    "a kept state": salience.Unit(list(range(100_000)), range(100_000)),
}


@pytest.mark.parametrize("kind", PARTS)
def test_parts_are_shown_on_one_line(kind: str) -> None:
    text = repr(PARTS[kind])
    assert len(text) <= 300 and "\n" not in text and "tensor([" not in text


class Looking(salience.Gradient):
    """A gradient that keeps what calculators are given, as they show it."""

    seen: ClassVar[list[str]] = []

    def __call__(self, score: salience.Score, x: dict[str, Tensor]) -> salience.Attribution:
        found = super().__call__(score, x)
        shown = (score, score.rows, score.view("input"), score.view("input").rows, found)
        Looking.seen += [repr(one) for one in shown]
        return found


def test_what_calculators_are_given_is_shown_on_a_line() -> None:
    salience.explain(NET, torch.randn(300, 3), Tensors(), calculator=Looking(), **NOISE)
    assert Looking.seen
    for text in Looking.seen:
        assert len(text) <= 300 and "\n" not in text and "tensor([" not in text
        assert " at 0x" not in text


class Odd:
    """A user's class that answers nothing."""

    @property
    def shape(self) -> Any:
        raise RuntimeError("no shape")

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


@dataclass(frozen=True)
class Holding(Visualizer):
    held: Any = None

    def item(self, explanation: Explanation, item: int) -> Any:
        return self.held


@pytest.mark.parametrize("value", [Odd(), [Odd()], {Odd(): Odd()}, np.bool_], ids=type)
def test_values_of_users_classes_are_shown(value: Any) -> None:
    text = repr(Holding(value))
    assert text.startswith("Holding(held=") and " at 0x" not in text and "\n" not in text
    assert Holding(value).item(table(), 0) is value  # which is no figure


def test_settings_at_their_defaults_are_left_out() -> None:
    assert repr(salience.GaussianNoise()) == "GaussianNoise()"
    assert repr(salience.GaussianNoise(0.5)) == "GaussianNoise(scale=0.5)"
    assert repr(salience.Target("layer")) == "Target(module='layer')"
    assert repr(salience.Field(("item",))) == "Field(axes=('item',))"


def test_the_record_is_a_dictionary(tmp_path: Path) -> None:
    found = table()
    assert json.loads(json.dumps(found.provenance))["seed"] == 0
    assert found.provenance == dict(found.provenance)
    found.save(tmp_path / "a.salience")
    loaded = Explanation.load(tmp_path / "a.salience").provenance
    for one in (
        pickle.loads(pickle.dumps(found.provenance)),
        copy.deepcopy(found.provenance),
        loaded,
    ):
        assert one["seed"] == 0 and len(repr(one)) <= 600


def test_what_lost_its_plugin_is_shown(tmp_path: Path) -> None:
    found = table()
    record = {"name": "gone", "on_error": "raise"}
    lost = replace(found, domain=record)
    assert "Explanation of 5 items" in repr(lost)
    assert "not installed" in lost._repr_html_()


# --- Figures -------------------------------------------------------------------------------------


class Plain(Visualizer):
    """A visualizer of another author, who knows nothing of notebooks."""

    def item(self, explanation: Explanation, item: int) -> Figure:
        figure = Figure(figsize=(30, 2), dpi=200)
        figure.subplots().plot(explanation.values[item])
        return figure


class Words(Visualizer):
    def item(self, explanation: Explanation, item: int) -> str:
        return "no figure"


def test_figures_of_other_authors_show_themselves() -> None:
    found = table()
    for figure in (Plain().item(found, 0), found.visualize(0, visualizer=Plain())):
        data = figure._repr_png_()
        assert data[:4] == b"\x89PNG"
        width = int.from_bytes(data[16:20], "big")
        assert 1500 <= width <= 1600
        for again in (pickle.loads(pickle.dumps(figure)), copy.deepcopy(figure)):
            assert again._repr_png_()[:4] == b"\x89PNG"
    with pytest.raises(InputError, match=r"'Words' .* returned 'no figure', expected a figure"):
        found.visualize(0, visualizer=Words())


def test_a_visualizer_keeps_its_own_words() -> None:
    assert Plain.item.__name__ == "item"
    assert Plain.__doc__ and "another author" in Plain.__doc__


@pytest.mark.parametrize("n_features", [3, 24])
def test_tables_of_many_features_are_shown_with_a_picture(n_features: int) -> None:
    data = pd.DataFrame(
        np.ones((3, n_features)), columns=[f"feature {i}" for i in range(n_features)]
    )
    found = salience.explain(nn.Linear(n_features, 2), data.astype("float32"), "tabular")
    page = found._repr_html_()
    assert "data:image/" in page and len(page) <= 100_000
