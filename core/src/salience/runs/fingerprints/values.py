"""Fingerprints of values of any types, objects and functions among them."""

from __future__ import annotations

import copyreg
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from salience.runs.fingerprints.code import code_of, named


class Fingerprint:
    """SHA-256 of values of any types, of which each is told from its neighbours."""

    def __init__(self) -> None:
        self._sum = hashlib.sha256()
        self._around: list[int] = []

    def add(self, value: Any) -> None:
        """Take in a value: a number, text, tensor, array, frame, mapping, list or object."""
        if isinstance(value, Tensor):
            self._tensor(value)
        elif isinstance(value, np.ma.MaskedArray):
            self._several("masked", [value.data, np.ma.getmaskarray(value)])
        elif isinstance(value, np.ndarray) and not value.dtype.hasobject:
            # As bytes, since dates, words and records have no memoryview that can be cast.
            plain = np.ascontiguousarray(value).reshape(-1).view(np.uint8)
            self._bytes("array", f"{value.dtype}{value.shape}".encode(), plain)
        elif isinstance(value, bytes | bytearray):
            self._bytes("bytes", value)
        elif value is None or isinstance(value, str | int | float | bool | np.generic):
            self._bytes(type(value).__name__, repr(value).encode())
        elif isinstance(value, Path):
            self._bytes("path", str(value).encode())
        elif isinstance(value, Mapping):
            self._several("mapping", [each for pair in value.items() for each in pair])
        elif hasattr(value, "to_dict") and hasattr(value, "columns"):
            self._frame(value)
        elif isinstance(value, set | frozenset):
            self._several("set", sorted(map(of_values, value)))
        elif isinstance(value, list | tuple | range | np.ndarray):
            self._several("list", value)
        elif hasattr(value, "ToBinary"):  # a molecule of RDKit
            title = value.GetProp("_Name") if value.HasProp("_Name") else ""  # which names it
            self._bytes("molecule", value.ToBinary(), title.encode())
        elif is_dataclass(value) and not isinstance(value, type):
            own = [getattr(value, f.name) for f in fields(value)]
            self._several(type(value).__qualname__, own)
        elif isinstance(value, nn.Module):
            self._several(named(type(value)), [*value.state_dict().items()])
        elif isinstance(value, type | BuiltinFunctionType | ModuleType):
            self._bytes("name", getattr(value, "__qualname__", value.__name__).encode())
        else:
            self._object(value)

    def hexdigest(self) -> str:
        """The sum, 64 hexadecimal digits."""
        return self._sum.hexdigest()

    def _object(self, value: Any) -> None:
        """Take in a function, or an object as what pickle would make it of again.

        Pickle's own bytes would not do: they hold addresses of tensors, the order of a set in this
        process, and whether equal texts are one object.

        Raises:
            TypeError: It holds what cannot be told from others, such as an open file.
        """
        if id(value) in self._around:  # an object that holds itself
            self._bytes("around", str(self._around.index(id(value))).encode())
            return
        self._around.append(id(value))
        try:
            self._several(type(value).__qualname__, _inside(value))
        finally:
            self._around.pop()

    def _tensor(self, value: Tensor) -> None:
        plain = value.detach().cpu().contiguous()
        head = f"{plain.dtype}{tuple(plain.shape)}".encode()
        self._bytes("tensor", head, plain.reshape(-1).view(torch.uint8).numpy())

    def _frame(self, value: Any) -> None:
        """Take in a frame, with what its rows are called and which codes its categories have."""
        columns = [value[name] for name in value.columns]
        # Categories, not codes, are the values of such a column, though models are handed codes.
        categories = [getattr(getattr(c, "dtype", None), "categories", None) for c in columns]
        self._several("names", [*value.columns, _plain(getattr(value, "index", None))])
        self._several("categories", map(_plain, categories))
        self._several("frame", map(_plain, columns))

    def _several(self, kind: str, values: Iterable[Any]) -> None:
        each = list(values)
        self._bytes(kind, str(len(each)).encode())
        for value in each:
            self.add(value)

    def _bytes(self, kind: str, *parts: Any) -> None:
        self._sum.update(kind.encode())
        for part in parts:
            view = memoryview(part).cast("B") if len(part) else b""
            self._sum.update(len(view).to_bytes(8, "little"))
            self._sum.update(view)


def _plain(column: Any) -> Any:
    """The values of a column or an index of pandas as an array."""
    return column.to_numpy() if hasattr(column, "to_numpy") else column


def _inside(value: Any) -> list[Any]:
    """What an object is made of."""
    if isinstance(value, FunctionType):
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        return [code_of(value), value.__defaults__, value.__kwdefaults__, cells]
    reducer = copyreg.dispatch_table.get(type(value))
    made: Any = value.__reduce_ex__(4) if reducer is None else reducer(value)
    if isinstance(made, str):
        return [made]
    # A callable with its arguments, the state, items of a list and of a dict.
    return [list(part) if isinstance(part, Iterator) else part for part in made]


def of_values(values: Any) -> str:
    """Fingerprint of values of any types."""
    made = Fingerprint()
    made.add(values)
    return made.hexdigest()
