"""Groups of positions: feature groups, blocks of pixels, fragments, sub-words, as users name them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor

from salience.errors import InputError, brief, nearest
from salience.intake import integer

#: Target variable → names of its positions, where these have names.
NamesOf = Callable[[str], Sequence[str] | None]


@dataclass(frozen=True)
class Blocks:
    """Groups of neighbouring positions: blocks of so many along each axis of an item.

    Args:
        size: Length of a block along each axis, or one length for all axes; the last block along an
            axis may be shorter.

    Raises:
        InputError: A length is less than 1.
    """

    size: int | Sequence[int]

    def __post_init__(self) -> None:
        given = self.size
        sizes = given if isinstance(given, Sequence) and not isinstance(given, str) else [given]
        plain = tuple(integer(one, "size", 1) for one in sizes)
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
class Pool:
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
        if isinstance(groups, Pool | Blocks | Mapping):
            if isinstance(groups, Pool):
                return groups
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
        if all(one is None or _is_integer(one) for one in groups):
            return Pool(labels_of(groups))
        return Pool(each=tuple(groups))

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

    def select(self, positions: Sequence[int]) -> Pool:
        """The groups of the items at ``positions``."""
        if self.each is not None:
            return Pool(each=tuple(self.each[at] for at in positions))
        return self


def labels_of(values: Any) -> Tensor:
    """Labels of positions, int64; −1 where there is none.

    Raises:
        InputError: A label is no whole number.
    """
    if hasattr(values, "to_numpy"):
        values = values.to_numpy()
    found = values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
    if found.dtype == object:
        plain = [-1 if one is None else one for one in found.ravel().tolist()]
        if not all(map(_is_integer, plain)):
            raise InputError(f"pool={brief(values)}; pass whole numbers as labels of positions")
        found = np.array(plain, dtype=np.int64).reshape(found.shape)
    if found.dtype.kind not in "iu":
        raise InputError(
            f"pool has labels of type {found.dtype}; pass whole numbers, -1 where a position is in "
            f"no group"
        )
    return torch.from_numpy(found.astype(np.int64))


def groups_of_item(
    spec: Any, places: Mapping[str, Tensor], names_of: NamesOf
) -> list[tuple[str, Tensor]]:
    """The groups of one item.

    Args:
        spec: Its groups, in any form but :class:`Blocks`.
        places: Target variable → the number of each of its positions, int64 of the shape that the
            saliency of the item has.
        names_of: Finds names of the positions of a variable.

    Returns:
        Name and numbers of the members of each group, int64.

    Raises:
        InputError: A group is empty or names what is not there.
    """
    if isinstance(spec, Mapping):
        found = [(str(name), _members(one, places, names_of)) for name, one in spec.items()]
    elif _is_labels(spec):
        found = _labelled(labels_of(spec), _single(places))
    elif isinstance(spec, Sequence) and not isinstance(spec, str):
        found = [(str(at), _members(one, places, names_of)) for at, one in enumerate(spec)]
    else:
        raise InputError(f"{brief(spec)} are no groups; pass a mapping name → positions, or labels")
    for name, members in found:
        if not len(members):
            raise InputError(f"the group {brief(name)} is empty; leave it out")
    return found


def blocks_of_item(blocks: Blocks, places: Tensor) -> tuple[list[Tensor], tuple[int, ...]]:
    """The numbers of the positions in each block of an item, and the number of blocks by axis."""
    lengths = blocks.lengths(places.ndim)
    shape = tuple(math.ceil(n / length) for n, length in zip(places.shape, lengths, strict=True))
    number = torch.zeros(places.shape, dtype=torch.int64)
    for axis, length in enumerate(lengths):
        along = torch.arange(places.shape[axis]) // length
        view = [-1 if i == axis else 1 for i in range(places.ndim)]
        number = number * shape[axis] + along.reshape(view)
    return [members for _, members in _labelled(number, places)], shape


def _labelled(labels: Tensor, places: Tensor) -> list[tuple[str, Tensor]]:
    if labels.shape != places.shape:
        raise InputError(
            f"labels have the shape {tuple(labels.shape)}, but the saliency of an item has "
            f"{tuple(places.shape)}; pass one label for each position"
        )
    flat, numbers = labels.flatten(), places.flatten()
    order = flat.argsort(stable=True)
    distinct, sizes = torch.unique_consecutive(flat[order], return_counts=True)
    parts = torch.split(numbers[order], sizes.tolist())
    return [
        (str(label), part)
        for label, part in zip(distinct.tolist(), parts, strict=True)
        if label >= 0
    ]


def _members(spec: Any, places: Mapping[str, Tensor], names_of: NamesOf) -> Tensor:
    if isinstance(spec, Mapping):
        parts = []
        for variable, one in spec.items():
            if variable not in places:
                raise InputError(
                    f"a group names the target variable {brief(variable)}; "
                    f"{nearest(variable, places)}"
                )
            parts.append(_of_variable(one, places[variable], names_of(variable)))
        return torch.cat(parts) if parts else torch.empty(0, dtype=torch.int64)
    place, names = _single(places), names_of(next(iter(places)))
    return _of_variable(spec, place, names)


def _single(places: Mapping[str, Tensor]) -> Tensor:
    if len(places) > 1:
        raise InputError(
            f"groups of several target variables ({', '.join(places)}) name the members in each: "
            f"pass name → {{variable: positions}}"
        )
    return next(iter(places.values()))


def _of_variable(spec: Any, places: Tensor, names: Sequence[str] | None) -> Tensor:
    """The numbers of the positions that a user names in one target variable."""
    mask = _mask(spec)
    if mask is not None:
        if mask.shape != places.shape:
            raise InputError(
                f"the mask of a group has the shape {tuple(mask.shape)}, but the saliency of an "
                f"item has {tuple(places.shape)}; pass a truth value for each position"
            )
        return places[mask]
    single = isinstance(spec, str) or _is_integer(spec)
    if isinstance(spec, tuple) and len(spec) == places.ndim > 1 and all(map(_is_integer, spec)):
        single = True
    entries = [spec] if single else _entries(spec)
    at = [_position(entry, places, names) for entry in entries]
    if len(set(at)) != len(at):
        raise InputError(f"the group {brief(spec)} names a position twice; name each once")
    return places.flatten()[torch.tensor(at, dtype=torch.int64)]


def _entries(spec: Any) -> list[Any]:
    if isinstance(spec, Tensor | np.ndarray) or hasattr(spec, "to_numpy"):
        plain = spec.tolist() if hasattr(spec, "tolist") else spec.to_numpy().tolist()
        return [tuple(one) if isinstance(one, list) else one for one in plain]
    if isinstance(spec, Sequence | set | frozenset | range):
        return list(spec)
    raise InputError(f"a group has the members {brief(spec)}; pass positions, names or a mask")


def _position(entry: Any, places: Tensor, names: Sequence[str] | None) -> int:
    """Index, in the flattened positions of an item, of one that the user names."""
    if isinstance(entry, str):
        known = list(names) if names is not None and len(names) == places.numel() else []
        if known.count(entry) != 1:
            raise InputError(
                f"a group names {brief(entry)}, but the positions have "
                + (f"no such name; {nearest(entry, known)}" if known else "no names; pass numbers")
            )
        return known.index(entry)
    parts = tuple(entry) if isinstance(entry, tuple | list) else (entry,)
    if not all(map(_is_integer, parts)) or len(parts) != places.ndim:
        raise InputError(
            f"a group names the position {brief(entry)} of an item of shape "
            f"{tuple(places.shape)}; pass a whole number for each axis, from 0"
        )
    if not all(0 <= part < n for part, n in zip(parts, places.shape, strict=True)):
        raise InputError(
            f"a group names the position {brief(entry)}, but the saliency of the item has the "
            f"shape {tuple(places.shape)}; count from 0"
        )
    index = 0
    for part, n in zip(parts, places.shape, strict=True):
        index = index * n + int(part)
    return index


def _mask(spec: Any) -> Tensor | None:
    if isinstance(spec, list) and spec and all(isinstance(one, bool | np.bool_) for one in spec):
        return torch.tensor(spec)
    if hasattr(spec, "to_numpy"):
        spec = spec.to_numpy()
    if isinstance(spec, np.ndarray) and spec.dtype == bool:
        return torch.from_numpy(spec.copy())
    return spec.cpu() if isinstance(spec, Tensor) and spec.dtype == torch.bool else None


def _is_integer(value: Any) -> bool:
    value = value.item() if isinstance(value, Tensor) and value.ndim == 0 else value
    return isinstance(value, Integral) and not isinstance(value, bool | np.bool_)


def _is_labels(spec: Any) -> bool:
    if isinstance(spec, np.ndarray | Tensor) or hasattr(spec, "to_numpy"):
        return True
    plain = isinstance(spec, list | tuple) and len(spec) > 0
    return plain and all(one is None or _is_integer(one) for one in spec)
