"""Packing: values of Python as JSON and tensors, and back to what they were.

JSON has fewer types than Python. Where it lacks one, a mapping with one key that begins with ``$``
stands for the value: ``{"$tensor": name}`` for a tensor of the file, ``{"$array": name}`` for an
array of NumPy, and ``$tuple``, ``$set``, ``$frozenset``, ``$bytes`` (in base 64), ``$path``,
``$per_item`` and ``$map`` (pairs of key and value, where a key is no string or begins with ``$``).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from salience.data.per_item import Mean, PerItem
from salience.errors import InputError, brief
from salience.plugins.parts import placeholder

# Values inside each other that a file holds.
_DEEPEST = 100


def stand_in(value: Any) -> str:
    """The placeholder of a function or an object of the user's own class, which names it."""
    return placeholder(getattr(value, "__qualname__", type(value).__qualname__))


def pack(
    value: Any,
    tensors: dict[str, Tensor],
    *,
    strict: str = "",
    other: Callable[[Any], Any] = stand_in,
    depth: int = _DEEPEST,
) -> Any:
    """Convert a value to types of JSON; tensors in it are moved to ``tensors`` under new names.

    Args:
        value: The value.
        tensors: Name → tensor of the file.
        strict: What the value is, for the error; where empty, a placeholder stands for an object
            that cannot be saved, such as a function among the settings.
        other: Gives what stands for such an object.
        depth: Largest number of values inside each other.

    Raises:
        InputError: The value is nested too deep; or, where ``strict``, holds what a file cannot.
    """
    if depth == 0:
        raise InputError(
            f"{strict or 'the record'} holds values inside each other more than {_DEEPEST} deep, "
            f"which a file cannot hold; leave them out"
        )

    def inner(item: Any) -> Any:
        return pack(item, tensors, strict=strict, other=other, depth=depth - 1)

    if value is None or type(value) in (str, bool, int, float):
        return value
    if isinstance(value, np.bool_ | np.integer | np.floating):
        return value.item()
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return {"$array": _stored(torch.from_numpy(np.array(value, order="C")), tensors)}
    if isinstance(value, Tensor) and not value.is_complex() and value.layout == torch.strided:
        return {"$tensor": _stored(value, tensors)}
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, Path):
        return {"$path": str(value)} if strict else str(value)
    if isinstance(value, PerItem):
        return {"$per_item": inner(value.values)}
    if isinstance(value, Mapping):
        if all(isinstance(key, str) and not key.startswith("$") for key in value):
            return {str(key): inner(item) for key, item in value.items()}
        return {"$map": [[inner(key), inner(item)] for key, item in value.items()]}
    if isinstance(value, set | frozenset):
        # In an order of the text, since that of a set is another in each process.
        return {f"${type(value).__name__}": sorted(map(inner, value), key=repr)}
    if type(value) is tuple:
        return {"$tuple": [inner(item) for item in value]}
    if not strict and isinstance(value, str | int | float):
        return value
    if isinstance(value, list) or (not strict and isinstance(value, Sequence)):
        return [inner(item) for item in value]
    if strict:
        raise InputError(
            f"{strict} holds {brief(value, 60)} of type {type(value).__name__}, which a file "
            f"cannot hold; pass numbers, strings, tensors, or lists and mappings of them"
        )
    if is_dataclass(value) and not isinstance(value, type | Mean):
        # A dataclass among the settings, such as a transform, is stored as a mapping of its fields,
        # from which its part can be made again.
        return inner({f.name: getattr(value, f.name) for f in fields(value) if f.init})
    return other(value)


def unpack(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    """What :func:`pack` was given."""
    if isinstance(value, list):
        return [unpack(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    name, held = _marked(value)
    if name in ("$tensor", "$array"):
        return tensors[held] if name == "$tensor" else tensors[held].numpy()
    if name == "$bytes":
        return base64.b64decode(held, validate=True)
    if name == "$path":
        return Path(held)
    if name == "$per_item":
        return PerItem(unpack(held, tensors))
    if name == "$map":
        return {unpack(key, tensors): unpack(item, tensors) for key, item in held}
    if name in _SEQUENCES:
        return _SEQUENCES[name](unpack(held, tensors))
    return {key: unpack(item, tensors) for key, item in value.items()}


_SEQUENCES: dict[str, type] = {"$tuple": tuple, "$set": set, "$frozenset": frozenset}


def _marked(value: dict[str, Any]) -> tuple[str, Any]:
    return next(iter(value.items())) if len(value) == 1 else ("", None)


def _stored(tensor: Tensor, tensors: dict[str, Tensor]) -> str:
    name = f"data/{len(tensors)}"
    tensors[name] = tensor
    return name
