"""The item table: everything that is known of each item beside its saliency, one column a field.

A new column is a field here and its value in :mod:`salience.engine.collecting.collect`; results,
selections and files take the columns from the fields.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from salience.data.per_item import ColumnAnnotations
from salience.shown import ShortRepr


@dataclass(frozen=True, kw_only=True)
class ItemTable(ShortRepr):
    """The columns of a data set of B items.

    Args:
        ids: The id of each item: the user's; else its name in the data, which several items may
            share; else its position.
        prediction: The model's output for the items without noise, shape (B, …); the output
            variable f(x) where the model does not return one tensor of that shape.
        score: The output variable f(x) of the items without noise, shape (B,).
        delta: f(x) − f(baseline), mean over draws, shape (B,); NaN for calculators without a
            baseline.
        completeness_gap: |Σ saliency − (f(x) − f(baseline))|, mean over draws, shape (B,); NaN for
            calculators without a baseline.
        converged: Whether the integral over the path has converged, in all draws, bool of shape
            (B,); True for calculators that do not integrate.
        n_points: Number of points of that integral, at which the gradient was taken, in a single
            draw, int64 of shape (B,); 0 for calculators that do not integrate.
        n_independent: Number of independent draws of each item, int64 of shape (B,). An
            antithetic pair counts as one; where noise is nested in draws of the parameters, the
            draws of the parameters are counted.
        drawn: Whether anything was drawn for the item, bool of shape (B,): False where noise
            relative to a range of 0 is none. Its draws are the same, and its standard errors NaN.
        annotations: For each item, the data that the visualizer needs; may be empty.
    """

    ids: Sequence[int | str]
    prediction: Tensor
    score: Tensor
    delta: Tensor
    completeness_gap: Tensor
    converged: Tensor
    n_points: Tensor
    n_independent: Tensor
    drawn: Tensor
    annotations: Sequence[Mapping[str, Any]]

    def __len__(self) -> int:
        return int(self.score.shape[0])

    def columns(self) -> dict[str, Any]:
        """Name → column."""
        return {name: getattr(self, name) for name in COLUMNS}

    def select(self, positions: Tensor) -> dict[str, Any]:
        """Name → the entries of the column for the items at ``positions``, int64, copied."""
        rows = positions.tolist()

        def entries(column: Any) -> Any:
            if isinstance(column, Tensor):
                return column[positions]
            if isinstance(column, ColumnAnnotations):
                return column.select(positions)
            return [column[row] for row in rows] if len(column) else column

        return {name: entries(column) for name, column in self.columns().items()}

    @staticmethod
    def join(tables: Sequence[ItemTable]) -> ItemTable:
        """One table of the items of several tables, in their order.

        Outputs that are padded to the longest item of each batch have different shapes, and cannot
        be joined; f(x) is then given as the prediction.
        """
        if len(tables) == 1:
            return tables[0]
        joined: dict[str, Any] = {}
        for name in COLUMNS:
            parts = [getattr(table, name) for table in tables]
            if name == "prediction" and len({part.shape[1:] for part in parts}) > 1:
                parts = [table.score for table in tables]
            joined[name] = _concatenated(parts)
        return ItemTable(**joined)


#: Names of the columns.
COLUMNS = tuple(f.name for f in fields(ItemTable))


def _concatenated(parts: Sequence[Any]) -> Any:
    if isinstance(parts[0], Tensor):
        return torch.cat(list(parts))
    columns = ColumnAnnotations.joined(parts)
    if columns is not None:
        return columns
    ranges = all(isinstance(part, range) for part in parts)
    if ranges and all(one.stop == other.start for one, other in pairwise(parts)):
        return range(parts[0].start, parts[-1].stop)
    return [entry for part in parts for entry in part]
