"""Members of the groups of one item: positions, names, masks, labels or blocks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from salience.data.groups import Blocks, is_integer, labels_of
from salience.errors import InputError, brief, nearest

#: Target variable → names of its positions, where these have names.
NamesOf = Callable[[str], Sequence[str] | None]


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
        found = [
            (str(at), _members(_several(one), places, names_of)) for at, one in enumerate(spec)
        ]
    else:
        raise InputError(f"{brief(spec)} are no groups; pass a mapping name → positions, or labels")
    for name, members in found:
        if not len(members):
            raise InputError(f"the group {brief(name)} is empty; leave it out")
    if len({name for name, _ in found}) < len(found):
        names = [name for name, _ in found]
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"two groups have the name {brief(twice)}; give each a name of its own")
    return found


def _several(members: Any) -> Any:
    """Members of a group without a name, which are not written as a single name.

    Raises:
        InputError: They are: a list of names is a group, of which there would have to be several.
    """
    if isinstance(members, str):
        raise InputError(
            f"{brief(members)} is the name of a position where a group is expected; pass groups of "
            f"all items as name → members, {{'group': [{members!r:.40}]}}, and those of one item "
            f"as [[{members!r:.40}]]"
        )
    return members


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
    groups = zip(distinct.tolist(), parts, strict=True)
    return [(str(label), part) for label, part in groups if label >= 0]


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
    single = isinstance(spec, str) or is_integer(spec)
    if isinstance(spec, tuple) and len(spec) == places.ndim > 1 and all(map(is_integer, spec)):
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
    if not all(map(is_integer, parts)) or len(parts) != places.ndim:
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


def _is_labels(spec: Any) -> bool:
    if isinstance(spec, np.ndarray | Tensor) or hasattr(spec, "to_numpy"):
        return True
    plain = isinstance(spec, list | tuple) and len(spec) > 0
    return plain and all(one is None or is_integer(one) for one in spec)
