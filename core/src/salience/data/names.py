"""Names that data gives its items: the index of a frame, a column of ids, files, molecules.

A name says which item is meant, and may be that of several. It never decides about draws: these
are keyed by ``ids=`` or else by position.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

from salience.intake import scalar


def plain_name(value: Any) -> int | str | None:
    """A label of any type as a whole number or a string; ``None`` where it is missing.

    Dates become text, and so do numbers that are not whole; the parts of a tuple are joined by
    commas.
    """
    value = scalar(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, tuple):
        return ", ".join(str(plain_name(part)) for part in value)
    truth = isinstance(value, bool | np.bool_ | np.timedelta64)
    if isinstance(value, Integral) and not truth and -(2**63) <= int(value) < 2**63:
        return int(value)
    if value is None or (isinstance(value, Real) and not truth and math.isnan(value)):
        return None
    text = str(value)
    return None if text in ("NaT", "<NA>") else text


def plain_names(values: Sequence[Any], offset: int = 0) -> list[int | str] | None:
    """The names of items; an item without a name has its position.

    Args:
        values: A label of any type for each item.
        offset: Position of the first item in the whole data set.

    Returns:
        The names, or ``None`` where they are just the positions or no item has one.
    """
    found: list[Any] = list(values)
    if not set(map(type, found)) <= {int, str}:
        found = [plain_name(value) for value in found]
        if all(name is None for name in found):
            return None
        found = [offset + at if name is None else name for at, name in enumerate(found)]
    return None if found == list(range(offset, offset + len(found))) else found


def row_names(data: Any) -> list[Any] | None:
    """Labels of the rows of a frame or series of pandas; ``None`` where these were counted from 0.

    Args:
        data: Any object; what has no index of rows has no labels.
    """
    index = getattr(data, "index", None)
    if index is None or callable(index) or not hasattr(index, "tolist"):
        return None
    if type(index).__name__ == "RangeIndex" and index.start == 0 and index.step == 1:
        return None
    labels: list[Any] = index.tolist()
    return labels
