"""Intake: what users hand in beside the data becomes plain numbers and arrays, or is refused.

Objects of pandas and polars stand for their entries in order, never for their labels.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import fields
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

from salience.errors import InputError, an, brief, nearest

_NO_NUMBERS = (bool, np.bool_, np.timedelta64)
_PLAIN = {"bool", "int", "float", "str", "None"}


def boolean(value: Any, name: str) -> bool:
    """A truth value; words and numbers are none.

    Raises:
        InputError: The value is neither True nor False.
    """
    if isinstance(value, bool | np.bool_):
        return bool(value)
    raise InputError(f"{name}={brief(value)} is no truth value; pass True or False")


def integer(value: Any, name: str, minimum: int | None = None, *, end: int = 2**63) -> int:
    """A whole number of Python; a truth value and a number with a point are none.

    Args:
        value: What the user handed in.
        name: Name of the setting, for the error.
        minimum: Smallest valid number.
        end: Bound of the magnitude.

    Raises:
        InputError: The value is no such number.
    """
    value = scalar(value)
    is_whole = isinstance(value, Integral) and not isinstance(value, _NO_NUMBERS)
    if is_whole and int(value) in range(-end if minimum is None else minimum, end):
        return int(value)
    expected = "a whole number" if minimum is None else f"a whole number from {minimum}"
    raise InputError(f"{name}={brief(value)}; pass {expected}")


def real(value: Any, name: str) -> float:
    """A finite real number of Python.

    Raises:
        InputError: The value is no real number, or not finite.
    """
    if isinstance(value := scalar(value), Real) and not isinstance(value, _NO_NUMBERS):
        if isinstance(value, Integral) and abs(int(value)) < 2**53:
            return int(value)
        if not (isinstance(value, Integral) and abs(int(value)) >> 1023) and math.isfinite(value):
            return float(value)
    raise InputError(f"{name}={brief(value)}; pass a finite number")


def choice(value: Any, name: str, known: Collection[str]) -> str:
    """One of some words.

    Raises:
        InputError: The value is none of them.
    """
    if isinstance(value, str) and value in known:
        return value
    raise InputError(f"{name}={brief(value)}; {nearest(value, known)}")


def check_settings(part: Any) -> None:
    """Check the fields of a part that are declared as bool, int, float or str, in place.

    Numbers of other libraries become Python's. Fields of further types are left to the part.

    Args:
        part: A frozen dataclass.

    Raises:
        InputError: A field holds something else than declared.
    """
    for f in fields(part):
        declared = f.type.__name__ if isinstance(f.type, type) else str(f.type)
        types = {name.strip() for name in declared.split("|")}
        if not f.init or not types <= _PLAIN:
            continue
        value = getattr(part, f.name)
        if (value is None and "None" in types) or (isinstance(value, str) and "str" in types):
            continue
        if "bool" in types and (len(types - {"None"}) == 1 or isinstance(value, bool)):
            found: Any = boolean(value, f.name)
        elif "float" in types:
            found = real(value, f.name)
        elif "int" in types:
            found = integer(value, f.name)
        else:
            raise InputError(f"{f.name}={brief(value)}; pass a string")
        if found is not value:
            object.__setattr__(part, f.name, found)


def array(value: Any, name: str, expected: str = "real numbers") -> Tensor:
    """A tensor of real numbers or truth values, by position.

    Args:
        value: A tensor; an array of any byte order and stride, also one of objects that are
            numbers; a series, frame or index of pandas (also with nullable or Arrow types, or
            categories that are numbers) or polars; a number; or sequences of these.
        name: What the value is, for the error.
        expected: What is expected, for the error.

    Returns:
        A tensor on the CPU, detached.

    Raises:
        InputError: The value holds something else than numbers, or masked or missing entries.
    """
    if isinstance(value, Tensor):
        sparse = value.is_nested or value.layout != torch.strided
        tiny = value.is_floating_point() and value.dtype.itemsize < 2
        if sparse or tiny or value.is_complex() or value.is_meta or value.is_quantized:
            numbers = "whole numbers" if "whole" in expected else "real numbers"
            raise InputError(f"{name} is {_kind(value)}; pass a dense tensor of {numbers}")
        # Most operations of torch lack unsigned integers of more than 8 bits.
        unsigned = value.dtype in (torch.uint16, torch.uint32, torch.uint64)
        return _signed(value.detach().cpu().long(), name) if unsigned else value.detach().cpu()
    try:
        found = _plain_array(value, name)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        if isinstance(error, InputError):
            raise
        raise _no_numbers(value, name, expected) from error
    if found.dtype.kind not in "fiub":
        raise _no_numbers(value, name, expected)
    if found.dtype.kind == "u" and found.dtype.itemsize > 1:
        found = _signed(found.astype(np.int64), name)
    if found.dtype.itemsize > 8:  # torch has no float128
        found = found.astype(np.float64)
    native = found.astype(found.dtype.newbyteorder("="), copy=False)
    return torch.from_numpy(np.array(native, copy=True, order="C"))


def finite(values: Any, name: str) -> Any:
    """A tensor of numbers, or a sequence of such tensors, where all of them are finite.

    Args:
        values: From :func:`array` or :func:`per_item`.
        name: What the values are, for the error.

    Raises:
        InputError: A value is NaN or infinite, or a truth value.
    """
    for at, one in enumerate(values if isinstance(values, list) else [values]):
        where = f" of item {at}" if isinstance(values, list) else ""
        if one.dtype == torch.bool:
            raise InputError(f"{name}{where} holds truth values; pass numbers")
        if one.is_floating_point() and not bool(one.isfinite().all()):
            raise InputError(f"{name}{where} holds NaN or infinity; pass finite numbers")
    return values


def integer_array(value: Any, name: str) -> Tensor:
    """As :func:`array`, for whole numbers: int64; floating-point numbers are refused."""
    found = array(value, name, "whole numbers")
    if found.is_floating_point() or found.dtype == torch.bool:
        kind = str(found.dtype).removeprefix("torch.")
        raise InputError(f"{name} is of {kind}, expected whole numbers; convert it to integers")
    return found.long()


def per_item(values: Any, name: str) -> Tensor | Sequence[Tensor]:
    """One value for each item, by position: a tensor, or a list of what the items have.

    Args:
        values: An array, series or frame whose first axis counts items, or a sequence.
        name: What the values are, for the error.
    """
    plain = isinstance(values, np.ndarray) and values.dtype != object
    if plain or isinstance(values, Tensor) or hasattr(values, "to_numpy"):
        return array(values, name)
    if isinstance(values, np.ndarray):
        values = list(values)
    if isinstance(values, Sequence) and not isinstance(values, str | bytes):
        return [array(value, f"{name} of item {i}") for i, value in enumerate(values)]
    raise InputError(f"{name} is {brief(values)}; pass one value for each item")


def scalar(value: Any) -> Any:
    """A number that is wrapped in an array or tensor without axes."""
    if isinstance(value, Tensor | np.ndarray) and value.ndim == 0:
        return value.item()
    return value


def _plain_array(value: Any, name: str) -> np.ndarray[Any, Any]:
    if isinstance(value, np.ma.MaskedArray):
        if np.ma.is_masked(value):
            raise InputError(f"{name} is a masked array; fill its masked entries first")
        value = value.data
    if hasattr(value, "isna") and np.asarray(value.isna()).any():
        raise InputError(
            f"{name} is {an(type(value).__name__)} with missing entries; fill or drop them first"
        )
    if hasattr(value, "to_numpy"):
        value = value.to_numpy()
    # A list of tensors or of series would be read by its labels, or not at all.
    if isinstance(value, list | tuple):
        value = [_plain_array(v, name) if hasattr(v, "__len__") else scalar(v) for v in value]
        _unmixed(value)
    found = np.asarray(value)
    return _numbers(found) if found.dtype.kind == "O" else found


def _signed(integers: Any, name: str) -> Any:
    """Integers made of unsigned ones, of which those above 2**63 - 1 became negative."""
    if (integers < 0).any():
        raise InputError(f"{name} is of integers above 2**63 - 1; pass numbers with a point")
    return integers


def _no_numbers(value: Any, name: str, expected: str) -> InputError:
    return InputError(
        f"{name} is {brief(value)} ({an(type(value).__name__)}), which holds no numbers; "
        f"pass {expected}"
    )


def _numbers(objects: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """An array of objects as an array of numbers; TypeError where one is none."""
    entries = objects.ravel().tolist()
    if not all(isinstance(entry, Real | Decimal | np.bool_) for entry in entries):
        raise TypeError("an entry is no number")
    _unmixed(entries)
    whole_or_truth = all(isinstance(entry, Integral | np.bool_) for entry in entries)
    plain = entries if whole_or_truth else [float(entry) for entry in entries]
    return np.asarray(plain).reshape(objects.shape)


def _unmixed(values: Sequence[Any]) -> None:
    truths = {isinstance(v, bool) or getattr(v, "dtype", None) == np.bool_ for v in values}
    if len(truths) > 1:
        raise TypeError("truth values and numbers are mixed")


def _kind(value: Any) -> str:
    if isinstance(value, Tensor) and value.is_nested:
        return "a nested tensor"
    if isinstance(value, Tensor) and value.is_meta:
        return "a tensor on the meta device, without values"
    if isinstance(value, Tensor) and value.layout != torch.strided:
        return f"a tensor of layout {str(value.layout).removeprefix('torch.')}"
    return f"an array of {str(value.dtype).removeprefix('torch.')}"
