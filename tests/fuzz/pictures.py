"""Inputs: visualizers with settings of any kind, and questions to an explanation."""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import torch
from hypothesis import strategies as st
from scipy import stats

import salience
from salience import Explainer, Explanation, Tensors
from salience.plugins import host
from salience_molgraph import MolGraph, fragments
from salience_report import Options, make_page
from salience_tabular import Tabular
from salience_template.dense import Spectra

from . import molecules, photos
from .data import Any64, Peaks, folder
from .oracle import Case
from .specs import brief, known
from .subject import explainer, rows
from .values import MAYBE, NONE, real, whole, wild

matplotlib.use("Agg")

_DRAWN: dict[str, tuple[str, ...]] = {
    "tabular": ("points", "bar", "waterfall", "beeswarm", "scatter", "heatmap"),
    "vision": ("overlay", "montage"),
    "molgraph": ("molecule",),
    "fragments": ("molecule",),
    "spectra": ("spectrum",),
    "tensors": (),
}


# Settings of reports, one of them unknown, and values that some of them take.
_REPORTED = (*(field.name for field in fields(Options)), "unknown")
_GOOD = st.sampled_from(("text", 1, 2.5, [1.0, 2.0, 3.0], ["a", "b"], {0: "a", 1: 2}))
_OPTIONS = (
    *(0.5, "viridis", "min_max", True, False, None, 5, (200, 150), "title", "auto", "blurred"),
    *("row", "column", "item", "jet", "{name}: {output}", "{score:.3f", "eV", 1),
    *("blocks:2", "all", "a", 2),
)


@cache
def explained(domain: str) -> Explanation:
    """A small explanation of each domain, with draws."""
    noise: dict[str, Any] = {"samplers": ["gaussian:scale=0.3"], "n_samples": 3}
    if domain == "tabular":
        frame = pd.DataFrame(rows().numpy(), columns=["a", "b", "c"])
        return Explainer(Any64(), Tabular()).explain(frame, **noise)
    if domain == "vision":
        given = [photos._pixels(i, photos.SIZE, photos.SIZE, 3) for i in range(2)]
        return Explainer(photos.network(), photos.domain()).explain(given, **noise)
    if domain == "molgraph":
        return Explainer(molecules.network(), MolGraph()).explain(["CCO", "CN"], **noise)
    if domain == "fragments":
        mols = ["CC(=O)Oc1ccccc1", "CN"]
        made = Explainer(molecules.network(), MolGraph())
        return made.explain(mols, pool=fragments(mols, "functional"), **noise)
    if domain == "spectra":
        values = np.random.default_rng(0).normal(size=(3, 2, 5))
        return Explainer(Peaks(), Spectra()).explain(values, **noise)
    return explainer(domain=Tensors()).explain(rows(), **noise)


def cases() -> st.SearchStrategy[Case]:
    return st.one_of(pictures(), questions(), questions())


@st.composite
def pictures(draw: Any) -> Case:
    """``visualize`` and ``grid`` with one wild argument."""
    domain = draw(st.sampled_from(sorted(_DRAWN)))
    strange = draw(st.integers(0, 5)) == 0 or domain == "tensors"
    names = tuple(n for own in _DRAWN.values() for n in own) if strange else _DRAWN[domain]
    explained(domain)  # computed before passes are counted
    visualizer: Any = draw(st.sampled_from(names if strange else (None, *names)))
    options: dict[str, Any] = {}
    item: Any = draw(st.sampled_from((None, 0, 1, -1)))
    path: Any = None
    odd = draw(
        st.sampled_from(("option", "option", "option", "item", "path", "visualizer", "", ""))
    )
    if odd == "option" and names:
        visualizer = draw(st.sampled_from(names))
        setting = draw(st.sampled_from((*known("visualizers", visualizer), "unknown")))
        known_good = st.sampled_from(_OPTIONS)
        options = {setting: draw(st.one_of(wild(), known_good, known_good))}
    elif odd == "item":
        item = draw(wild())
    elif odd == "path":
        suffix = draw(st.sampled_from(("png", "svg", "pdf", "xyz", "", "two\nlines", "x" * 300)))
        path = draw(st.one_of(wild(), st.just(str(folder() / f"picture.{suffix}"))))
    elif odd == "visualizer":
        visualizer = draw(
            st.one_of(wild(), st.sampled_from(("bar", "overlay:alpha=2", "molecule")))
        )
    ax = draw(st.sampled_from((*[None] * 8, "axes", "wild")))
    strange_ax = draw(wild()) if ax == "wild" else None
    as_object = draw(st.booleans()) and bool(options) and "unknown" not in options
    in_grid = draw(st.integers(0, 4)) == 0
    words = {"item": item, "path": path, "visualizer": visualizer, **options}
    text = f"draw {domain} {'grid ' * in_grid}{brief(words)}"

    def run() -> Any:
        from matplotlib import pyplot

        made = host().get("visualizers", visualizer)(**options) if as_object else visualizer
        rest = {} if as_object else options
        found = explained(domain)
        # Only this folder is written to.
        place = path if path is None or not isinstance(path, str) or str(folder()) in path else None
        try:
            if in_grid:
                to_mean = isinstance(item, int) and item == 1
                items = item if item is None else "mean" if to_mean else [item]
                salience.grid(
                    {"one": found, "two": found}, items, path=place, visualizer=made, **rest
                )
            else:
                own = pyplot.figure().subplots() if ax == "axes" else strange_ax
                found.visualize(item, path=place, visualizer=made, ax=own, **rest)
        finally:
            pyplot.close("all")
        return {}

    return Case(text, run)


@st.composite
def questions(draw: Any) -> Case:
    """Intervals, significance, items, columns."""
    domain = draw(st.sampled_from(sorted(_DRAWN)))
    explained(domain)
    form = draw(
        st.sampled_from(
            (
                *("interval", "significant", "item", "variable", "columns", "aggregate", "load"),
                "report",
            )
        )
    )
    if form == "interval":
        setting = real(lambda v: 0 < v < 1, 0.5, 0.9, 0.95)
        level = draw(setting.any())
        plain = setting.meaning(level)

        def run() -> Any:
            low, high = explained(domain).confidence_interval(level)
            return {"low": _flat(low), "high": _flat(high)}

        def expected() -> Any:
            ((saliency),) = explained(domain).saliency.values()
            reach = stats.t.ppf((1 + plain) / 2, 2) * saliency.flat_error.double()
            low, high = saliency.flat.double() - reach, saliency.flat.double() + reach
            return {"low": low.flatten(), "high": high.flatten()}

        right = plain if plain in (NONE, MAYBE) else expected
        return Case(f"{domain} interval {brief(level)}", run, right, tolerance=1e-4)
    if form == "report":
        return _report(domain, draw(st.sampled_from(_REPORTED)), draw(st.one_of(wild(), _GOOD)))
    good = {"significant": 0.05, "item": 1, "variable": "x", "columns": None}.get(form)
    given = draw(st.one_of(wild(), st.just(good)))
    text = f"{domain} {form} {brief(given)}"
    if form == "significant":
        setting = real(lambda v: 0 < v < 1, 0.05)
        right = NONE if setting.meaning(given) is NONE else MAYBE
        return Case(text, lambda: _ask(explained(domain).significant, given), right)
    if form == "item":
        setting = whole(-len(explained(domain)), len(explained(domain)) - 1)
        plain = setting.meaning(given)

        def one() -> Any:
            found = explained(domain).item(given)
            found.visualize(0) if found.domain.visualizer else None
            return {"score": found.score}

        right_item: Any = plain
        if plain not in (NONE, MAYBE):
            right_item = lambda: {"score": explained(domain).score[[plain]]}  # noqa: E731
        return Case(text, one, right_item)
    if form == "variable":
        return Case(
            text,
            lambda: _ask(explained(domain).__getitem__, given),
            NONE if not isinstance(given, str) else MAYBE,
        )
    if form == "columns":
        return Case(text, lambda: _ask(explained(domain).p_values, given))
    if form == "load":
        if isinstance(given, int) and not isinstance(given, bool):
            given = str(given)
        return Case(text, lambda: _ask(Explanation.load, given), NONE)
    return Case(text, lambda: _ask(_samples, given))


def _report(domain: str, setting: str, given: Any) -> Case:
    """The page of an explanation with one setting of any kind."""
    settings = {"static_pictures": 0, setting: given}

    def run() -> Any:
        make_page({"one": explained(domain)}, **settings)
        return {}

    return Case(f"report {domain} {brief({setting: given})}", run)


def _ask(question: Any, given: Any) -> dict[str, Any]:
    question(given)
    return {}


def _samples(given: Any) -> Any:
    own = explainer()
    return own.aggregate(given, "raw")


def _flat(values: Any) -> torch.Tensor:
    each = values if isinstance(values, list) else [values]
    return torch.cat([v.flatten() for v in each])
