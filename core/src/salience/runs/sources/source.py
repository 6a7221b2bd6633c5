"""Sources: data sets of which any range of items can be read, in this process or in another."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence, Sized
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset

from salience.data.domain import Domain
from salience.data.names import row_names
from salience.datasets import items_of
from salience.errors import InputError, brief
from salience.naming import is_file, is_folder
from salience.runs.fingerprints.files import of_list
from salience.runs.fingerprints.values import Fingerprint
from salience.runs.loading import is_named, load_object, result_of
from salience.runs.sources import records
from salience.runs.sources.base import Source

_NAMED = "pass module:name of a Dataset, a list, an array, or a function that returns one"
_NO_LENGTH = (
    "it has no length; pass a list, an array, a Dataset, a folder, a file, or 'module:name' of "
    "one, or explain it in chunks by Explainer.stream"
)
# Items of a Dataset that its fingerprint reads.
_LOOKED_AT = 16


class Held(Source):
    """Items in memory: a list, an array, a tensor, a frame, or a mapping of these.

    Args:
        data: The items.
    """

    def __init__(self, data: Any) -> None:
        self._data = data
        self._length = _length(data)

    def __len__(self) -> int:
        return self._length

    def held(self, start: int, stop: int) -> Any:
        """The position of the first item of a range, and the items."""
        return start, _slice(self._data, start, stop)

    def reading(self, start: int, stop: int, held: Any = None) -> AbstractContextManager[Any]:
        """The items of a range, of those that are held."""
        return nullcontext(self._slice(start, stop, held))

    def names(self, start: int, stop: int, held: Any = None) -> Sequence[Any] | None:
        """Names of files, or the labels of the rows of a frame."""
        items = self._slice(start, stop, held)
        if isinstance(items, list | tuple) and all(isinstance(v, str | Path) for v in items):
            return [Path(v).name if is_file(Path(v)) else None for v in items]
        return row_names(items)

    def _slice(self, start: int, stop: int, held: Any) -> Any:
        first, data = (0, self._data) if held is None else held
        return _slice(data, start - first, stop - first)

    def identity(self) -> dict[str, Any]:
        """Kind, number of items and fingerprint of all values."""
        kind = type(self._data).__name__
        return {"kind": kind, "n_items": len(self), **of_list(self._data)}

    def __reduce__(self) -> Any:
        return _elsewhere, (self._length,)


def _elsewhere(length: int) -> Held:
    made = Held(())
    made._length = length
    return made


class OfDataset(Source):
    """A map-style Dataset of torch, which is sent to other processes once.

    Args:
        dataset: The Dataset.
    """

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset

    def __len__(self) -> int:
        return len(self._dataset)

    def reading(self, start: int, stop: int, held: Any = None) -> AbstractContextManager[Any]:
        """The items of a range, read one by one."""
        return nullcontext(items_of(Subset(self._dataset, range(start, stop))))

    def identity(self) -> dict[str, Any]:
        """Class, number of items, and fingerprint of some items from first to last."""
        made, length = Fingerprint(), len(self)
        step = max(1, (length - 1) // (_LOOKED_AT - 1))
        for position in sorted({*range(0, length, step), length - 1}):
            try:
                with self.reading(position, position + 1) as item:
                    made.add(item)
            except Exception as error:  # the run records it, or is refused for it
                made.add(["cannot be read", type(error).__name__])
        return {
            "kind": type(self._dataset).__qualname__,
            "n_items": length,
            "policy": f"{_LOOKED_AT} items",
            "sha256": made.hexdigest(),
        }


class Named(Source):
    """Data that ``module:name`` gives, which every process loads for itself.

    Args:
        name: The text.
        suffixes: Endings of the files that the domain reads.
    """

    def __init__(self, name: str, suffixes: Collection[str]) -> None:
        self._name, self._suffixes = name, suffixes
        found = load_object(name, "data", _NAMED)
        if isinstance(found, type) or (callable(found) and not hasattr(found, "__len__")):
            found = result_of(found, name, "data", _NAMED)
        self._source = _source(found, suffixes)

    def __len__(self) -> int:
        return len(self._source)

    def reading(self, start: int, stop: int, held: Any = None) -> AbstractContextManager[Any]:
        """The items of a range."""
        return self._source.reading(start, stop)

    def placed(self, said: str, start: int) -> str:
        """What a domain says of a range, with places in the data that the name gives."""
        return self._source.placed(said, start)

    def names(self, start: int, stop: int, held: Any = None) -> Sequence[Any] | None:
        """Those of the data that the name gives."""
        return self._source.names(start, stop)

    def identity(self) -> dict[str, Any]:
        """The identity of the data that the name gives."""
        return self._source.identity()

    def __reduce__(self) -> Any:
        return Named, (self._name, self._suffixes)


def source_of(data: Any, domain: Domain) -> Source:
    """The source of what the user hands in.

    Args:
        data: A Dataset or DataLoader; a folder of files that the domain reads; a file with a
            record for each item (CSV, SMILES, SDF, Parquet); ``"module:name"`` of any of these; a
            list, array, tensor, frame, mapping name → array; or another iterable with a length.
        domain: The domain.

    Raises:
        InputError: It is something else, or empty.
    """
    found = _source(data, domain.suffixes)
    if len(found) == 0:
        raise InputError("the data is empty; pass at least one item")
    return found


def _source(data: Any, suffixes: Collection[str]) -> Source:
    if isinstance(data, Source):
        return data
    if isinstance(data, str | Path):
        return _of_path(data, suffixes)
    if isinstance(data, DataLoader):
        return Held(items_of(data))
    if isinstance(data, Dataset):
        if isinstance(data, IterableDataset) or not isinstance(data, Sized):
            raise InputError(
                f"the {type(data).__name__} has no length or no positions, so that a run could not "
                f"go on where it stopped; pass a Dataset with __len__ and __getitem__"
            )
        return OfDataset(data)
    sliced = hasattr(data, "__getitem__") or isinstance(data, Mapping)
    if sliced and isinstance(data, Sized):
        return Held(data)
    if isinstance(data, Sized) and isinstance(data, Iterable):
        return Held(list(data))
    raise InputError(f"data is {brief(data)}; {_NO_LENGTH}")


def _of_path(data: str | Path, suffixes: Collection[str]) -> Source:
    path = Path(data)
    # Paths from the root on: processes on other machines have another working folder.
    if data != "" and is_folder(path):  # the path of "" is that of the working folder
        return Held(files_in(path.absolute(), suffixes)[0])
    if is_file(path):
        found = records.of_file(path)
        return Held([str(path.absolute())]) if found is None else found
    if isinstance(data, str) and is_named(data):
        return Named(data, suffixes)
    raise InputError(
        f"there is no file or folder {brief(str(data), 80)}; pass one, 'module:name', or a list"
    )


def files_in(folder: Path, suffixes: Collection[str]) -> tuple[list[str], int]:
    """The files of a folder that a domain reads, in order, and the number of the others.

    Hidden files are not counted.

    Args:
        folder: The folder.
        suffixes: Endings of the files that the domain reads.

    Raises:
        InputError: There is none.
    """
    files = [p for p in folder.iterdir() if p.is_file() and not p.name.startswith(".")]
    found = sorted(str(p) for p in files if p.suffix.lower() in suffixes)
    if not found:
        endings = ", ".join(sorted(suffixes)) or "none"
        raise InputError(
            f"the folder {brief(str(folder), 60)} holds no file that this domain reads; its "
            f"endings are {endings}"
        )
    return found, len(files) - len(found)


def _length(data: Any) -> int:
    try:
        if not isinstance(data, Mapping):
            return len(data)
        lengths = {len(column) for column in data.values()}
    except Exception as error:  # such as an array without axes
        raise InputError(f"data is {brief(data)}; {_NO_LENGTH}") from error
    if len(lengths) != 1:
        raise InputError(f"the columns of data have the lengths {sorted(lengths)}; pass equal ones")
    return lengths.pop()


def _slice(data: Any, start: int, stop: int) -> Any:
    if isinstance(data, Mapping):
        return {name: _slice(column, start, stop) for name, column in data.items()}
    if hasattr(data, "iloc"):
        return data.iloc[start:stop]
    if isinstance(data, Sequence) and not isinstance(data, list | tuple | range):
        return [data[position] for position in range(start, stop)]
    part = data[start:stop]
    return part.clone() if hasattr(part, "untyped_storage") else part
