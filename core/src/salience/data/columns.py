"""Columns: frames among the parameters of parts, in the order of the data's own columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, fields, is_dataclass, replace
from typing import Any

from salience.data.labels import by_column, has_names
from salience.data.per_item import PerItem, rows_have_names
from salience.intake import array


def by_position(parts: Sequence[Any], dataset_info: Callable[[], Mapping[str, Any]]) -> list[Any]:
    """Replace frames and series with named columns by plain arrays.

    Args:
        parts: Calculators and samplers.
        dataset_info: Makes what the domain knows of the data, such as the names of its columns.

    Raises:
        InputError: A frame has other columns than the data.
    """
    if not any(_names_columns(getattr(p, f.name)) for p in parts for f in _fields(p)):
        return list(parts)
    columns = _columns(dataset_info())
    return [_by_column(part, columns) for part in parts]


def _fields(part: Any) -> tuple[Field[Any], ...]:
    return fields(part) if is_dataclass(part) else ()


def _names_columns(value: Any) -> bool:
    """Whether a parameter holds frames or series whose columns or entries have names."""
    if isinstance(value, Mapping):
        return any(_names_columns(entry) for entry in value.values())
    if isinstance(value, PerItem):
        return has_names(value.values) or rows_have_names(value.values)
    return has_names(value)


def _by_column(part: Any, columns: Sequence[Sequence[str]]) -> Any:
    """The part with its frames in the order of the data's columns, as plain arrays."""

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: plain(entry) for name, entry in value.items()}
        if isinstance(value, PerItem):
            if isinstance(value.values, list | tuple):
                rows = [array(by_column(row, columns), "PerItem(...)") for row in value.values]
                return PerItem(rows)
            return PerItem(array(by_column(value.values, columns), "PerItem(...)"))
        return array(by_column(value, columns), "a parameter by column")

    changed = {
        f.name: plain(getattr(part, f.name))
        for f in _fields(part)
        if _names_columns(getattr(part, f.name))
    }
    return replace(part, **changed) if changed else part


def _columns(dataset_info: Mapping[str, Any]) -> list[list[str]]:
    """Names of all the columns of the data, and of those of each kind, where it has any."""
    names = dataset_info.get("columns")
    # What the data itself calls its columns, where the user gave other names; None for an array.
    labels = dataset_info.get("labels", names)
    if names is None or labels is None:
        return []
    kinds = [dataset_info[kind] for kind in ("numeric", "categorical") if kind in dataset_info]
    called = [names] if labels == names else [names, labels]
    return [
        columns
        for own in called
        for columns in (list(own), *([own[i] for i in kind] for kind in kinds))
        if columns
    ]
