"""The order of columns: that of the first table, in which further tables are read by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from salience import InputError, row_names
from salience.errors import brief


def labels_of(table: Any) -> tuple[str, ...] | None:
    """The labels of a frame's columns as text; ``None`` for an array."""
    return tuple(map(str, table.columns)) if isinstance(table, pd.DataFrame) else None


def numbered_names(width: int) -> list[str]:
    """Names of the columns of an array."""
    return [f"feature {i}" for i in range(width)]


def take_names(table: Any, id_column: str | None) -> tuple[Any, list[Any] | None]:
    """Part the names of the rows from a table.

    Args:
        table: A frame or an array.
        id_column: The column of names; the index of the frame where ``None``.

    Returns:
        The table without that column; and a name for each row, or ``None`` where the rows are just
        counted.

    Raises:
        InputError: There is not exactly one such column, or no other.
    """
    if id_column is None:
        return table, row_names(table) if isinstance(table, pd.DataFrame) else None
    labels = labels_of(table)
    if labels is None or labels.count(id_column) != 1 or len(labels) == 1:
        have = "no names of columns" if labels is None else f"the columns {brief(list(labels))}"
        raise InputError(
            f"id_column={brief(id_column)}, but the table has {have}; name one column of a data "
            f"frame or CSV file that has others too"
        )
    at = labels.index(id_column)
    names = _as_written(table.iloc[:, at].tolist())
    return table.iloc[:, [i for i in range(len(labels)) if i != at]], names


def _as_written(names: list[Any]) -> list[Any]:
    """Whole numbers written as text, without leading zeros, as numbers; else the names."""
    plain = all(isinstance(name, str) and name.isascii() and name.isdecimal() for name in names)
    if plain and all(len(name) < 18 and str(int(name)) == name for name in names):
        return [int(name) for name in names]
    return names


def listed(names: Any, setting: str) -> tuple[Any, ...]:
    """Several names, in order.

    Raises:
        InputError: They have no order, as in a set.
    """
    one = not isinstance(names, Iterable) or getattr(names, "ndim", 1) == 0
    if one or isinstance(names, Mapping | set | frozenset):
        raise InputError(f"{setting}={brief(names)} is no sequence; pass a list")
    return tuple(names)


def in_order(table: Any, dataset_info: Mapping[str, Any]) -> Any:
    """A further table, with the columns of the first, in their order.

    Args:
        table: A frame or an array.
        dataset_info: What the domain knows of the first table.

    Raises:
        InputError: The table lacks a column of the first.
    """
    columns = dataset_info["columns"]
    first, labels = dataset_info.get("labels", columns), labels_of(table)
    if first is not None and labels is not None:
        wrong = [label for label in first if labels.count(label) != 1]
        if not wrong:
            return table.iloc[:, [labels.index(label) for label in first]]
        counted = list(map(str, range(len(labels))))
        if list(labels) not in (list(first), counted):
            raise InputError(
                f"a further table has {labels.count(wrong[0])} columns called {wrong[0]!r}, which "
                f"the first table has; pass all the columns of the first, in any order"
            )
    if table.shape[1] != len(columns):
        raise InputError(
            f"a further table has {table.shape[1]} columns, but the first has {len(columns)}; pass "
            f"the same columns"
        )
    return table
