"""Comparing what parts made: equal objects, close tensors, and states that must not move."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


class NotTestedError(Exception):
    """Raised by a check that cannot be made of what it was given; the message says what to pass."""


def expect(holds: bool, message: str) -> None:
    """Raise AssertionError with the message where something does not hold."""
    if not holds:
        raise AssertionError(message)


def same(one: Any, other: Any) -> bool:
    """Whether two objects hold the same; tensors have one dtype, and NaN equals NaN.

    A list and a tuple with the same entries count as the same, since JSON knows only lists.
    """
    if one is other:
        return True
    if isinstance(one, Tensor) or isinstance(other, Tensor):
        return isinstance(one, Tensor) and isinstance(other, Tensor) and _same_tensors(one, other)
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return _same_arrays(one, other)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, str | bytes) or isinstance(other, str | bytes):
        return type(one) is type(other) and bool(one == other)
    if isinstance(one, Sequence) and isinstance(other, Sequence):
        return len(one) == len(other) and all(map(same, one, other))
    return _same_objects(one, other)


def _same_tensors(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape or one.dtype != other.dtype or one.layout != other.layout:
        return False
    return bool(torch.allclose(one, other, rtol=0, atol=0, equal_nan=True))


def _same_arrays(one: Any, other: Any) -> bool:
    one, other = np.asarray(one), np.asarray(other)
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    return np.array_equal(one, other, equal_nan=one.dtype.kind in "fc")


def _same_objects(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float) and one != one:
        return other != other
    if type(one) is not type(other):
        return isinstance(one, int | float) and isinstance(other, int | float) and one == other
    if hasattr(one, "equals"):  # pandas
        return bool(one.equals(other))
    if hasattr(one, "to_dict"):  # graphs of PyG
        return same(one.to_dict(), other.to_dict())
    if hasattr(one, "tobytes"):  # images
        return bool(one.tobytes() == other.tobytes())
    if is_dataclass(one):
        return all(same(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))
    if "__eq__" in {name for base in type(one).__mro__[:-1] for name in vars(base)}:
        return bool(one == other)
    if vars_of(one):
        return same(vars_of(one), vars_of(other))
    try:
        return pickle.dumps(one) == pickle.dumps(other)
    except Exception:  # nothing more can be seen of it
        return True


#: Types whose objects are compared by what they hold.
_PLAIN = (Tensor, np.ndarray, Mapping, Sequence, str, bytes, int, float, type(None))


def is_plain(value: Any) -> bool:
    """Whether a value is compared by what it holds: a tensor, array, number, text or collection."""
    return isinstance(value, _PLAIN)


def vars_of(thing: Any) -> dict[str, Any]:
    """The attributes of an object by name; empty where it has none."""
    return dict(getattr(thing, "__dict__", {}))


def close(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors of one shape and dtype are equal but for rounding."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if not one.is_floating_point() or one.numel() == 0:
        return torch.equal(one, other)
    finite = one[one.isfinite()].abs()
    scale = float(finite.max()) if len(finite) else 1.0
    relative = 1e-8 if one.dtype == torch.float64 else 2e-4
    return bool(torch.allclose(one, other, rtol=relative, atol=relative * scale, equal_nan=True))


def model_state(model: Any) -> dict[str, Any]:
    """What a part must leave as it is of a module: weights, flags, hooks and attributes."""
    if not isinstance(model, nn.Module):
        return {}
    state: dict[str, Any] = {
        f"weights of {name}": value.detach().clone() for name, value in model.state_dict().items()
    }
    state |= {f"requires_grad of {n}": p.requires_grad for n, p in model.named_parameters()}
    for name, module in model.named_modules():
        hooks = sum(len(v) for k, v in vars(module).items() if k.endswith("_hooks"))
        attributes = sorted(key for key in vars(module) if not key.startswith("_"))
        held = (module.training, hooks, attributes)
        state[f"flags, hooks or attributes of {name or 'the model'}"] = held
    return state


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Name of an entry that differs; empty where none does."""
    for name in dict.fromkeys([*before, *after]):
        if name not in before or name not in after or not same(before[name], after[name]):
            return name
    return ""
