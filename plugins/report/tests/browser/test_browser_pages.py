"""In a browser: no request, no script of others, nothing that axe-core objects to."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd
import pytest
from torch import nn

import salience
from plugins.report.tests.browser.conftest import Opener
from plugins.report.tests.reported import HOSTILE, Words, molecules, photos, rows, spectra, words
from salience_report import make_page

MEGABYTE, SECOND = 1_000_000, 1000.0


def methods_of_rows() -> dict[str, salience.Explanation]:
    plain = {"samplers": [], "n_samples": 1}
    noise = {"samplers": ["gaussian"], "n_samples": 8}
    return {name: rows(1000, 30, **s) for name, s in {"a": plain, "b": noise, "c": {}}.items()}


def methods_of_photos() -> dict[str, salience.Explanation]:
    noise = {"samplers": ["gaussian"], "n_samples": 2}
    return {name: photos(50, 224, aggregator="abs", **s) for name, s in (("a", {}), ("b", noise))}


LARGE = {
    "100 molecules": lambda: {"a": molecules(100, samplers=[], n_samples=1), "b": molecules(100)},
    "50 photos": methods_of_photos,
    "1000 rows": methods_of_rows,
}
SMALL = {
    "graph": molecules,
    "raster": lambda: photos(samplers=["mc_dropout"], n_samples=6, pool=salience.Blocks(4)),
    "magnitudes": lambda: photos(aggregator="abs", samplers=["gaussian"], n_samples=4),
    "bars": rows,
    "series": spectra,
    "tokens": words,
}


@pytest.mark.parametrize("what", LARGE)
def test_large_reports_are_small_files_that_are_ready_at_once(what: str, opened: Opener) -> None:
    text = make_page(LARGE[what]())
    assert len(text.encode()) <= 2 * MEGABYTE
    times = []
    for _ in range(3):
        page: Any = opened(text)
        times.append(float(page.evaluate("document.documentElement.dataset.ready")))
        assert len(page.asked) == 1 + sum(url.startswith("data:") for url in page.asked)
        assert page.said == []
        page.context.close()
    # What is ready once within a second is; other work of the machine may delay a single one.
    assert min(times) < SECOND
    print(f"{what}: {len(text.encode()) / 1000:.0f} kB, ready in {min(times):.0f} ms")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", SMALL)
def test_axe_core_finds_nothing(view: str, scheme: str, opened: Opener) -> None:
    explanation = SMALL[view]()
    labels = [f"class {i % 2}" for i in range(len(explanation))]
    explained = {"one": explanation, "two": explanation}
    page: Any = opened(explained, {"color_scheme": scheme}, labels=labels, label_name="true class")
    axe = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
    # Evaluated by the debugger, since the page's policy keeps scripts of others out.
    page.evaluate(axe)
    page.locator("#filters summary").click()
    assert faults(page) == []
    page.locator(".card button").first.click()
    assert faults(page) == []


def faults(page: Any) -> list[str]:
    """What axe-core objects to, and where."""
    found = page.evaluate("axe.run().then((result) => result.violations)")
    return [f"{fault['id']}: {[node['html'][:120] for node in fault['nodes']]}" for fault in found]


# --- Hostile names --------------------------------------------------------------------------------


def hostile_pages() -> dict[str, str]:
    options = {"title": HOSTILE[0], "unit": HOSTILE[1], "label_name": HOSTILE[2]}
    ids = list(HOSTILE)
    texts = (*HOSTILE, "word", HOSTILE[1])
    frame = rows(4, 4, ids=ids)
    frame = salience.Explanation.from_arrays(
        frame.values,
        __import__("pandas").DataFrame(frame.values.numpy(), columns=list(HOSTILE), index=ids),
        "tabular",
    )
    return {
        "bars": make_page({HOSTILE[2]: frame, HOSTILE[3]: frame}, labels=ids, **options),
        "tokens": make_page({HOSTILE[1]: words(domain=Words(texts=texts))}, **options),
        "graph": make_page({HOSTILE[0]: molecules(4, ids=ids)}, labels=ids, **options),
    }


@pytest.mark.parametrize("view", ["bars", "tokens", "graph"])
def test_hostile_names_stay_text(view: str, opened: Opener) -> None:
    page: Any = opened(hostile_pages()[view])
    page.locator("figure").first.focus()
    page.keyboard.press("ArrowRight")
    page.locator("#filters summary").click()
    page.locator(".card button").first.click()
    page.wait_for_timeout(100)
    assert page.evaluate("window.hurt") is None
    assert page.said == []
    assert page.locator("img[src=x]").count() == 0
    assert HOSTILE[0] in page.locator("h1").inner_text()


FORCED = """document.body.insertAdjacentHTML("beforeend",
    '<img src="data:," onerror="window.hurt = 5"><button onclick="window.hurt = 6">b</button>'
    + '<a id="bad" href="javascript:window.hurt = 7">a</a>');
    const script = document.createElement("script");
    script.textContent = "window.hurt = 8";
    document.body.append(script);
    document.body.lastElementChild.previousElementSibling.previousElementSibling.click();
    document.querySelector("#bad").click();"""


def test_a_forced_handler_stays_inert(opened: Opener) -> None:
    text = make_page({"one": words()})
    page: Any = opened(text)
    page.evaluate(FORCED)
    page.wait_for_timeout(200)
    assert page.evaluate("window.hurt") is None
    assert sum("Content Security Policy" in said for said in page.said) >= 3
    # Without the policy they would have run.
    start = text.index('<meta http-equiv="Content-Security-Policy"')
    page = opened(text[:start] + text[text.index(">", start) + 1 :])
    page.evaluate(FORCED)
    page.wait_for_timeout(200)
    assert page.evaluate("window.hurt") is not None


def test_readers_without_scripts_see_pictures_and_a_table(opened: Opener) -> None:
    explanation = rows(25)
    page: Any = opened(explanation, {"java_script_enabled": False})
    assert page.locator(".static img").count() == 4
    assert page.locator("tbody tr").count() == 20
    assert page.locator("#controls").is_hidden()
    assert page.locator(".static img").nth(3).get_attribute("alt") == "Saliency of row 3"
    # A picture that cannot be decoded has no size of its own.
    box = page.locator(".static img").nth(3).bounding_box()
    assert box is not None and min(box["width"], box["height"]) > 100


def test_names_of_broad_letters_stay_in_the_overview(opened: Opener) -> None:
    names = [f"{'W' * 40} {i}" for i in range(3)]
    frame = pd.DataFrame(np.eye(4)[:, :3], columns=names)
    page = opened(salience.explain(nn.Linear(3, 2), frame, "tabular"))
    lefts = page.evaluate("[...document.querySelectorAll('.swarm text')].map((t) => t.getBBox().x)")
    assert lefts
    assert min(lefts) >= 0
