"""Names that data gives its items: the index of a frame, a column of ids, files, molecules.

A name says which item is meant, and may be that of several. It never decides about draws: these
are keyed by ``ids=`` or else by position.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import date, timedelta
from numbers import Integral, Real
from typing import Any

import numpy as np
from torch import Tensor

from salience.errors import InputError, an, brief, one_line
from salience.intake import array, scalar

# What pandas calls its missing entries; NA cannot be compared with itself.
_MISSING = ("NAType", "NaTType")


def plain_name(value: Any) -> int | str | None:
    """A label of any type as a whole number within 64 bits or a string.

    A date is text, without a time where that is midnight ("2026-01-31"); a tuple the text of its
    parts, joined by commas; other numbers are text unless they are whole. Equal labels of Python,
    NumPy and pandas give the same name.

    Returns:
        The name; ``None`` where the label is missing: None, NaN, NaT, an empty string.
    """
    value = scalar(value)
    if isinstance(value, str):
        return _readable(str(value)) or None
    if isinstance(value, np.datetime64 | np.timedelta64):
        value = _of_python(value)
    if value is None or type(value).__name__ in _MISSING:
        return None
    if isinstance(value, tuple):
        return ", ".join("nan" if (part := plain_name(v)) is None else str(part) for v in value)
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace") or None
    if isinstance(value, date):  # a time stamp is a date
        return str(value).removesuffix(" 00:00:00")
    if isinstance(value, timedelta):
        return str(timedelta(value.days, value.seconds, value.microseconds))
    if isinstance(value, Real) and not isinstance(value, bool | np.bool_):
        return _of_number(value)
    return _readable(one_line(str(value), None)) or None


def _of_number(value: Any) -> int | str | None:
    if value != value:
        return None
    is_float = isinstance(value, float | np.floating)
    if isinstance(value, Integral) or (is_float and value % 1 == 0):
        number = int(value)
        return number if -(2**63) <= number < 2**63 else str(value)
    return str(value)


def _of_python(value: Any) -> Any:
    """A date or duration of NumPy as one of Python, or as text where Python has none so exact."""
    if np.isnat(value):
        return None
    exact = value.astype(
        "datetime64[us]" if isinstance(value, np.datetime64) else "timedelta64[us]"
    )
    return exact.item() if exact == value else str(value).replace("T", " ")


def _readable(text: str) -> str:
    """Text in Unicode, where halves of characters, as in names of files, are escapes."""
    return text if text.isprintable() else text.encode(errors="backslashreplace").decode()


class Positions(tuple[int, ...]):
    """Positions of items in the data set that they were chosen from, which key their draws."""

    __slots__ = ()

    def __getitem__(self, at: Any) -> Any:
        found = super().__getitem__(at)
        return Positions(found) if isinstance(at, slice) else found


def plain_names(values: Sequence[Any], positions: Sequence[Any]) -> list[int | str] | None:
    """The names of items; an item without a name has its position.

    Where that is the name of another item, the nameless one is called "item" and its position.

    Args:
        values: A label of any type for each item.
        positions: Position of each item in the whole data set.

    Returns:
        The names, or ``None`` where they are just the positions or no item has one.
    """
    names = [plain_name(value) for value in values]
    taken = set(names)
    found = [
        name if name is not None else f"item {at}" if at in taken else at
        for at, name in zip(positions, names, strict=True)
    ]
    return None if found == list(positions) else found


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


def labels_in_column(cells: Sequence[Any]) -> list[Any]:
    """Labels in a column: whole numbers that are written as text become numbers.

    Where one is no whole number, or has leading zeros, all stay as they are written. Empty cells
    are no labels.

    Args:
        cells: The cells of the column.
    """
    written = [cell for cell in cells if not (isinstance(cell, str) and not cell)]
    plain = all(isinstance(cell, str) and cell.isascii() and cell.isdecimal() for cell in written)
    if plain and all(len(cell) < 18 and str(int(cell)) == cell for cell in written):
        return [int(cell) if cell else None for cell in cells]
    return [None if isinstance(cell, str) and not cell else cell for cell in cells]


def ids(values: Any) -> Sequence[int | str]:
    """Ids of items: whole numbers within 64 bits, or strings.

    Raises:
        InputError: An id is something else, or two items share one.
    """
    if isinstance(values, range):
        return values
    found = [_id(value) for value in _one_each(values, "ids", "a whole number or string")]
    if len(set(found)) != len(found):
        raise InputError("two items share an id, so they would share their draws; make ids unique")
    return found


def labels(values: Any) -> list[int | float | str | None]:
    """Labels of items: numbers, truth values, strings, or ``None`` where one is missing.

    Raises:
        InputError: A label is something else.
    """
    return [label(value) for value in _one_each(values, "labels", "a number or string")]


def label(value: Any) -> int | float | str | None:
    """A label of an item; ``None`` for a missing one: None, NaN, NaT.

    Raises:
        InputError: It is no number or string.
    """
    value = scalar(value)
    if value is None or type(value).__name__ in _MISSING:
        return None
    if isinstance(value, str):
        return _text(value, "label")
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, Integral) and not isinstance(value, np.timedelta64):
        return _within_64_bits(value, "label")
    if isinstance(value, float | np.floating):
        return None if np.isnan(value) else float(value)
    raise InputError(f"the label {brief(value)} is neither a number nor a string; pass str(label)")


def label_key(name: Any) -> tuple[bool, Any]:
    """What tells a label from others: True is not the number 1."""
    return isinstance(name, bool), name


def _one_each(values: Any, name: str, expected: str) -> Iterable[Any]:
    """The values of a list, array or series of one axis, one for each item.

    Raises:
        InputError: They are no such thing, or masked.
    """
    wrong = isinstance(values, str | bytes | Mapping | Set) or not isinstance(values, Iterable)
    if wrong or getattr(values, "ndim", 1) != 1 or hasattr(values, "columns"):
        raise InputError(f"{name} is {an(type(values).__name__)}; pass {expected} for each item")
    if isinstance(values, np.ma.MaskedArray):
        raise InputError(f"{name} is a masked array; pass {expected} for each item")
    if isinstance(values, Tensor):
        return list(array(values, name, f"{expected} for each item").tolist())
    return list(values.to_numpy()) if hasattr(values, "to_numpy") else values


def _text(value: str, name: str) -> str:
    if value.isprintable() or value.encode(errors="ignore").decode() == value:
        return str(value)
    raise InputError(f"the {name} {value!a} is no text in Unicode; pass another")


def _within_64_bits(value: Any, name: str) -> int:
    if -(2**63) <= int(value) < 2**63:
        return int(value)
    raise InputError(f"the {name} {brief(value)} has more than 64 bits; pass it as a string")


def _id(value: Any) -> int | str:
    if isinstance(value, str):
        if not value:
            raise InputError("an id is an empty string, by which no item is found; pass another")
        return _text(value, "id")
    number = scalar(value)
    truth = isinstance(number, bool | np.bool_ | np.timedelta64)
    if isinstance(number, Integral) and not truth:
        return _within_64_bits(number, "id")
    raise InputError(f"the id {brief(value)} is neither a whole number nor a string; pass str(id)")
