"""Naming: tuples of names, and paths of files, as users hand them in."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Set
from pathlib import Path
from typing import Any

from salience.errors import InputError, brief


def listed(values: Any, name: str, expected: str = "a list of names in order") -> tuple[Any, ...]:
    """Several values in order, as a tuple.

    Args:
        values: What the user handed in.
        name: Name of the setting, for the error.
        expected: What is expected, for the error.

    Raises:
        InputError: It is one value, one string, a mapping or a set, or cannot be gone through.
    """
    one = isinstance(values, str | bytes | Mapping | Set | type) or not isinstance(values, Iterable)
    if not one and getattr(values, "ndim", 1) == 1:
        try:
            return tuple(values)
        except TypeError:
            pass
    raise InputError(f"{name} is {brief(values)}; pass {expected}")


def names_of(values: Any, name: str, *, as_text: bool = False) -> tuple[str, ...]:
    """Several names in order, as a tuple of strings.

    Args:
        values: What the user handed in.
        name: Name of the setting, for the error.
        as_text: Whether numbers and other values are written as text.

    Raises:
        InputError: As :func:`listed`; or one of the values is no string.
    """
    found = listed(values, name)
    if as_text:
        return tuple(one if isinstance(one, str) else brief(one) for one in found)
    for one in found:
        if not isinstance(one, str):
            raise InputError(f"{name} holds {brief(one)}; pass names as strings")
    return tuple(map(str, found))


def is_file(path: Path) -> bool:
    """Whether there is a file; a name that no file can have is that of none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """Whether there is a folder; a name that no folder can have is that of none."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def path_of(value: Any, name: str = "path") -> Path:
    """The path of a file.

    Raises:
        InputError: The value is no path.
    """
    if not isinstance(value, str | os.PathLike) or "\0" in (text := os.fspath(value)):
        raise InputError(f"{name} is {brief(value)}; pass the path of a file")
    return Path(text)
