"""The order of columns: that of the first table, in which further tables are read by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from salience import InputError
from salience.errors import brief


def labels_of(table: Any) -> tuple[str, ...] | None:
    """The labels of a frame's columns as text; ``None`` for an array."""
    return tuple(map(str, table.columns)) if isinstance(table, pd.DataFrame) else None


def numbered_names(width: int) -> list[str]:
    """Names of the columns of an array."""
    return [f"feature {i}" for i in range(width)]


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
