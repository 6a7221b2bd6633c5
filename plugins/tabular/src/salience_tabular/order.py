"""The order of columns: that of the first table, in which further tables are read by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from salience import InputError, labels_in_column, row_names
from salience.errors import brief
from salience_tabular.table import Table


def labels_of(table: Any) -> tuple[str, ...] | None:
    """The labels of a frame's columns as text; ``None`` for an array."""
    return tuple(map(str, table.columns)) if isinstance(table, pd.DataFrame) else None


def numbered_names(width: int) -> list[str]:
    """Names of the columns of an array."""
    return [f"feature {i}" for i in range(width)]


def take_names(
    table: Any, id_column: str | None, *, optional: bool = False
) -> tuple[Any, list[Any] | None]:
    """Part the names of the rows from a table.

    Args:
        table: A frame or an array.
        id_column: The column of names, or the name of the index that holds them; the index of the
            frame where ``None``.
        optional: Whether the column may be missing, as in background data.

    Returns:
        The table without that column; and a name for each row, or ``None`` where the rows are just
        counted.

    Raises:
        InputError: There is not exactly one such column, or no other.
    """
    if id_column is None:
        return table, row_names(table) if isinstance(table, pd.DataFrame) else None
    labels = labels_of(table)
    if optional and (labels is None or id_column not in labels):
        return table, None
    if labels is not None and id_column not in labels and table.index.name == id_column:
        return table, table.index.tolist()
    if labels is None or labels.count(id_column) != 1 or len(labels) == 1:
        have = "no names of columns" if labels is None else f"the columns {brief(list(labels))}"
        raise InputError(
            f"id_column={brief(id_column)}, but the table has {have}; name one column of a data "
            f"frame or CSV file that has others too"
        )
    at = labels.index(id_column)
    names = labels_in_column(table.iloc[:, at].tolist())
    return table.iloc[:, [i for i in range(len(labels)) if i != at]], names


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


def check_codes(table: Table, dataset_info: Mapping[str, Any]) -> None:
    """Check that the codes of a further table mean the categories that they mean in the first.

    Args:
        table: The further table, in the order of the first.
        dataset_info: What the domain knows of the first table.

    Raises:
        InputError: A column of pandas' category dtype has other categories, or another order.
    """
    first = dataset_info.get("categories") or ()
    for at, own, known in zip(table.categorical_at, table.categories, first, strict=False):
        if own is not None and known is not None and list(own) != list(known):
            name = dataset_info["columns"][at]
            raise InputError(
                f"column {name!r} of a further table has the categories {brief(list(own), 50)}, "
                f"but in the first table {brief(list(known), 50)}, so that a code means another one"
                f"; give both tables one CategoricalDtype, or pass Tabular(categories=...)"
            )
