"""Fingerprints: what tells the bytes of a model, or of data, from any others."""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from salience.errors import InputError, brief
from salience.model.reach import Rebuilding
from salience.naming import is_file

# Files of together at most this many bytes are read; of larger ones size and time count.
_READ = 2**30
_CHUNK = 2**20


class Fingerprint:
    """SHA-256 of values of any types, of which each is told from its neighbours."""

    def __init__(self) -> None:
        self._sum = hashlib.sha256()

    def add(self, value: Any) -> None:
        """Take in a value: a number, text, tensor, array, frame, mapping, list or object."""
        if isinstance(value, Tensor):
            self._tensor(value)
        elif isinstance(value, np.ndarray) and value.dtype != object:
            self._bytes(
                "array", f"{value.dtype}{value.shape}".encode(), np.ascontiguousarray(value)
            )
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
            self._bytes("molecule", value.ToBinary())
        elif is_dataclass(value) and not isinstance(value, type):
            own = [getattr(value, f.name) for f in fields(value)]
            self._several(type(value).__qualname__, own)
        else:
            self._bytes(type(value).__qualname__, _pickled(value))

    def hexdigest(self) -> str:
        """The sum, 64 hexadecimal digits."""
        return self._sum.hexdigest()

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


class _Pickler(pickle.Pickler):
    """Pickles to bytes that are the same in every process.

    Those of a tensor have an address, and those of a set its order of the moment.
    """

    def persistent_id(self, obj: Any) -> Any:
        """What stands for an object: its fingerprint; ``None`` where it is pickled itself."""
        if isinstance(obj, Tensor | set | frozenset):
            return type(obj).__name__, of_values(obj)
        return None


def _pickled(value: Any) -> bytes:
    stream = io.BytesIO()
    _Pickler(stream).dump(value)
    return stream.getvalue()


def of_values(values: Any) -> str:
    """Fingerprint of values of any types."""
    made = Fingerprint()
    made.add(values)
    return made.hexdigest()


def of_model(model: Any) -> dict[str, str]:
    """Fingerprints of a model; of a function or another object, of the modules that it reaches.

    What code computes is not seen, except by the names of classes and functions.

    Returns:
        ``"sha256"`` of names of classes, parameters and buffers; ``"settings_sha256"`` of the
        numbers, truth values and words that are attributes of modules, such as the rate of dropout.
    """
    if isinstance(model, nn.Module):
        modules, name = [model], type(model)
    else:
        modules = Rebuilding({}, lambda module: module).look([model])
        name = model if hasattr(model, "__qualname__") else type(model)
    weights = [_weights(module) for module in modules]
    settings = [_settings(module) for module in modules]
    # The order in which modules are reached from a function is that of a set.
    called = f"{name.__module__}.{name.__qualname__}"
    return {
        "sha256": of_values([called, *sorted(weights)]),
        "settings_sha256": of_values(sorted(settings)),
    }


def _weights(module: nn.Module) -> str:
    own = [*module.state_dict().items(), *module.named_buffers()]
    return of_values([_named(type(module)), *(each for pair in own for each in pair)])


def _settings(module: nn.Module) -> str:
    found: list[Any] = []
    for path, one in module.named_modules():
        own = {name: value for name, value in vars(one).items() if not name.startswith("_")}
        own.pop("training", None)  # explanations are those of evaluation mode
        plain = [(name, own[name]) for name in sorted(own) if _is_plain(own[name])]
        found += [path, _named(type(one)), *(each for pair in plain for each in pair)]
    return of_values(found)


def _named(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _is_plain(value: Any) -> bool:
    """Whether a value is a number, truth value or word, or a list or tuple of these."""
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return isinstance(value, bool | int | float | str | None)


def of_files(paths: Sequence[Path]) -> dict[str, str]:
    """Fingerprint of files: of names and contents or, of many bytes, of names, sizes and times.

    Returns:
        ``"policy"``, which says which of these, and ``"sha256"``.
    """
    stats = [path.stat() for path in paths]
    read = sum(stat.st_size for stat in stats) <= _READ
    made = Fingerprint()
    for path, stat in zip(paths, stats, strict=True):
        made.add(path.name)
        made.add(stat.st_size)
        made.add(_contents(path) if read else stat.st_mtime_ns)
    policy = "names and contents" if read else "names, sizes and times of change"
    return {"policy": policy, "sha256": made.hexdigest()}


def of_list(values: Sequence[Any]) -> dict[str, str]:
    """Fingerprint of data in memory; where it is a list of paths, of the files."""
    texts = isinstance(values, list | tuple) and all(isinstance(v, str | Path) for v in values)
    if texts and values and all(is_file(Path(value)) for value in values):
        return of_files([Path(value) for value in values])
    try:
        return {"policy": "values", "sha256": of_values(values)}
    except Exception as error:  # such as values without bytes, or objects that do not pickle
        raise InputError(
            f"data is {brief(values, 60)}, whose values cannot be told from others "
            f"({brief(error, 60)}); pass plain arrays, files, or a Dataset"
        ) from error


def _contents(path: Path) -> str:
    made = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            made.update(chunk)
    return made.hexdigest()
