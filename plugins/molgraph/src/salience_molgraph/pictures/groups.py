"""The members of pooled groups, as the record of an explanation holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np

#: Position of a member in its target variable; the variable is ``None`` where there is only one.
Member = tuple[str | None, int]


def members_of(groups: Any, names: Sequence[Any]) -> list[list[Member]] | None:
    """The members of the groups of one item, in the order of their names.

    Args:
        groups: A mapping name → members, labels of positions, or a sequence with the members of
            each group.
        names: Names of the groups in the explanation.

    Returns:
        The members of each group; ``None`` where the groups have another form.
    """
    if isinstance(groups, Mapping):
        keys = {str(key): key for key in groups}
        found = [_members(groups[keys[str(n)]]) if str(n) in keys else None for n in names]
    elif _is_labels(groups):
        labels = np.asarray([-1 if one is None else one for one in groups])
        found = [[(None, int(at)) for at in np.flatnonzero(labels == int(n))] for n in names]
    elif isinstance(groups, Sequence) and len(groups) == len(names):
        found = [_members(members) for members in groups]
    else:
        return None
    return None if any(one is None for one in found) else [one for one in found if one is not None]


def _members(given: Any) -> list[Member] | None:
    """The members of one group: positions, a mask, or these by target variable."""
    if isinstance(given, Mapping):
        parts = {str(name): _positions(own) for name, own in given.items()}
        if any(part is None for part in parts.values()):
            return None
        return [(name, at) for name, part in parts.items() for at in part or ()]
    positions = _positions(given)
    return None if positions is None else [(None, at) for at in positions]


def _positions(given: Any) -> list[int] | None:
    if isinstance(given, Integral):
        return [int(given)]
    try:
        array = np.asarray(list(given) if isinstance(given, set | frozenset | range) else given)
    except (TypeError, ValueError):
        return None
    if array.ndim == 2 and array.shape[1] == 1:  # positions as tuples of one number
        array = array[:, 0]
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iub"):
        return None
    if array.dtype.kind == "b":
        return [int(at) for at in np.flatnonzero(array)]
    return [int(at) for at in array]


def _is_labels(groups: Any) -> bool:
    if isinstance(groups, np.ndarray) or hasattr(groups, "detach"):
        return np.ndim(groups) == 1
    return isinstance(groups, Sequence) and all(
        one is None or isinstance(one, Integral) for one in groups
    )
