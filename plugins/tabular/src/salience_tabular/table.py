"""The samples of the tabular domain: a table whose slices are tables, made without a row loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, overload

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Row:
    """One row of a table.

    Args:
        numeric: Values of the numeric columns, shape (Fn,).
        categorical: Codes of the categorical columns, int64 of shape (Fc,).
        values: Values of all columns for display, as in :class:`Table`, shape (F,).
    """

    numeric: Tensor
    categorical: Tensor
    values: Tensor | None = None

    def __repr__(self) -> str:
        return f"Row({len(self.numeric)} numeric and {len(self.categorical)} categorical columns)"


@dataclass(frozen=True, eq=False)
class Table(Sequence[Row]):
    """A table as a sequence of B rows, with F = Fn + Fc columns.

    Args:
        numeric: Values of the numeric columns, floating point of shape (B, Fn).
        categorical: Codes of the categorical columns, int64 of shape (B, Fc).
        columns: Name of each column, in the order of the user's table.
        numeric_at: Position in ``columns`` of each numeric column.
        categorical_at: Position in ``columns`` of each categorical column.
        labels: The table's own label of each column; ``None`` where its columns have none.
        names: What the table calls each row; ``None`` where rows have no names.
        values: Values of all columns for display, shape (B, F): in original units where the domain
            knows the scaler, and codes of categories. ``None`` for a table without them.
        categories: Names of the categories of each categorical column, by code; ``None`` for a
            column whose categories have no names.
    """

    numeric: Tensor
    categorical: Tensor
    columns: tuple[str, ...]
    numeric_at: tuple[int, ...]
    categorical_at: tuple[int, ...]
    labels: tuple[str, ...] | None = None
    names: Sequence[Any] | None = None
    values: Tensor | None = None
    categories: tuple[tuple[str, ...] | None, ...] = ()

    def __repr__(self) -> str:
        numeric, categorical = self.numeric.shape[1], self.categorical.shape[1]
        return f"Table({len(self)} rows, {numeric} numeric and {categorical} categorical columns)"

    def __len__(self) -> int:
        return int(self.numeric.shape[0])

    @overload
    def __getitem__(self, index: int) -> Row: ...

    @overload
    def __getitem__(self, index: slice) -> Table: ...

    def __getitem__(self, index: int | slice) -> Row | Table:
        if isinstance(index, slice):
            return replace(
                self,
                numeric=self.numeric[index],
                categorical=self.categorical[index],
                names=None if self.names is None else self.names[index],
                values=None if self.values is None else self.values[index],
            )
        values = None if self.values is None else self.values[index]
        return Row(self.numeric[index], self.categorical[index], values)
