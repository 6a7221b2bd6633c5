"""Items that come one by one or in batches are gathered into arrays, each held once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from salience.errors import InputError


class Gathered:
    """Items that are gathered into one array, a list, or a mapping name → either.

    Args:
        n_items: Number of items that are expected, for which room is made.
        source: The Dataset or DataLoader, for errors.
    """

    def __init__(self, n_items: int, source: Any) -> None:
        self._n = n_items
        self._source = type(source).__name__
        self._columns: dict[Any, _Column] | None = None
        self._column = _Column(n_items)

    def add(self, item: Any) -> None:
        """Add an item."""
        if isinstance(item, Mapping):
            for name, column in self._named(item).items():
                column.add(item[name])
        else:
            self._unnamed()
            self._column.add(item)

    def extend(self, batch: Any) -> None:
        """Add the items of a batch."""
        if isinstance(batch, Mapping):
            for name, column in self._named(batch).items():
                column.extend(batch[name])
        else:
            self._unnamed()
            self._column.extend(batch)

    def made(self) -> Any:
        """All the items.

        Raises:
            InputError: There is none.
        """
        if self._columns is not None:
            return {name: column.made() for name, column in self._columns.items()}
        found = self._column.made()
        if len(found) == 0:
            raise InputError(f"the {self._source} has no items; pass one with at least one")
        return found

    def _named(self, item: Mapping[Any, Any]) -> dict[Any, _Column]:
        if self._columns is None and not self._column:
            self._columns = {name: _Column(self._n) for name in item}
        if self._columns is None or set(item) != set(self._columns):
            raise self._mixed()
        return self._columns

    def _unnamed(self) -> None:
        if self._columns is not None:
            raise self._mixed()

    def _mixed(self) -> InputError:
        return InputError(
            f"items of the {self._source} have different entries; let all be mappings of the same "
            f"names, or none"
        )


class _Column:
    """Values of one name of all items: rows of an array while they fit, else a list.

    Args:
        n_items: Number of values that are expected.
    """

    def __init__(self, n_items: int) -> None:
        self._room = max(n_items, 1)
        self._array: Any = None
        self._values: list[Any] | None = None
        self._n = 0

    def __len__(self) -> int:
        return self._n if self._values is None else len(self._values)

    def add(self, value: Any) -> None:
        """Add the value of an item."""
        if isinstance(value, list) and value and is_list_of_items(value):
            value = value if isinstance(value[0], str) else np.asarray(value)
        if isinstance(value, Tensor | np.ndarray):
            self.extend(value[None])
        else:
            self.extend([value])

    def extend(self, values: Any) -> None:
        """Add a value for each item of a batch, along the first axis."""
        is_array = isinstance(values, Tensor | np.ndarray) and values.ndim > 0
        if is_array and self._values is None and self._fits(values):
            end = self._n + len(values)
            if end > len(self._array):
                self._grow(end)
            self._array[self._n : end] = values.detach() if isinstance(values, Tensor) else values
            self._n = end
            return
        if self._values is None:
            self._values = [] if self._array is None else list(self._array[: self._n])
            self._array = None
        self._values += list(values) if is_array or isinstance(values, list) else [values]

    def made(self) -> Any:
        """The values, in an array or a list."""
        if self._array is None:
            return self._values or []
        return self._array[: self._n]

    def _fits(self, values: Any) -> bool:
        """Whether values are rows of the array, which is made for the first of them."""
        if self._array is None:
            room = max(self._room, len(values))
            self._array = _empty(values, room)
        own = self._array
        same = type(own) is type(values) or (isinstance(own, Tensor) and isinstance(values, Tensor))
        return same and own.dtype == values.dtype and own.shape[1:] == values.shape[1:]

    def _grow(self, end: int) -> None:
        larger = _empty(self._array, max(end, 2 * len(self._array)))
        larger[: self._n] = self._array[: self._n]
        self._array = larger


def _empty(like: Any, n: int) -> Any:
    shape = (n, *like.shape[1:])
    if isinstance(like, Tensor):
        return torch.empty(shape, dtype=like.dtype, device=like.device)
    return np.empty(shape, like.dtype)


def is_list_of_items(found: list[Any]) -> bool:
    """Whether a list is a row of numbers, or a batch of texts, and not an input with its label."""
    return all(isinstance(value, int | float | np.number) for value in found) or all(
        isinstance(value, str) for value in found
    )
