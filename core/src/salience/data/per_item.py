"""What differs from item to item: baselines, and annotations in columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

import torch
from torch import Tensor

from salience.data.labels import has_names
from salience.errors import InputError
from salience.intake import finite, per_item
from salience.shown import ShortRepr


@dataclass(frozen=True)
class PerItem(ShortRepr):
    """A baseline of its own for each item.

    Args:
        values: In the order of the data, by position: an array of shape (B, …), or a series or a
            frame with a row for each item (its columns by name, where the data has names); or a
            sequence with one array per item. Each value broadcasts against the target variable of
            its item, without padding.
    """

    values: Tensor | Sequence[Tensor]

    def __post_init__(self) -> None:
        # A frame with named columns waits for the data, whose columns may have another order.
        frame = hasattr(self.values, "columns") and has_names(self.values)
        if not frame and not rows_have_names(self.values):
            values = per_item(self.values, "PerItem(...)")
            if isinstance(values, Tensor) and values.ndim == 0:
                raise InputError("PerItem(...) holds one number; pass one value for each item")
            object.__setattr__(self, "values", finite(values, "PerItem(...)"))


def rows_have_names(values: Any) -> bool:
    """Whether values are a list of series, one for each item, whose entries have names."""
    return isinstance(values, list | tuple) and any(map(has_names, values))


@dataclass(frozen=True)
class Mean(ShortRepr):
    """The mean of the target variable over given data, as the baseline for every item.

    The mean is taken over the items. Where items are ragged it is taken over all their elements,
    and where they are padded over all their real positions.

    Args:
        data: Items in any form that the domain reads.
    """

    data: Any


@dataclass(frozen=True, eq=False)
class ColumnAnnotations(ShortRepr, Sequence[Mapping[str, Any]]):
    """Annotations of many items as a few tensors, one row an item, of which each is a view.

    Where annotations are rows of tensors, these are sliced, selected, joined and saved as tensors,
    which takes no time for each item.

    Args:
        columns: Name → tensor of shape (B, …); one at least.

    Raises:
        InputError: There is no column, or columns have different numbers of rows.
    """

    columns: Mapping[str, Tensor]

    def __post_init__(self) -> None:
        sizes = {name: len(column) for name, column in self.columns.items()}
        if len(set(sizes.values())) != 1:
            raise InputError(
                f"annotations in columns have {sizes or 'no'} rows; pass tensors with one row for "
                f"each item"
            )

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    @overload
    def __getitem__(self, item: int) -> Mapping[str, Any]: ...

    @overload
    def __getitem__(self, item: slice) -> ColumnAnnotations: ...

    def __getitem__(self, item: int | slice) -> Mapping[str, Any] | ColumnAnnotations:
        if isinstance(item, slice):
            return ColumnAnnotations({name: t[item] for name, t in self.columns.items()})
        return {name: column[item] for name, column in self.columns.items()}

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return (self[item] for item in range(len(self)))

    def select(self, positions: Tensor) -> ColumnAnnotations:
        """Those of the items at ``positions``, int64, copied."""
        return ColumnAnnotations({name: t[positions] for name, t in self.columns.items()})

    @staticmethod
    def joined(
        parts: Sequence[Sequence[Mapping[str, Any]]],
    ) -> Sequence[Mapping[str, Any]] | None:
        """Annotations of several parts of the items, one behind the other.

        Returns:
            The joined columns; ``None`` where a part is not in such columns.
        """
        found = [part.columns for part in parts if isinstance(part, ColumnAnnotations)]
        if not found or len(found) != len(parts):
            return None
        kinds = [{name: (t.shape[1:], t.dtype) for name, t in own.items()} for own in found]
        if any(kind != kinds[0] for kind in kinds):
            return None
        if len(found) == 1:
            return parts[0]
        return ColumnAnnotations({n: torch.cat([own[n] for own in found]) for n in found[0]})
