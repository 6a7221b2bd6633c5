"""What a module takes or returns: a tensor, or a tuple, list or mapping that holds one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_map

from salience.errors import InputError
from salience.model.targets import Target


def get(holder: Any, target: Target) -> Any:
    """The target variable in it.

    Raises:
        InputError: It is not there.
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
    """It with another value as the target variable."""
    if isinstance(holder, Tensor):
        return value
    if isinstance(holder, Mapping):
        return type(holder)({**holder, target.index: value})  # type: ignore[call-arg]
    changed = [value if i == target.index else part for i, part in enumerate(holder)]
    return type(holder)(*changed) if hasattr(holder, "_fields") else type(holder)(changed)


def copied(value: Any) -> Any:
    """A copy of what a module returned: the next one may work on it in place."""
    return tree_map(lambda part: part.clone() if isinstance(part, Tensor) else part, value)
