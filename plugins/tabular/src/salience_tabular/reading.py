"""Reading tables: converts the user's data to tensors and reports faults by row and column."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from salience import BrokenItems, InputError
from salience.errors import an
from salience_tabular.frames import foreign_frame, numbers, plain_array
from salience_tabular.order import numbered_names
from salience_tabular.rows import Rows, read_csv


def load(
    data: Any,
    broken: BrokenItems,
    id_column: str | None = None,
    as_written: Collection[str] = (),
) -> tuple[NDArray[Any] | pd.DataFrame, Rows]:
    """Load the user's table as an array or data frame with two axes and at least one cell.

    Rows of a CSV file that cannot be read are noted and left out.

    Args:
        data: An array or tensor of shape (B, F), a data frame of pandas, polars or Arrow, or the
            path of a CSV file; also a list that holds one such path, as the command line passes it.
        broken: Where faults of rows are noted.
        id_column: Column of a CSV file that holds ids, which are read as they are written.
        as_written: Columns of a CSV file that hold declared categories, which are read as they are
            written; an empty cell is a missing value. Where there are such columns, an array may
            hold text.

    Raises:
        InputError: The data is of another kind or shape, is empty, or cannot be read.
    """
    if isinstance(data, list | tuple) and len(data) == 1 and _is_path(data[0]):
        data = data[0]
    rows = None
    if _is_path(data):
        data, rows = read_csv(Path(data), broken, id_column, as_written)
    elif isinstance(data, Tensor):
        data = _from_tensor(data)
    elif type(data).__module__.partition(".")[0] in ("polars", "pyarrow"):
        data = foreign_frame(data)
    elif isinstance(data, np.ndarray) and data.dtype == object:
        data = plain_array(data) if not as_written or data.ndim != 2 else _frame(data)
    if not isinstance(data, np.ndarray | pd.DataFrame):
        raise InputError(
            f"tabular data cannot be read from {an(type(data).__name__)}; pass an array or tensor "
            f"of shape (rows, columns), a pandas DataFrame, or the path of one CSV file"
        )
    if data.ndim != 2:
        raise InputError(
            f"the table has shape {data.shape}, expected (rows, columns); "
            f"reshape it, a single row as row[None, :]"
        )
    if 0 in data.shape:
        raise InputError(
            f"the table has {data.shape[0]} rows and {data.shape[1]} columns; "
            f"pass at least one of each"
        )
    return data, Rows(len(data), broken) if rows is None else rows


def to_array(
    table: NDArray[Any] | pd.DataFrame, names: Sequence[str], categorical: Collection[int]
) -> NDArray[Any]:
    """Convert all columns to one new array of real numbers, shape (B, F).

    A column of pandas' category dtype becomes its codes, -1 where a value is missing; any other
    missing value becomes NaN.

    Args:
        table: What :func:`load` returned.
        names: Name of each column.
        categorical: Positions of the columns that hold categories.

    Raises:
        InputError: A column holds values that are not real numbers, or undeclared categories.
    """
    if isinstance(table, pd.DataFrame):
        columns = [
            _column(table.iloc[:, at], name, at in categorical) for at, name in enumerate(names)
        ]
        return np.column_stack(columns)
    if table.dtype.kind not in "fiub":
        raise InputError(
            f"the table is an array of {table.dtype}, expected real numbers; "
            f"pass table.astype(float), or a pandas DataFrame with a dtype for each column"
        )
    if isinstance(table, np.ma.MaskedArray):
        return np.ma.filled(table.astype(float), np.nan)
    return np.array(table)


def floats(array: NDArray[Any], names: Sequence[str], rows: Rows) -> Tensor:
    """Convert numeric columns to a floating-point tensor of shape (B, Fn).

    float16 and float32 are kept; every other dtype becomes float64. Rows with a value that is NaN
    or infinite are noted.
    """
    kept = array.dtype in (np.float16, np.float32)
    array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("=") if kept else np.float64)
    wrong = ~np.isfinite(array)
    _note(rows, wrong, array, names, "a finite number", "fill or drop missing values first")
    return torch.from_numpy(array)


def codes(array: NDArray[Any], names: Sequence[str], rows: Rows) -> Tensor:
    """Convert categorical columns to a tensor of codes, int64 of shape (B, Fc).

    Rows with a value that is not a whole number from 0 are noted, and have the code 0 in its place.
    """
    with np.errstate(invalid="ignore"):
        wrong = ~np.isfinite(array) | (array < 0) | (array != np.floor(array))
    _note(
        rows,
        wrong,
        array,
        names,
        "the code of a category, a whole number from 0",
        "code the column as the model was trained, a missing value as a category of its own",
    )
    return torch.from_numpy(np.ascontiguousarray(np.where(wrong, 0, array), dtype=np.int64))


def _frame(objects: NDArray[Any]) -> pd.DataFrame:
    return pd.DataFrame(objects, columns=numbered_names(objects.shape[1]))


def _is_path(data: Any) -> bool:
    return isinstance(data, str | os.PathLike)


def _from_tensor(data: Tensor) -> NDArray[Any]:
    if data.is_meta:
        raise InputError("the table is a tensor without values; pass one that holds them")
    data = data.detach().cpu()
    if data.dtype == torch.bfloat16:  # numpy has no bfloat16; float32 represents all its values
        data = data.float()
    try:
        array: NDArray[Any] = data.numpy()
    except (RuntimeError, TypeError) as error:
        raise InputError(
            f"a tensor of layout {data.layout} and {data.dtype} cannot be read as a table; "
            f"pass a dense one of real numbers, e.g. table.to_dense().float()"
        ) from error
    return array


def _column(column: pd.Series[Any], name: str, categorical: bool) -> NDArray[Any]:
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        if not categorical:
            raise InputError(
                f"column {name!r} holds categories but is not declared; pass "
                f"Tabular(categorical=({name!r}, ...)) and a model that takes (numeric, "
                f"categorical), or turn the column into numbers"
            )
        return np.asarray(column.cat.codes)
    found = numbers(column)
    if found is None:
        # Codes assigned here, from the values in this table, could differ from the codes with
        # which the model was trained.
        mend = (
            f"name the categories in the order of the codes that the model was trained with, "
            f"Tabular(categories={{{name!r}: [...]}})"
            if categorical
            else "turn it into numbers, drop it, name items by it (id_column), or code it and "
            f"declare it in Tabular(categories={{{name!r}: [...]}})"
        )
        raise InputError(f"column {name!r} holds {dtype} values, expected numbers; {mend}")
    return found


def _note(
    rows: Rows,
    wrong: NDArray[np.bool_],
    array: NDArray[Any],
    names: Sequence[str],
    expected: str,
    mend: str,
) -> None:
    def sentence(row: int) -> str:
        column = int(np.argmax(wrong[row]))
        others = int(wrong[row].sum()) - 1
        more = f" (and {others} more of its cells are alike)" if others else ""
        return (
            f", column {names[column]!r} holds {array[row, column]}{more}, expected {expected}; "
            f"{mend}"
        )

    if wrong.any():
        rows.note(np.asarray(wrong.any(1)), sentence)
