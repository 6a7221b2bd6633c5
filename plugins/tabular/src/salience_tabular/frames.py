"""Columns of data frames as arrays of numbers, and frames of polars and Arrow as pandas frames."""

from __future__ import annotations

from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from salience import InputError
from salience.errors import an


def numbers(column: pd.Series[Any]) -> NDArray[Any] | None:
    """The real numbers of a column, a missing one as NaN; ``None`` where it holds something else.

    Args:
        column: A column of any dtype: NumPy's, nullable, Arrow's, or of Python objects.
    """
    dtype, types = column.dtype, pd.api.types
    if (dtype.kind == "O" and str(dtype) == "object") or str(dtype).startswith("decimal"):
        return _unboxed(column)
    if types.is_complex_dtype(dtype):
        return None
    if not types.is_numeric_dtype(dtype) and not types.is_bool_dtype(dtype):
        return None
    if not types.is_extension_array_dtype(dtype):
        return column.to_numpy()
    made = column.to_numpy(dtype=np.float64, na_value=np.nan)
    single = "float" in str(dtype).lower() and getattr(dtype, "itemsize", 8) == 4
    return made.astype(np.float32) if single else made


def plain_array(objects: NDArray[Any]) -> NDArray[Any]:
    """An array of Python objects that are numbers as floats, a missing one as NaN.

    Raises:
        InputError: An entry is no number.
    """
    made = _unboxed(pd.Series(objects.ravel(), dtype=object))
    if made is None:
        raise InputError(
            "the table is an array of object, expected real numbers; pass table.astype(float), or "
            "a pandas DataFrame with a dtype for each column"
        )
    return made.reshape(objects.shape)


def foreign_frame(data: Any) -> pd.DataFrame:
    """A pandas frame of the columns of a frame of polars or Arrow, each by its own conversion.

    Raises:
        InputError: The data is a lazy frame, no frame, or a column holds categories without a fixed
            order.
    """
    kind = type(data).__name__
    if kind == "LazyFrame":
        raise InputError("the table is a LazyFrame, without values yet; pass .collect()")
    if kind == "DataFrame":
        columns = {column.name: _polars_column(column) for column in data.get_columns()}
        return pd.DataFrame(columns)
    if kind not in ("Table", "RecordBatch"):
        raise InputError(
            f"the table is {an(kind)}; pass a data frame with a column for each feature"
        )
    made: pd.DataFrame = data.to_pandas()
    return made


def _polars_column(column: Any) -> Any:
    kind = str(column.dtype)
    if kind.startswith("Enum"):
        codes = pd.Series(column.to_physical().to_numpy()).fillna(-1).astype(int)
        return pd.Categorical.from_codes(codes, column.dtype.categories.to_list())
    if kind.startswith("Categorical"):
        raise InputError(
            f"column {column.name!r} holds categories in the order in which they were met; cast it "
            f"to an Enum of the categories that the model was trained with"
        )
    return column.to_numpy()


def _unboxed(column: pd.Series[Any]) -> NDArray[Any] | None:
    """The numbers of a column of Python objects."""
    missing = column.isna().to_numpy(dtype=bool)
    entries = column.tolist()
    known = [entry for entry, gone in zip(entries, missing, strict=True) if not gone]
    if not known or not all(isinstance(entry, Real | Decimal) for entry in known):
        return None
    try:
        return np.array([np.nan if g else float(e) for e, g in zip(entries, missing, strict=True)])
    except OverflowError:  # a whole number beyond the range of floats
        return None
