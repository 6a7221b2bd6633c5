"""Groups of positions: feature groups, blocks of pixels, fragments, sub-words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor

from salience.errors import InputError, brief
from salience.intake import array, integer
from salience.shown import ShortRepr


@dataclass(frozen=True)
class Blocks(ShortRepr):
    """Groups of neighbouring positions: blocks of so many along each axis of an item.

    Args:
        size: Length of a block along each axis, or one length for all axes; the last block along an
            axis may be shorter.

    Raises:
        InputError: A length is less than 1, or there is none.
    """

    size: int | Sequence[int]

    def __post_init__(self) -> None:
        given = self.size
        sizes = given if isinstance(given, Sequence) and not isinstance(given, str) else [given]
        plain = tuple(integer(one, "size", 1) for one in sizes)
        if not plain:
            raise InputError(f"size={brief(given)}; pass the length of a block along each axis")
        object.__setattr__(self, "size", plain if len(plain) > 1 else plain[0])

    def lengths(self, n_axes: int) -> tuple[int, ...]:
        """Length of a block along each axis.

        Raises:
            InputError: The blocks have another number of axes.
        """
        if isinstance(self.size, int):
            return (self.size,) * n_axes
        if len(self.size) != n_axes:
            raise InputError(
                f"blocks of size {self.size} have {len(self.size)} axes, but an item has {n_axes}; "
                f"pass a length for each axis"
            )
        return tuple(self.size)


@dataclass(frozen=True)
class Pool(ShortRepr):
    """Groups of positions over whose members saliency is summed.

    Args:
        common: The groups of every item, or an array of labels, with or without an axis of items;
            ``None`` where each item has groups of its own.
        each: The groups of each item.
    """

    common: Any = None
    each: tuple[Any, ...] | None = None

    @staticmethod
    def of(groups: Any) -> Pool:
        """The groups as a user gives them.

        Args:
            groups: :class:`Blocks`; a mapping name → members; an array of labels, one for each
                position of an item or of each item; or a sequence with one of these, or with
                sequences of members, for each item.

        Raises:
            InputError: The groups are of another kind, or there are none.
        """
        if isinstance(groups, Pool):
            return groups
        groups = _plain(groups)
        if isinstance(groups, Blocks | Mapping):
            if isinstance(groups, Mapping) and not groups:
                raise InputError("the groups are empty; pass at least one, name → positions")
            return Pool(dict(groups) if isinstance(groups, Mapping) else groups)
        if isinstance(groups, np.ndarray | Tensor) or hasattr(groups, "to_numpy"):
            return Pool(labels_of(groups))
        if not isinstance(groups, list | tuple) or not groups:
            raise InputError(
                f"pool={brief(groups)}; pass a mapping name → positions, labels of the positions, "
                f"or one of these for each item"
            )
        if all(one is None or is_integer(one) for one in groups):
            return Pool(labels_of(groups))
        return Pool(each=tuple(groups))

    def record(self) -> dict[str, Any]:
        """The groups as a record holds them, from which :meth:`of_record` reads."""
        if isinstance(self.common, Blocks):
            return {"blocks": self.common.size}
        return {"common": self.common} if self.each is None else {"each": self.each}

    @staticmethod
    def of_record(record: Mapping[str, Any]) -> Pool:
        """The groups of a record."""
        if "blocks" in record:
            return Pool(Blocks(record["blocks"]))
        return Pool(each=tuple(record["each"])) if "each" in record else Pool(record.get("common"))

    def check(self, n_items: int, more: bool = False) -> None:
        """Raise InputError where items have groups of their own, and not one each.

        Args:
            n_items: Number of items in the data set, or in the part of a stream read so far.
            more: Whether further items may follow, as in a stream.
        """
        if self.each is None:
            return
        if len(self.each) < n_items or (len(self.each) > n_items and not more):
            raise InputError(
                f"the groups of {len(self.each)} items were given for {n_items} items; pass groups "
                f"for each item, or a mapping name → positions for all of them"
            )

    def of_items(self, n_items: int, offset: int = 0, more: bool = False) -> Pool:
        """The groups of some items, where each item was given groups, or labels, of its own.

        Args:
            n_items: Number of the items, which follow each other.
            offset: Position of the first of them in the whole data set.
            more: Whether further items may follow, as in a stream.

        Raises:
            InputError: There are groups of further items.
        """
        every = self.common if self.each is None else self.each
        if len(every) > offset + n_items and not more:
            raise InputError(
                f"labels of {len(every)} items were given for {offset + n_items} items; pass "
                f"labels for each item, or of the shape of one item for all of them"
            )
        return Pool(each=tuple(every[at] for at in range(offset, offset + n_items)))


def _plain(groups: Any) -> Any:
    """Groups of all items, or of each, as mappings, sequences, numbers, names and arrays.

    Series and frames that go by the names of columns are mappings of these names.
    """
    if isinstance(groups, list | tuple):
        return [_plain_of_item(one, each=True) for one in groups]
    if hasattr(groups, "columns") and hasattr(groups, "to_numpy"):
        columns = list(groups.columns)
        if not any(isinstance(name, str) for name in columns):
            return groups.to_numpy()
        return [_labelled(columns, row) for row in groups.to_numpy()]
    return _plain_of_item(groups)


def _plain_of_item(groups: Any, each: bool = False) -> Any:
    if each and isinstance(groups, Blocks):
        raise InputError(
            f"blocks are the same for all items; pass pool=salience.Blocks({groups.size}), or "
            f"labels of the positions of each item"
        )
    if isinstance(groups, Mapping):
        return {name: _plain_members(one) for name, one in groups.items()}
    if isinstance(groups, list | tuple):
        return [_plain_members(one) for one in groups]
    if not hasattr(groups, "to_numpy"):
        return labels_of(groups) if _has_objects(groups) else groups
    names = _names_in(groups)
    return labels_of(groups) if names is None else _labelled(names, groups.to_numpy())


def _plain_members(members: Any) -> Any:
    if isinstance(members, Mapping):
        return {variable: _plain_members(one) for variable, one in members.items()}
    if isinstance(members, set | frozenset | range):
        return list(members)
    if not hasattr(members, "to_numpy"):
        return members.tolist() if _has_objects(members) else members
    is_mask = str(getattr(members, "dtype", "")) in ("bool", "boolean")
    names, values = _names_in(members) if is_mask else None, members.to_numpy()
    if names is None:
        return values.tolist() if _has_objects(values) else values
    return [name for name, chosen in zip(names, values, strict=True) if chosen]


def _has_objects(values: Any) -> bool:
    """Whether an array holds names or objects, which files do not keep as arrays."""
    return isinstance(values, np.ndarray) and values.dtype.kind not in "biuf"


def _labelled(names: Sequence[Any], labels: Any) -> dict[str, list[Any]]:
    """Label → names of its positions, in ascending order of the labels."""
    numbers = labels_of(labels).tolist()
    return {
        str(label): [name for name, own in zip(names, numbers, strict=True) if own == label]
        for label in sorted(set(numbers) - {-1})
    }


def _names_in(series: Any) -> list[Any] | None:
    """The names of columns by which a series is indexed; ``None`` where it goes by position.

    Raises:
        InputError: The index is of whole numbers in another order than that of positions.
    """
    index: Any = getattr(series, "index", None)
    if not hasattr(series, "to_numpy") or not hasattr(index, "tolist"):
        return None
    names: list[Any] = index.tolist()
    if any(isinstance(name, str) for name in names):
        return names
    ordered = list(range(len(names)))
    if names != ordered and sorted(map(str, names)) == sorted(map(str, ordered)):
        raise InputError(
            f"a series of the groups has the index {brief(names, 60)}; sort it by sort_index(), or "
            f"pass an array, which goes by position"
        )
    return None


def labels_of(values: Any) -> Tensor:
    """Labels of positions, int64; −1 where there is none.

    Raises:
        InputError: A label is no whole number.
    """
    if hasattr(values, "to_numpy"):
        values = values.to_numpy()
    if isinstance(values, Tensor):
        values = array(values, "pool", "whole numbers")
        values = values.float().numpy() if values.is_floating_point() else values.numpy()
    found = np.asarray(values)
    if found.dtype == object:
        found = np.array([-1 if one is None else one for one in found.ravel()], dtype=object)
        if not all(map(is_integer, found)):
            raise InputError(f"pool={brief(values)}; pass whole numbers as labels of positions")
        found = found.reshape(np.shape(values))
    elif found.dtype.kind not in "iu":
        raise InputError(
            f"pool has labels of type {found.dtype}; pass whole numbers, -1 where a position is in "
            f"no group"
        )
    if found.size and not -1 <= found.min() <= found.max() < 2**63:
        raise InputError(
            f"pool has the label {found.min() if found.min() < -1 else found.max()}; pass whole "
            f"numbers from 0 as labels, and -1 where a position is in no group"
        )
    return torch.from_numpy(found.astype(np.int64))


def is_integer(value: Any) -> bool:
    """Whether a value is one whole number."""
    value = value.item() if isinstance(value, Tensor) and value.ndim == 0 else value
    return isinstance(value, Integral) and not isinstance(value, bool | np.bool_)
