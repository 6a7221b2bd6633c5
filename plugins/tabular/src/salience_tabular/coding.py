"""Categories that are declared: text and missing values become the codes of the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from salience import InputError
from salience.errors import brief, nearest
from salience_tabular.order import listed
from salience_tabular.rows import Rows

#: The categories of a column, in the order of the codes; ``None`` is that of missing values.
Categories = tuple[str | float | None, ...]


def declared(given: Any) -> dict[str | int, Categories]:
    """The declared categories: column → categories.

    Raises:
        InputError: They are no mapping of columns to lists of names or numbers, each named once.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InputError(
            f"categories={brief(given, 60)}; pass a mapping such as {{'colour': ['red', 'green']}}"
        )
    found: dict[str | int, Categories] = {}
    for column, names in given.items():
        if isinstance(names, str):
            raise InputError(f"categories[{column!r}]={brief(names, 60)} is one text; pass a list")
        if isinstance(column, bool) or not isinstance(column, str | int):
            raise InputError(
                f"categories has the column {brief(column, 60)}; name it, or pass its position"
            )
        known = tuple(_plain(name, column) for name in listed(names, f"categories[{column!r}]"))
        if not known or len(set(known)) != len(known):
            raise InputError(
                f"categories[{column!r}]={brief(list(known), 60)} holds "
                f"{'no category' if not known else 'a category twice'}; name each once, in the "
                f"order of the codes"
            )
        found[column] = known
    return found


def coded(
    table: NDArray[Any] | pd.DataFrame,
    names: Sequence[str],
    known: Mapping[int, Categories],
    rows: Rows | None,
) -> NDArray[Any] | pd.DataFrame:
    """The table with codes in the place of the declared categories; rows with others are noted.

    Args:
        table: The table, which is not changed.
        names: Name of each column.
        known: Position of a column → its categories.
        rows: Where rows with other entries are noted; ``None`` refuses the first.

    Raises:
        InputError: An entry is none of the categories, and ``rows`` is ``None``.
    """
    if not known:
        return table
    if isinstance(table, pd.DataFrame):
        frame = table.copy(deep=False)
        for at, categories in known.items():
            frame.isetitem(at, _codes(table.iloc[:, at], names[at], categories, rows))
        return frame
    array = np.array(table, dtype=table.dtype if table.dtype.kind == "f" else float)
    for at, categories in known.items():
        array[:, at] = _codes(pd.Series(table[:, at]), names[at], categories, rows)
    return array


def labels(categories: Sequence[Any]) -> list[str]:
    """Categories as texts."""
    return ["missing" if name is None else _text(name) for name in categories]


def _text(name: Any) -> str:
    return str(int(name)) if isinstance(name, float) and name.is_integer() else str(name)


def _plain(name: Any, column: str | int) -> str | float | None:
    if isinstance(name, np.generic):
        name = name.item()
    if name is None or name is pd.NA or (isinstance(name, float) and np.isnan(name)):
        return None
    if isinstance(name, str | int | float):
        return name
    raise InputError(
        f"categories[{column!r}] holds {brief(name, 60)}; pass texts, numbers, and None for "
        f"missing values"
    )


def _codes(
    column: pd.Series[Any], name: str, categories: Categories, rows: Rows | None
) -> NDArray[np.int64]:
    """The code of each entry, 0 where a row is noted."""
    places: dict[Any, int] = {}
    for code, category in enumerate(categories):
        if category is not None:
            places[category] = code
    for code, category in enumerate(categories):  # numbers in files are text
        if category is not None:
            places.setdefault(_text(category), code)
    missing = column.isna().to_numpy(dtype=bool)
    entries = column.tolist()
    gone = categories.index(None) if None in categories else -1
    found = np.array(
        [gone if m else _place(places, e) for e, m in zip(entries, missing, strict=True)],
        dtype=np.int64,
    )
    wrong = found < 0
    if rows is None and wrong.any():
        raise _fault(name, categories, entries, np.flatnonzero(wrong), missing)
    if rows is not None:
        rows.note(wrong, lambda row: f", column {name!r} {_said(entries[row], bool(missing[row]))}")
    return np.maximum(found, 0)


def _fault(
    name: str,
    categories: Categories,
    entries: Sequence[Any],
    wrong: NDArray[np.intp],
    missing: NDArray[np.bool_],
) -> InputError:
    """What is wrong with a column, of which some rows have no code."""
    first = int(wrong[0])
    entry, gone = entries[first], bool(missing[first])
    more = f" ({len(wrong)} rows are wrong)" if len(wrong) > 1 else ""
    if gone:
        some = brief(categories[0], 20)
        mend = (
            f"give missing values the category that the model was trained with, "
            f"categories={{{brief(name, 30)}: [{some}, ..., None]}}, or drop these rows"
        )
    else:
        mend = nearest(str(entry), labels(categories))
    return InputError(f"row {first}, column {brief(name, 40)} {_said(entry, gone)}{more}; {mend}")


def _said(entry: Any, gone: bool) -> str:
    return "is missing" if gone else f"holds {brief(entry, 30)}, which is none of its categories"


def _place(places: Mapping[Any, int], entry: Any) -> int:
    try:
        return places.get(entry, -1)
    except TypeError:  # a list, of which nothing can be looked up
        return -1
