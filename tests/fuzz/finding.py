"""Inputs: names of items in tables, and what is asked to find items."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import torch
from hypothesis import strategies as st

from salience import Explainer, Explanation
from salience_tabular import Tabular

from .columns import frame
from .data import Any64, folder
from .oracle import Case
from .specs import brief
from .subject import N_ITEMS, rows, slow, told
from .values import MAYBE, NONE, wild

_LABELS: tuple[Any, ...] = (
    *("p", "q", "007", "7", "", "NA", "a, b", "=1", "ä"),
    *(0, 1, 7, -3, 2**63, 1.0, 0.5, np.int32(4), True),
    *(None, float("nan"), float("inf"), pd.NaT, pd.NA, b"x", ("a", 1), ("a", None)),
    *(pd.Timestamp("2026-01-31"), np.datetime64("2026-01-31"), pd.Timedelta(days=2)),
)


def cases() -> st.SearchStrategy[Case]:
    return st.one_of(indexes(), id_columns(), chosen(), asked())


def _labels() -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(_LABELS), min_size=N_ITEMS, max_size=N_ITEMS)


def _values() -> dict[str, Any]:
    return {"values": [torch.stack([slow("gradient", x, {}) for x in rows()])]}


def _plain(found: Explanation) -> dict[str, Any]:
    """The numbers, after each item was found by its id and by its position."""
    for at, name in enumerate(found.ids):
        assert isinstance(name, int | str)
        assert found.ids[at] in list(found.loc[name].ids)
        assert torch.equal(found.iloc[at].score, found.score[[at]])
    return {"values": told(found)["values"]}


@st.composite
def indexes(draw: Any) -> Case:
    """Frames whose index holds labels of any kind, which change no number."""
    labels = draw(_labels())
    given = frame()
    given.index = pd.Index(labels, dtype=object, tupleize_cols=False)

    def run() -> Any:
        found = Explainer(Any64(), Tabular()).explain(given)
        for at, (label, name) in enumerate(zip(labels, found.ids, strict=True)):
            called = not isinstance(name, int) and name != f"item {at}"  # else it has no label
            if called and list(found.ids).count(name) == 1:
                assert list(found.loc[label].ids) == [name]
        return _plain(found)

    return Case(f"index {labels}", run, _values)


@st.composite
def id_columns(draw: Any) -> Case:
    """Tables with a column of ids, in a frame or a file; it is no feature."""
    name = draw(st.sampled_from(("id", "id", "id", "ID", "a", "", "x, y")))
    asked_for = draw(st.one_of(st.just(name), st.just(name), wild()))
    labels = draw(_labels())
    as_file = draw(st.booleans())
    given = frame()
    at = draw(st.integers(0, 3))
    given.insert(at, name, pd.Series(labels, dtype=object), allow_duplicates=True)
    is_right = isinstance(asked_for, str) and asked_for == name and name != "a"
    right: Any = _values if is_right else MAYBE
    if isinstance(asked_for, str) and asked_for not in given.columns:
        right = NONE

    def run() -> Any:
        data: Any = given
        if as_file:
            data = folder() / "ids.csv"
            given.to_csv(data, index=False)
        domain = Tabular(id_column=asked_for)
        return _plain(Explainer(Any64(), domain).explain(data))

    if as_file and (name == "" or name == "a"):
        right = MAYBE  # pandas gives such columns names of its own
    return Case(f"id_column={brief(asked_for)} of {name!r} {labels} {as_file}", run, right)


@cache
def _found() -> Explanation:
    ids = ["p", "q", "p", "s"]
    given = frame().set_axis(pd.Index(ids), axis=0)
    return Explainer(Any64(), Tabular()).explain(given, "gradient", ["gaussian"], 3)


@st.composite
def chosen(draw: Any) -> Case:
    """Positions, slices and masks, by the rules of NumPy."""
    many = st.lists(st.integers(-5, 5), max_size=5)
    end = st.one_of(st.none(), st.integers(-6, 6))
    asked_for = draw(
        st.one_of(
            st.integers(-6, 6),
            many,
            many.map(np.array),
            st.lists(st.booleans(), max_size=5),
            st.lists(st.booleans(), min_size=4, max_size=4).map(np.array),
            st.lists(st.booleans(), min_size=4, max_size=4).map(pd.Series),
            st.builds(slice, end, end, end),
        )
    )
    try:
        plain = np.arange(N_ITEMS)[
            asked_for if not isinstance(asked_for, list) else _array(asked_for)
        ]
        positions = np.atleast_1d(plain).tolist()
    except (IndexError, ValueError):
        positions = []
    right: Any = (lambda: {"score": _found().score[positions]}) if positions else NONE
    return Case(
        f"iloc[{brief(asked_for)}]",
        lambda: {"score": _found().iloc[asked_for].score},
        right,
        late=True,
    )


def _array(values: list[Any]) -> Any:
    return np.array(values) if values else np.array([], dtype=int)


@st.composite
def asked(draw: Any) -> Case:
    """Anything where an id, a position, a mask or a condition is expected."""
    how = draw(st.sampled_from(("loc", "iloc", "item", "where", "column", "sub", "brackets")))
    given = draw(st.one_of(wild(), st.sampled_from(_LABELS)))
    if how == "where" and callable(given):
        how = "loc"  # a function of the user's may raise what it likes
    column = draw(st.sampled_from(("ids", "score", "converged", "prediction", "drawn", "x", "")))

    def run() -> Any:
        own: Any = _found()
        found = {
            "loc": lambda: own.loc[given],
            "iloc": lambda: own.iloc[given],
            "item": lambda: own.item(given),
            "where": lambda: own.where(given),
            "column": lambda: own.where(**{column: given}),
            "sub": lambda: own - given,
            "brackets": lambda: own[given],
        }[how]()
        assert how == "brackets" or len(found) > 0
        return None

    return Case(f"{how} {column} {brief(given)}", run, late=True)
