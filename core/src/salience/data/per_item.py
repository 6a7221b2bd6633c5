"""Baselines that differ from item to item, and baselines computed from data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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
