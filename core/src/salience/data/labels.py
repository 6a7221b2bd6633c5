"""Labels of frames and series: values by the names of the data's own columns."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
from torch import Tensor

from salience.errors import InputError, brief


def has_names(value: Any) -> bool:
    """Whether a value is a frame, or a series, whose columns or entries have names."""
    return bool(_labels(value))


def by_column(value: Any, columns: Sequence[Sequence[str]]) -> Any:
    """Order a frame, or a series of one value a column, by the names of the data's columns.

    Labels that are whole numbers count only where they are those of the data's columns.

    Args:
        value: What the user handed in; what has no names is returned as it is.
        columns: Names of all the data's columns in order, or of those of a kind; each is tried.

    Raises:
        InputError: The names are not those of the columns.
    """
    labels = _labels(value)
    if not labels or not columns:
        return value
    known = {str(label): label for label in labels}
    for names in columns:
        if len(known) == len(labels) and len(set(names)) == len(names) and known.keys() >= {*names}:
            return value[[known[name] for name in names]]
        if [str(label) for label in labels] == list(names):
            return value
    if not any(isinstance(label, str) for label in labels):
        return value
    raise InputError(
        f"the columns {brief(labels)} are not those of the data, {brief(list(columns[0]))}; pass "
        f"the same columns, in any order"
    )


def _labels(value: Any) -> list[Any]:
    """Labels of the columns of a frame or of the entries of a series; empty without any."""
    axis = getattr(value, "columns", None)
    if axis is None and hasattr(value, "to_numpy"):
        axis = getattr(value, "index", None)
    if axis is None or callable(axis) or isinstance(value, Tensor | np.ndarray):
        return []
    names = list(axis)
    return names if all(isinstance(name, str | Integral) for name in names) else []
