"""Code: what tells functions from others, by what they compute and by the data that they name."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from types import CodeType, FunctionType
from typing import Any

import numpy as np
from torch import Tensor

# Packages whose version is recorded, or that come with Python.
_KNOWN = sys.stdlib_module_names | {"torch", "salience"}


def is_known(function: Any) -> bool:
    """Whether a function or class is one of Python, torch or salience, whose versions count."""
    return str(function.__module__).partition(".")[0] in _KNOWN


def named(kind: Any) -> str:
    """The name of a class or function with its module."""
    return f"{kind.__module__}.{kind.__qualname__}"


def is_data(value: Any) -> bool:
    """Whether a value is a number, truth value, word or array, or a list or mapping of these."""
    if isinstance(value, Mapping):
        return all(map(is_data, value)) and all(map(is_data, value.values()))
    if isinstance(value, list | tuple):
        return all(map(is_data, value))
    if isinstance(value, Tensor):
        return value.grad_fn is None  # else it is what a forward has left
    array = isinstance(value, np.ndarray) and value.dtype != object
    return array or isinstance(value, bool | int | float | str | None)


def code_of(function: FunctionType, known: frozenset[int] = frozenset()) -> list[Any]:
    """What a function computes: its code, the data that it names, and the functions that it calls.

    Functions that it finds by a module or an object, as in ``layers.scaled(x)``, count by the name.

    Args:
        function: The function.
        known: Ids of the functions that lead here.
    """
    inner = inspect.unwrap(function)
    own = inner if isinstance(inner, FunctionType) else function
    version = "Python {}.{}".format(*sys.version_info)
    made: list[Any] = [named(own), version, _plain(own.__code__)]
    for name, value in _reached(own):
        if is_data(value):
            made += [name, value]
        elif isinstance(value, FunctionType) and not is_known(value) and id(value) not in known:
            made += [name, code_of(value, known | {id(own)})]
    return made


def _reached(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """What a function names: global names, what it closes over, and defaults of its arguments."""
    for name in sorted(set(_names(function.__code__)) & set(function.__globals__)):
        yield name, function.__globals__[name]
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with suppress(ValueError):  # a name that is not yet assigned
            yield name, cell.cell_contents
    for value in function.__defaults__ or ():
        yield "default", value
    yield from (function.__kwdefaults__ or {}).items()


def _plain(code: CodeType) -> list[Any]:
    inner = [_plain(c) if isinstance(c, CodeType) else c for c in code.co_consts]
    return [code.co_code, code.co_names, inner]


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _names(inner)
