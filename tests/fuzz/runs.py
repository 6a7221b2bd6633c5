"""Inputs: arguments of explain_dataset, and what is asked of its results."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import chdir
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from hypothesis import strategies as st

from salience import Explainer, ResultSet, Tensors

from .data import folder
from .oracle import Case
from .specs import brief
from .subject import N_ITEMS, explainer, network, rows, told
from .values import MAYBE, NONE, Mark, truth, whole, wild

_NOISY: dict[str, Any] = {"samplers": ["gaussian:scale=0.2"], "n_samples": 2}
_OPTIONS = (
    *("ids", "labels", "unit_items", "executor", "resume", "on_error", "progress", "stripe"),
    *("out", "data"),
)
_IDS, _LABELS = ["a", "b", "c", "d"], ["p", "q", "p", None]


def cases() -> st.SearchStrategy[Case]:
    return st.one_of(options(), asked())


def _explained(**given: Any) -> dict[str, Any]:
    """The numbers of a run into a new folder."""
    with TemporaryDirectory(dir=folder()) as place, chdir(place):  # where a name of a folder leads
        call = {"data": rows(), "out": Path(place) / "run"} | _NOISY | given
        found = Explainer(network(), Tensors(), max_rows=8).explain_dataset(**call)
        return told(found.explanation())


@st.composite
def options(draw: Any) -> Case:
    """One argument of any value; the others are right."""
    name = draw(st.sampled_from(_OPTIONS))
    setting = {"unit_items": whole(1, good=2), "resume": truth(), "progress": truth()}.get(name)
    given = draw(wild() if setting is None else setting.any())
    meant: Any = MAYBE if setting is None else setting.meaning(given)
    if name == "progress" and given is None:
        meant = None
    if name == "unit_items" and isinstance(given, str):
        meant = MAYBE
    text = f"explain_dataset({name}={brief(given)})"

    def expected() -> dict[str, Any]:
        right = told(explainer(max_rows=1).explain(rows(), **_NOISY))
        return {"values": right["values"], "errors": right["errors"]}

    right: Callable[[], Any] | Mark = meant if meant in (NONE, MAYBE) else expected
    return Case(text, lambda: _explained(**{name: given}), right)


@cache
def _results() -> ResultSet:
    """A run of four items with ids and labels, in two units."""
    settings: dict[str, Any] = {"ids": _IDS, "labels": _LABELS, "unit_items": 3} | _NOISY
    return explainer(max_rows=8).explain_dataset(rows(), folder() / "run", **settings)


@st.composite
def asked(draw: Any) -> Case:
    """Items by place, id and label, and means: by right names and by anything."""
    results = _results()
    form = draw(st.sampled_from(("place", "id", "label", "mean", "open", "several")))
    good: dict[str, Any] = {
        "place": st.integers(-N_ITEMS, N_ITEMS - 1),
        "several": st.lists(st.integers(-N_ITEMS, N_ITEMS - 1), min_size=1, max_size=6),
        "id": st.sampled_from(_IDS),
        "label": st.sampled_from(_LABELS),
        "mean": st.sampled_from(("value", "magnitude")),
        "open": st.just(None),
    }
    right = draw(st.booleans()) and form != "open"
    given = draw(good[form] if right else wild())

    def run() -> dict[str, Any]:
        if form in ("place", "several"):
            return told(results[given].explanation())
        if form == "id":
            return told(results.loc[given].explanation())
        if form == "label":
            return told(results.where(label=given).explanation())
        if form == "mean":
            return {"values": [results.mean(given)]}
        return told(ResultSet.open(given).explanation())

    def expected() -> dict[str, Any]:
        every = explainer(max_rows=1).explain(rows(), **_NOISY, ids=_IDS)
        if form == "mean":
            return {"values": [every.mean(given)]}
        if form == "place":
            places = [given % N_ITEMS]
        elif form == "several":
            places = [place % N_ITEMS for place in given]
        else:
            column = _IDS if form == "id" else _LABELS
            places = [at for at, name in enumerate(column) if name == given]
        return {"ids": [_IDS[at] for at in places], "values": [every.values[torch.tensor(places)]]}

    return Case(f"results, {form}: {brief(given)}", run, expected if right else MAYBE)
