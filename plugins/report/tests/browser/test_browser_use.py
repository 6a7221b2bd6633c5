"""In a browser: what the reader chooses, finds and reads is what the explanation says."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch

import salience
from plugins.report.tests.browser.conftest import Opener
from plugins.report.tests.reported import flat, molecules, photos, rows, spectra, words

RATES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
VIEWS = {
    "graph": molecules,
    "raster": lambda: photos(2, samplers=["mc_dropout"], n_samples=6, pool=salience.Blocks(8)),
    "bars": rows,
    "series": spectra,
    "tokens": words,
}


def number(text: str) -> float:
    return float(text.replace("−", "-"))


def shown_ids(page: Any) -> list[str]:
    """Names of the cards, in order."""
    found: list[str] = page.locator("figcaption strong").all_inner_texts()
    return found


def read_mark(page: Any) -> tuple[str, float, float, float]:
    """Name, value, error and p of the words at a mark."""
    lines = page.locator("#tip").inner_text().split("\n")
    value, error = re.fullmatch(r"(\S+) ± (\S+)", lines[1]).groups()  # type: ignore[union-attr]
    p = re.search(r"p ([=<]) (\S+?),?(\s|$)", lines[2])
    assert p is not None
    return lines[0], number(value), number(error), number(p[2])


def is_near(found: float, true: float, digits: int) -> bool:
    """Whether a number is what is written, in so many digits, of what float16 makes of it."""
    unit = 10.0 ** (np.floor(np.log10(abs(true) or 1)) - digits + 1)
    return bool(abs(found - true) <= 0.501 * unit + abs(true) * 2.0**-11)


# --- Values --------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", VIEWS)
def test_the_keyboard_reads_value_error_and_p_of_every_mark(view: str, opened: Opener) -> None:
    explanation = VIEWS[view]()
    page = opened(explanation)
    p_values = explanation.p_values()
    for item in (0, len(explanation) - 1):
        values, errors, p = (
            flat([one[item]]) for one in (explanation.values, explanation.std_error, p_values)
        )
        order = np.argsort(-abs(values), kind="stable") if view == "bars" else range(len(values))
        page.locator("figure").nth(item).focus()
        for mark in order:
            page.keyboard.press("ArrowRight")
            _, value, error, shown = read_mark(page)
            assert is_near(value, values[mark], 3) and is_near(error, errors[mark], 2)
            assert shown == pytest.approx(max(p[mark], 1e-4), rel=0.06)
            words_of = page.locator("#tip").inner_text()
            assert ("sign uncertain" in words_of) == bool(p[mark] >= 0.05)
            assert str(explanation.ids[item]) in words_of
            assert page.locator("#live").inner_text().split("; ")[0] == words_of.split("\n")[0]


@pytest.mark.parametrize("view", ["graph", "bars", "tokens"])
def test_the_pointer_reads_the_same(view: str, opened: Opener) -> None:
    explanation = VIEWS[view]()
    page = opened(explanation)
    marks = page.locator("figure").nth(1).locator("[data-mark]")
    values = flat([explanation.values[1]])
    for i in range(marks.count()):
        marks.nth(i).hover()
        mark = int(marks.nth(i).get_attribute("data-mark"))  # type: ignore[arg-type]
        assert is_near(read_mark(page)[1], values[mark], 3)
    page.mouse.move(0, 0)
    assert page.locator("#tip").is_hidden()


def test_the_pointer_reads_blocks_and_points(opened: Opener) -> None:
    explanation = VIEWS["raster"]()
    page = opened(explanation)
    box = page.locator("figure canvas").first.bounding_box()
    assert box is not None
    for row, column in ((0, 0), (1, 3), (3, 2)):
        x = box["x"] + (column + 0.5) / 4 * box["width"]
        y = box["y"] + (row + 0.5) / 4 * box["height"]
        page.mouse.move(x, y)
        name, value, error, _ = read_mark(page)
        assert name == f"row {row}, column {column}"
        assert is_near(value, float(explanation.values[0, row, column]), 3)
        assert is_near(error, float(explanation.std_error[0, row, column]), 2)


def test_the_error_of_a_block_that_was_not_pooled_is_said_to_be_unknown(opened: Opener) -> None:
    explanation = photos(2, aggregator="abs", samplers=["gaussian"], n_samples=4)
    page = opened(explanation, blocks=4)
    page.locator("figure").first.focus()
    page.keyboard.press("ArrowRight")
    text = page.locator("#tip").inner_text()
    assert "±" not in text and "(error unknown)" in text
    true = float(explanation.values[0, :8, :8].sum())
    assert is_near(number(text.split("\n")[1].split(" ")[0]), true, 3)


def test_the_table_of_an_item_has_all_its_values(opened: Opener) -> None:
    explanation = rows()
    page = opened(explanation)
    button = page.locator(".card button").nth(4)
    button.focus()
    page.keyboard.press("Enter")
    cells = [row.locator("td").all_inner_texts() for row in page.locator("dialog tbody tr").all()]
    order = explanation.values[4].abs().argsort(descending=True).tolist()
    values = [float(explanation.annotations[4]["values"][i]) for i in order]
    for cell, feature, value in zip(cells, order, values, strict=True):
        name, _, shown = cell[0].partition(" = ")
        assert name == f"feature {feature}" and number(shown) == pytest.approx(value, rel=1e-4)
    for feature, row in zip(order, cells, strict=True):
        assert is_near(number(row[1]), float(explanation.values[4, feature]), 3)
        assert is_near(number(row[2]), float(explanation.std_error[4, feature]), 2)
        certain = bool(explanation.p_values()[4, feature] < 0.05)
        assert row[4] == ("certain" if certain else "uncertain")
    page.keyboard.press("Escape")
    assert not page.evaluate("document.querySelector('dialog').open")
    assert page.evaluate("document.activeElement === document.querySelectorAll('.card button')[4]")


# --- Marks ---------------------------------------------------------------------------------------


def filled(page: Any) -> int:
    circles = page.locator(".card circle")
    fills = [circles.nth(i).get_attribute("fill") for i in range(circles.count())]
    return sum(fill not in ("none", "var(--card)", "transparent") for fill in fills)


def test_marks_follow_unadjusted_p_until_the_slider_is_used(opened: Opener) -> None:
    explanation = rows()
    page = opened(explanation)
    assert "unadjusted p ≥ 0.05" in page.locator("#said").inner_text()
    assert filled(page) == int((explanation.p_values() < 0.05).sum())
    page.locator("#fdr").check()
    for place, rate in enumerate(RATES):
        page.locator("#rate").fill(str(place))
        assert filled(page) == int(explanation.significant(rate).sum())
        assert f"false discovery rate of {100 * rate:g} %" in page.locator("#said").inner_text()
    found = int(explanation.significant(0.2)[0].sum())
    assert f"{found} of 5 at FDR 20 %" in page.locator(".card").first.inner_text()
    page.locator("#fdr").uncheck()
    assert filled(page) == int((explanation.p_values() < 0.05).sum())


def drawing(page: Any) -> str:
    """The pixels of the first map."""
    found: str = page.locator("figure canvas").first.evaluate("(canvas) => canvas.toDataURL()")
    return found


def test_a_slider_sets_the_share_of_draws_that_is_outlined(opened: Opener) -> None:
    explanation = photos(2, aggregator="top_share", samplers=["gaussian"], n_samples=4)
    page = opened(explanation)
    page.locator("#look").select_option("map")
    assert page.locator("#rate-group").is_hidden() and page.locator("#share-group").is_visible()
    drawings = {}
    for share in ("0.05", "0.25", "0.3", "0.5", "1"):
        page.locator("#share").fill(share)
        drawings[share] = drawing(page)
        assert page.locator("#share-shown").inner_text() == f"{100 * float(share):g} %"
    # Of four draws, a share of 0.3 or more is one of 0.5 or more.
    assert drawings["0.3"] == drawings["0.5"]
    assert drawings["0.05"] == drawings["0.25"]
    assert len(set(drawings.values())) == 3


def test_methods_are_switched_in_place(opened: Opener) -> None:
    plain = rows(samplers=[], n_samples=1)
    noise = rows(samplers=["gaussian"], aggregator="abs")
    page = opened({"plain": plain, "dropout": rows(), "noise": noise})
    page.locator("input[name=method]").first.focus()
    assert page.locator("#rate-group").is_hidden()
    page.keyboard.press("ArrowRight")
    assert page.locator("#rate-group").is_visible()
    assert "a further draw of the parameters" in page.locator("#said").inner_text()
    page.keyboard.press("ArrowRight")
    assert page.locator("#rate-group").is_hidden()
    assert "without sign" in page.locator("#said").inner_text()
    page.locator("figure").first.focus()
    page.keyboard.press("ArrowRight")
    text = page.locator("#tip").inner_text().split("\n")[1]
    assert is_near(number(text.split(" ± ")[0]), float(noise.values[0].max()), 3)


# --- Finding -------------------------------------------------------------------------------------


def test_sorting_puts_items_in_the_order_of_each_column(opened: Opener) -> None:
    explanation = rows()
    labels = torch.linspace(-1, 1, 20).double()
    truth = salience.Explanation.from_arrays(
        explanation.values,
        explanation.values.numpy(),
        "tabular",
        std_error=explanation.std_error,
        n_samples=12,
        score=explanation.score,
        ids=list(explanation.ids),
        samples_parameters=True,
    )
    page = opened(truth, labels=labels)
    p = explanation.p_values()
    columns = {
        "score": explanation.score,
        "label": labels,
        "error": -(explanation.score - labels).abs(),
        "certainty": (p < 0.05).double().mean(1),
        "size": -explanation.values.abs().sum(1),
        "position": torch.arange(20.0),
    }
    for name, keys in columns.items():
        page.locator("#sort").select_option(name)
        order = keys.argsort(stable=True).tolist()
        assert shown_ids(page) == [explanation.ids[i] for i in order]
    page.locator("#sort").select_option("id")
    assert shown_ids(page) == [f"row {i}" for i in range(20)]  # numbers in names count as numbers
    page.locator("#descending").check()
    assert shown_ids(page) == [f"row {i}" for i in reversed(range(20))]


def test_filters_leave_the_items_that_fit(opened: Opener) -> None:
    explanation = molecules(40)
    labels = torch.linspace(-1, 1, 40).double()
    page = opened(explanation, labels=labels)
    score, error = explanation.score, (explanation.score - labels).abs()
    certain = torch.tensor([float((p < 0.05).double().mean()) for p in explanation.p_values()])
    page.locator("#filters summary").click()
    columns = {"score": score, "label": labels, "error": error, "certainty": certain}
    fits = torch.ones(40, dtype=torch.bool)
    for name, column in columns.items():
        low, high = (round(float(column.quantile(q)), 3) for q in (0.1, 0.9))
        page.locator(f"#{name}-from").fill(str(low))
        page.locator(f"#{name}-to").fill(str(high))
        fits &= (column >= low) & (column <= high)
        wanted = [explanation.ids[i] for i in range(40) if fits[i]]
        assert shown_ids(page) == wanted
        assert f"{len(wanted)} of 40 items" in page.locator("#count").inner_text()
    page.locator("#clear").click()
    assert len(shown_ids(page)) == 40
    page.locator("#search").fill("c1cc")
    assert shown_ids(page) == [one for one in explanation.ids if "c1cc" in str(one).lower()]
    page.locator("#search").fill("nothing like that")
    assert "No item fits" in page.locator("main").inner_text()


def test_classes_are_chosen_by_name(opened: Opener) -> None:
    explanation = rows()
    labels = ["class 0", "class 1"] * 10
    page = opened(explanation, labels=labels)
    page.locator("#filters summary").click()
    page.locator("#class-label").select_option("class 1")
    assert shown_ids(page) == [f"row {i}" for i in range(1, 20, 2)]
    predicted = explanation.prediction.argmax(1).tolist()
    page.locator("#class-predicted").select_option(f"class {predicted[1]}")
    wanted = [i for i in range(1, 20, 2) if predicted[i] == predicted[1]]
    assert shown_ids(page) == [f"row {i}" for i in wanted]


def test_every_item_is_on_one_of_the_pages(opened: Opener) -> None:
    page = opened(rows(120))
    found = shown_ids(page)
    while page.get_by_role("button", name="Next").is_enabled():
        page.get_by_role("button", name="Next").focus()
        page.keyboard.press("Enter")
        found += shown_ids(page)
    assert found == [f"row {i}" for i in range(120)]


# --- Keyboard, colours, print --------------------------------------------------------------------


REACHABLE = """() => [...document.querySelectorAll(
    "a[href], input, select, button, summary, [tabindex='0']")]
  .filter((e) => e.checkVisibility({visibilityProperty: true}) && !e.disabled)
  .filter((e) => e.type !== "radio" || e.checked).length"""
MARK = """() => {
  const e = document.activeElement;
  if (!e || e === document.body || e.dataset.reached) return false;
  e.dataset.reached = "yes";
  return true;
}"""


@pytest.mark.parametrize("view", VIEWS)
def test_the_keyboard_reaches_every_control_and_item(view: str, opened: Opener) -> None:
    explanation = VIEWS[view]()
    page = opened({"one": explanation, "two": explanation})
    page.locator("#filters summary").click()
    page.locator("#fdr").check()
    page.evaluate("document.activeElement.blur()")
    page.evaluate("document.querySelector('h1').focus()")
    wanted = page.evaluate(REACHABLE)
    assert wanted > 12 + 2 * min(len(explanation), 2)
    reached = 0
    for _ in range(wanted + 5):
        page.keyboard.press("Tab")
        reached += bool(page.evaluate(MARK))
    assert reached == wanted


def test_colours_follow_the_system_until_the_reader_chooses(opened: Opener) -> None:
    page = opened(rows(3), {"color_scheme": "dark"})
    theme = "document.documentElement.dataset.theme"
    assert page.evaluate(theme) == "dark"
    page.emulate_media(color_scheme="light")
    page.locator("html[data-theme=light]").wait_for(state="attached")
    page.locator("#theme").click()
    assert page.evaluate(theme) == "dark"
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_timeout(200)
        assert page.evaluate(f"matchMedia('(prefers-color-scheme: {scheme})').matches")
    assert page.evaluate(theme) == "dark"


def test_print_is_black_on_white_without_controls(opened: Opener) -> None:
    page = opened(molecules(), {"color_scheme": "dark"})
    page.emulate_media(media="print")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(255, 255, 255)"
    for control in ("#sort", "#search", "#theme", "#filters", ".card button"):
        assert page.locator(control).first.is_hidden()
    assert page.locator(".card").count() == 12
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    fill = page.locator(".card circle[stroke-width='0.7']").first.get_attribute("fill")
    red, green, blue = map(int, re.findall(r"\d+", str(fill)))
    assert min(red, green, blue) > 29 + 20 or max(red, green, blue) > 200
