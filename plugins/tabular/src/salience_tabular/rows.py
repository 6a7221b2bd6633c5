"""The rows of the user's table, and the faults found in them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from salience import BrokenItems, InputError, is_file, tell


class Rows:
    """Which rows of the user's data are in the table, and which of them hold a fault.

    Args:
        n_items: Number of rows of the user's data.
        positions: Position in the data of each row of the table; all where ``None``.
        broken: Where faults are noted.
    """

    def __init__(
        self, n_items: int, broken: BrokenItems, positions: Sequence[int] | None = None
    ) -> None:
        self.n_items = n_items
        self.positions = np.asarray(range(n_items) if positions is None else positions, dtype=int)
        self.good = np.ones(len(self.positions), dtype=bool)
        self._broken = broken

    def note(self, wrong: NDArray[np.bool_], sentence: Callable[[int], str]) -> None:
        """Note faults.

        Args:
            wrong: Whether each row of the table has the fault, shape (B,).
            sentence: Function from the index of a row to what is wrong with it.
        """
        for row in np.flatnonzero(wrong):
            position = int(self.positions[row])
            self._broken.add(position, f"row {position}{sentence(int(row))}")
        self.good &= ~wrong

    def settle(self, names: Sequence[Any] | None = None) -> None:
        """Refuse the data, or tell which rows are left out, as ``on_error`` says.

        Args:
            names: A name for each row of the table, where there are any.

        Raises:
            InputError: Rows are broken, and are not to be left out or are all the rows.
        """
        known = () if names is None else zip(self.positions.tolist(), names, strict=True)
        self._broken.settle(self.n_items, dict(known))


def read_csv(
    path: Path,
    broken: BrokenItems,
    id_column: str | None = None,
    as_written: Collection[str] = (),
) -> tuple[pd.DataFrame, Rows]:
    """Read a CSV file in UTF-8, whose rows have as many cells as its header.

    The first line is the header; where it holds numbers only, one of them no whole number, the user
    is told, since it is likely a row.

    Raises:
        InputError: The file does not exist, is no text or no CSV, or has no row that can be read.
    """
    # pandas would also download from a URL; only local files are read here.
    if not is_file(path):
        raise InputError(f"there is no file {str(path)!r}; pass the path of a CSV file")
    try:
        names, *rows = _cells(_text(path))
        _check_separator([row for _, row in (names, *rows)])
        right = [i for i, (_, row) in enumerate(rows) if len(row) == len(names[1])]
        table = _parsed([names[1], *(rows[i][1] for i in right)], id_column, as_written)
    except (ValueError, OSError, csv.Error) as error:
        raise InputError(
            f"{str(path)!r} cannot be read as CSV ({error}); "
            f"expected text in UTF-8: a line of column names, then one line a row"
        ) from error
    if names[1] and all(map(_is_number, names[1])) and not all(map(str.isdecimal, names[1])):
        tell(
            f"the first line of {path.name} holds numbers only, and is read as the names of the "
            f"columns; where it is a row, write a line of names above it"
        )
    for i in sorted(set(range(len(rows))) - set(right)):
        line, row = rows[i]
        broken.add(
            i,
            f"row {i} (line {line} of {path.name}) has {len(row)} cells, where the header has "
            f"{len(names[1])}; mend it or leave it out",
        )
    found = Rows(len(rows), broken, right)
    if rows and not right:
        found.settle()
    return _numbers(table, found, {id_column, *as_written}), found


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _text(path: Path) -> str:
    raw = path.read_bytes()
    if b"\0" in raw:
        raise ValueError("it holds zero bytes, so that it is no text")
    return raw.decode("utf-8-sig")


def _cells(text: str) -> list[tuple[int, list[str]]]:
    """The rows that are not blank, each with the number of its last line; the first is the header.

    Raises:
        ValueError: There is no row.
    """
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    rows = [(reader.line_num, row) for row in reader if row]
    if not rows:
        raise ValueError("it is empty")
    return rows


def _check_separator(rows: Sequence[Sequence[str]]) -> None:
    """Raise ValueError where the cells of all rows are separated by another sign than a comma."""
    if len(rows[0]) > 1:
        return
    for sign, word in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if all(sign in ",".join(row) for row in rows):
            raise ValueError(f"{word} separate its cells, not commas")


def _parsed(
    rows: Sequence[Sequence[str]], id_column: str | None, as_written: Collection[str]
) -> pd.DataFrame:
    text = StringIO()
    csv.writer(text).writerows(rows)
    text.seek(0)
    table = pd.read_csv(text, index_col=False)
    if id_column in rows[0]:  # as written: "007" and "NA" are names
        at = rows[0].index(id_column)
        table.isetitem(at, np.array([row[at] for row in rows[1:]], dtype=object))
    for name in {*as_written} & {*rows[0]}:
        at = rows[0].index(name)
        table.isetitem(at, np.array([row[at] or None for row in rows[1:]], dtype=object))
    return table


def _numbers(table: pd.DataFrame, rows: Rows, kept: Collection[str | None]) -> pd.DataFrame:
    """Turn columns of text in which numbers prevail into numbers, noting the other cells.

    A column where text prevails is left as it is.
    """
    made = table.copy(deep=False)
    for at, name in enumerate(table.columns):
        column: Any = table.iloc[:, at]
        if pd.api.types.is_numeric_dtype(column.dtype) or name in kept:
            continue
        numbers = pd.to_numeric(column, errors="coerce")
        wrong = (numbers.isna() & column.notna()).to_numpy()
        if 2 * wrong.sum() < column.notna().sum():
            rows.note(wrong, _no_number(str(name), column))
            made.isetitem(at, numbers)
    return made


def _no_number(name: str, column: Any) -> Callable[[int], str]:
    return lambda row: (
        f", column {name!r} holds {column.iloc[row]!r}, expected a number; mend it or leave it out"
    )
