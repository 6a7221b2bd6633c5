"""A page holds what the explanation holds, and nothing that could run or ask for more."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import salience
from plugins.report.tests.reported import (
    HOSTILE,
    flat,
    island,
    molecules,
    photos,
    rows,
    spectra,
    with_bonds,
    words,
)
from salience import InputError
from salience_report import make_page, unpacked
from salience_report.marks import CERTAIN, TESTED, pooled
from salience_report.methods import RATES

#: Half a unit in the last place of float16, relative, and of the smallest, by the largest value.
HALF, TINY = 2.0**-11, 2.0**-25


def only_method(page: str) -> dict[str, Any]:
    (method,) = island(page)["methods"]
    return dict(method)


def is_near(found: Any, true: Any) -> bool:
    """Whether numbers are those that float16 makes of the true ones."""
    largest = np.nanmax(np.abs(true))
    near = np.abs(found - true) <= HALF * np.abs(true) * (1 + 1e-12) + TINY * largest
    return bool((near | (np.isnan(found) & np.isnan(true))).all())


@pytest.mark.parametrize("make", [molecules, rows, spectra, words])
def test_values_errors_and_p_values_are_those_of_the_explanation(make: Any) -> None:
    explanation = make()
    method = only_method(make_page({"one": explanation}))
    assert is_near(unpacked(method["values"]), flat(explanation.values))
    assert is_near(unpacked(method["errors"]), flat(explanation.std_error))
    logp = -np.log10(flat(explanation.p_values()))
    assert is_near(unpacked(method["logp"]), logp)


@pytest.mark.parametrize("make", [molecules, rows, spectra, words])
@pytest.mark.parametrize("samplers", ["mc_dropout", "gaussian"])
def test_marks_are_exactly_those_that_the_tests_find(make: Any, samplers: str) -> None:
    explanation = make(samplers=[samplers])
    flags = unpacked(only_method(make_page({"one": explanation}))["flags"]).astype(int)
    p = flat(explanation.p_values())
    assert ((flags & TESTED) > 0).all()
    assert ((flags & CERTAIN) > 0).tolist() == (p < 0.05).tolist()
    for place, rate in enumerate(RATES):
        found = ((flags & 15) <= place).tolist()
        assert found == flat(explanation.significant(rate)).astype(bool).tolist()


@pytest.mark.parametrize("samplers", ["mc_dropout", "gaussian"])
def test_intervals_are_those_of_the_explanation(samplers: str) -> None:
    explanation = rows(samplers=[samplers])
    widths = only_method(make_page({"one": explanation}))["halfWidths"]
    for level, width in zip((0.66, 0.95), widths["12"], strict=True):
        low, high = explanation.interval(level)
        half = (high - low) / 2
        assert torch.allclose(half, width * explanation.std_error, rtol=1e-9, atol=1e-15)


def test_a_single_draw_has_neither_errors_nor_marks() -> None:
    method = only_method(make_page({"one": rows(samplers=[], n_samples=1)}))
    assert not {"errors", "logp", "flags"} & set(method)
    assert not method["tested"] and method["halfWidths"] == {}
    assert "no standard error" in " ".join(method["notes"])


def test_magnitudes_have_errors_but_no_tests() -> None:
    method = only_method(make_page({"one": rows(aggregator="abs")}))
    assert "errors" in method and "flags" not in method and not method["tested"]


# --- Maps ----------------------------------------------------------------------------------------


def test_blocks_of_a_map_are_sums_whose_error_is_not_made_up() -> None:
    explanation = photos(aggregator="abs", samplers=["gaussian"], n_samples=4)
    page = make_page({"one": explanation}, blocks=8)
    method = only_method(page)
    values = np.asarray(explanation.values, dtype=float)
    sums = values.reshape(6, 8, 4, 8, 4).sum((2, 4))
    assert is_near(unpacked(method["values"]), sums.ravel())
    assert "errors" not in method
    assert "its error is not known" in " ".join(method["notes"])
    assert island(page)["shared"]["block"] == [4, 4]


def test_blocks_that_were_pooled_over_draws_have_the_error_of_their_sum() -> None:
    settings = {"samplers": ["mc_dropout"], "n_samples": 6}
    explanation = photos(**settings, pool=salience.Blocks(4))
    method = only_method(make_page({"one": explanation}, blocks=8))
    assert is_near(unpacked(method["errors"]), flat(explanation.std_error))
    assert method["tested"]
    assert "not known" not in " ".join(method["notes"])


def test_blocks_of_what_does_not_add_up_are_means() -> None:
    explanation = photos(aggregator="sign", samplers=["gaussian"], n_samples=4)
    method = only_method(make_page({"one": explanation}, blocks=8))
    means = np.asarray(explanation.values, dtype=float).reshape(6, 8, 4, 8, 4).mean((2, 4))
    assert is_near(unpacked(method["values"]), means.ravel())
    assert "the mean over 4 × 4" in " ".join(method["notes"])


def test_shares_of_draws_are_neither_summed_nor_tested() -> None:
    explanation = photos(aggregator="top_share", samplers=["gaussian"], n_samples=4)
    method = only_method(make_page({"one": explanation}, blocks=8))
    assert method["isShare"] and not method["tested"]
    means = np.asarray(explanation.values, dtype=float).reshape(6, 8, 4, 8, 4).mean((2, 4))
    assert is_near(unpacked(method["values"]), means.ravel())
    fine = only_method(make_page({"one": explanation}))
    assert is_near(unpacked(fine["errors"]), flat(explanation.std_error))


@pytest.mark.parametrize("sums", [True, False])
def test_blocks_at_the_edge_may_be_shorter(sums: bool) -> None:
    values = np.random.default_rng(0).normal(size=(7, 5))
    found = pooled(values, (3, 2), sums=sums)
    for row in range(3):
        for column in range(3):
            block = values[3 * row : 3 * row + 3, 2 * column : 2 * column + 2]
            true = block.sum() if sums else block.mean()
            assert found[row, column] == pytest.approx(true, abs=1e-15)


# --- Several methods, labels, order --------------------------------------------------------------


def test_methods_of_the_same_items_are_switched_in_place() -> None:
    explained = {"plain": rows(samplers=[], n_samples=1), "dropout": rows()}
    data = island(make_page(explained))
    assert [method["title"] for method in data["methods"]] == ["plain", "dropout"]
    assert [method["tested"] for method in data["methods"]] == [False, True]
    assert len(data["items"]) == 20


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e: e.iloc[:3], "same items"),
        (lambda e: replace(e, ids=[*e.ids[1:], e.ids[0]]), "item 0 is"),
        (lambda e: replace(e, saliency={"other": e.only}), "same target variables"),
        (lambda e: "text", "shows explanations"),
    ],
)
def test_explanations_of_other_things_are_refused(change: Any, message: str) -> None:
    explanation = rows()
    with pytest.raises(InputError, match=message):
        make_page({"one": explanation, "two": change(explanation)})


def test_labels_give_the_error_of_each_prediction() -> None:
    explanation = molecules()
    labels = torch.linspace(-1, 1, 12).double()
    items = island(make_page({"one": explanation}, labels=labels))["items"]
    true = (explanation.score - labels).abs().tolist()
    assert [item["error"] for item in items] == pytest.approx(true, rel=1e-5)
    by_id = dict(zip(explanation.ids, labels.tolist(), strict=True))
    assert island(make_page({"one": explanation}, labels=by_id))["items"] == items


def test_labels_of_classes_are_right_or_wrong() -> None:
    explanation = rows()
    data = island(make_page({"one": explanation}, labels=[0] * 20))
    predicted = explanation.prediction.argmax(1).tolist()
    assert [item["error"] for item in data["items"]] == [float(best != 0) for best in predicted]
    assert data["shared"]["label"] == "class 0"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": [1, 2]}, "a label for each of the 20 items"),
        ({"labels": "nothing"}, "no item has an entry"),
        ({"labels": {"other": 1}}, "name no item"),
        ({"labels": [[1]] * 20}, "a label is"),
        ({"titel": "x"}, "did you mean 'title'"),
        ({"title": 3}, "pass text"),
        ({"max_megabytes": 0}, "positive number"),
        ({"blocks": 0}, "from 1"),
        ({"static_pictures": True}, "from 0"),
    ],
)
def test_wrong_options_are_refused_in_a_sentence(options: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        make_page({"one": rows()}, **options)
    assert len(str(caught.value)) <= 300


def test_large_reports_show_what_matters_and_say_so() -> None:
    explanation = rows(300, 30)
    labels = list(range(300))
    truth = replace(explanation, prediction=explanation.score)
    page = make_page({"one": truth}, labels=labels, max_megabytes=0.06, static_pictures=0)
    assert len(page.encode()) < 0.06e6 + 70_000  # the script, style and template
    data = island(page)
    shown = [item["position"] for item in data["items"]]
    assert 10 < len(shown) < 200
    assert f"{len(shown)} of 300 items are shown" in data["notes"][0]
    errors = (explanation.score - torch.arange(300)).abs()
    assert set(errors.topk(5).indices.tolist()) <= set(shown)
    p = np.asarray(explanation.p_values(), dtype=float)
    least = np.argsort((p < 0.05).mean(1), kind="stable")[:3]
    assert set(least.tolist()) <= set(shown)
    values = np.asarray(explanation.values, dtype=float)[shown].ravel()
    assert is_near(unpacked(data["methods"][0]["values"]), values)


def test_items_without_payload_appear_by_their_picture() -> None:
    class Plain(type(spectra().domain)):  # type: ignore[misc]
        def payload(self, explanation: Any, item: int) -> None:
            return None

    explanation = spectra(2)
    explanation = replace(explanation, domain=Plain())
    data = island(make_page({"a": explanation, "b": explanation}))
    assert data["shared"]["view"] == "picture"
    assert all(len(item["pictures"]) == 2 for item in data["items"])
    assert data["items"][0]["pictures"][0].startswith("data:image/")


@pytest.mark.parametrize(
    ("shape", "view"), [((6,), "bars"), ((200,), "series"), ((4, 5), "raster")]
)
def test_plain_tensors_have_the_view_of_their_axes(shape: tuple[int, ...], view: str) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(shape)), 2)).double()
    domain = salience.Tensors(("item", *(f"axis {i}" for i in range(len(shape)))))
    explanation = salience.explain(net, torch.randn(3, *shape).double(), domain)
    page = make_page({"one": explanation})
    assert island(page)["shared"]["view"] == view
    assert is_near(unpacked(only_method(page)["values"]), flat(explanation.values))


def test_what_no_view_shows_is_refused() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(24, 2))
    domain = salience.Tensors(("item", "a", "b", "c"))
    with pytest.raises(InputError, match="no visualizer"):
        make_page({"one": salience.explain(net, torch.randn(3, 2, 3, 4), domain)})


def test_pooled_groups_are_bars_with_their_names() -> None:
    explanation = spectra(3, pool={"blue": [0, 1, 2], "red": [27, 28, 29]})
    data = island(make_page({"one": explanation}))
    assert data["shared"]["view"] == "bars" and data["shared"]["names"] == ["blue", "red"]
    assert is_near(unpacked(data["methods"][0]["errors"]), flat(explanation.std_error))


def test_sums_over_both_directions_of_a_bond_have_no_error() -> None:
    explanation = with_bonds()
    data = island(make_page({"one": explanation}))
    method = data["methods"][0]
    values, errors, flags = (unpacked(method[k]) for k in ("values", "errors", "flags"))
    start = 0
    for item, entry in enumerate({**data["shared"], **one} for one in data["items"]):
        n, n_bonds = len(entry["x"]), len(entry["edges"])
        atoms, bonds = slice(start, start + n), slice(start + n, start + n + n_bonds)
        assert is_near(values[atoms], np.asarray(explanation["embed"].values[item], dtype=float))
        both = np.asarray(explanation["kinds"].values[item], dtype=float).reshape(2, -1).sum(0)
        assert abs(values[bonds] - both).max(initial=0) <= 1e-3 * abs(values).max()
        assert np.isfinite(errors[atoms]).all() and np.isnan(errors[bonds]).all()
        assert not (flags[bonds].astype(int) & TESTED).any()
        start += n + n_bonds
    assert start == len(values)


# --- Safety --------------------------------------------------------------------------------------


class Tags(HTMLParser):
    """Counts the elements of a page, with what scripts and styles hold."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {"script": [], "style": []}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem in self.texts:
            self.texts[self.cdata_elem].append(data)


def parsed(page: str) -> Tags:
    found = Tags()
    found.feed(page)
    return found


def test_names_of_users_add_no_element_and_no_attribute() -> None:
    calm = parsed(make_page({"one": rows(4)}, title="calm"))
    ids = list(HOSTILE)
    frame_names = rows(4, ids=ids)
    page = make_page({HOSTILE[0]: frame_names}, title=HOSTILE[2], labels=ids, unit=HOSTILE[1])
    hostile = parsed(page)
    assert [tag for tag, _ in hostile.tags] == [tag for tag, _ in calm.tags]
    for _, attributes in hostile.tags:
        assert not any(name.startswith("on") for name in attributes)
    assert "\u202e" not in page and "[U+202E]" in page
    assert [item["name"] for item in island(page)["items"]][:3] == ids[:3]


def test_the_policy_allows_the_script_and_style_of_the_page_and_nothing_else() -> None:
    page = parsed(make_page({"one": rows(3)}))
    (policy,) = [a["content"] for t, a in page.tags if t == "meta" and "http-equiv" in a]
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    (style,) = page.texts["style"]
    _, script = page.texts["script"]
    for name, text in (("style-src", style), ("script-src", script)):
        hashed = b64encode(sha256(text.encode()).digest()).decode()
        assert rules[name] == f"'sha256-{hashed}'"
    assert rules["default-src"] == "'none'" and rules["img-src"] == "data:"
    assert rules["base-uri"] == rules["form-action"] == "'none'"


@pytest.mark.parametrize("make", [molecules, rows, photos, spectra, words])
def test_pages_name_no_address(make: Any) -> None:
    page = make_page({"one": make()})
    assert not re.findall(r"https?://(?!www\.w3\.org/)", page)
    for _, attributes in parsed(page).tags:
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#"))


# --- The call of core ----------------------------------------------------------------------------


def test_explanations_write_their_report(tmp_path: Path) -> None:
    explanation = rows(3)
    explanation.report(tmp_path / "one.html", title="One")
    salience.report({"saliency": explanation}, tmp_path / "two.HTM", title="One")
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.HTM").read_bytes()
    assert "<title>One</title>" in (tmp_path / "one.html").read_text(encoding="utf-8")


def test_a_report_ends_in_html(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"end the path in \.html"):
        rows(3).report(tmp_path / "one.pdf")
    assert not list(tmp_path.iterdir())


def test_without_the_plugin_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr("importlib.import_module", absent)
    from salience.results.files.report import report

    with pytest.raises(InputError, match="pip install salience-report"):
        report(None, tmp_path / "one.html")


def test_an_explanation_that_was_saved_makes_the_same_page(tmp_path: Path) -> None:
    explanation = molecules(4)
    explanation.save(tmp_path / "run.salience")
    loaded = salience.Explanation.load(tmp_path / "run.salience")
    assert make_page({"one": loaded}) == make_page({"one": explanation})


def test_the_explanation_is_not_changed() -> None:
    explanation = molecules(4)
    before = explanation.only.flat.clone()
    mol = explanation.annotations[1]["mol"]
    atoms = mol.GetNumConformers()
    make_page({"one": explanation}, labels=[1.0, 2.0, 3.0, 4.0])
    assert torch.equal(before, explanation.only.flat)
    assert mol.GetNumConformers() == atoms


def test_positions_of_a_selection_are_no_positions_of_other_items() -> None:
    explanation = rows()
    numbered = replace(explanation, ids=list(range(len(explanation))))
    with pytest.raises(InputError, match=r"item 0 is 0 .* and 1 in 'b'"):
        make_page({"a": numbered.iloc[[0, 1]], "b": numbered.iloc[[1, 2]]})
    with pytest.raises(InputError, match=r"item 0 is 0 .* and 2 in 'b'"):
        make_page({"a": numbered.iloc[[0, 1, 2]], "b": numbered.iloc[[2, 1, 0]]})
    named = replace(explanation, ids=[f"plant {i}" for i in range(len(explanation))])
    assert len(island(make_page({"a": named, "b": numbered}))["items"]) == len(explanation)


@pytest.mark.parametrize("size", [1e-300, 1.0, 1e39, 1e300])
def test_numbers_of_features_are_shown_of_any_size(size: float) -> None:
    values = size * torch.tensor([[0.0, 1.0, -2.0, 3.0]], dtype=torch.float64)
    explanation = salience.explain(nn.Linear(4, 2).double(), values, "tabular")
    (item,) = island(make_page({"one": explanation}))["items"]
    assert np.allclose(unpacked(item["numbers"]) / size, values[0] / size)
