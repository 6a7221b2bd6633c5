"""Reading and replacing a target variable in what a module takes or returns.

A module takes or returns a tensor, or a tuple, list or mapping that holds tensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_map

from salience.errors import InputError
from salience.model.targets import Target


def get(holder: Any, target: Target) -> Any:
    """The target variable in what its module takes or returns.

    Args:
        holder: The tensor itself, or the tuple, list or mapping that holds it.
        target: Names the entry of ``holder`` by its index.

    Raises:
        InputError: ``holder`` has no entry at that index.
    """
    if isinstance(holder, Tensor):
        return holder
    try:
        return holder[target.index]
    except (IndexError, KeyError, TypeError) as error:
        raise InputError(
            f"module {target.module!r} has no {target.at} {target.index!r} at call {target.call}; "
            f"pass another Target(..., index=...)"
        ) from error


def put(holder: Any, target: Target, value: Tensor) -> Any:
    """Copy of what a module takes or returns, with another value as the target variable.

    Args:
        holder: The tensor itself, or the tuple, list or mapping that holds it.
        target: Names the entry of ``holder`` by its index.
        value: The new value of the target variable.
    """
    if isinstance(holder, Tensor):
        return value
    if isinstance(holder, Mapping):
        return type(holder)({**holder, target.index: value})  # type: ignore[call-arg]
    changed = [value if i == target.index else part for i, part in enumerate(holder)]
    return type(holder)(*changed) if hasattr(holder, "_fields") else type(holder)(changed)


def copied(value: Any) -> Any:
    """Copy what a module returned, since the next module may modify the tensors in place."""
    return tree_map(lambda part: part.clone() if isinstance(part, Tensor) else part, value)
