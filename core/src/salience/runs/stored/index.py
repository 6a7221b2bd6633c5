"""The index of a run that is complete: where an item is found by its id, and items by label."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salience.data.names import label_key
from salience.errors import InputError, brief
from salience.runs.folder import RunFolder
from salience.runs.stored.unit_file import UnitFile

_HASHES, _PLACES, _CODES, _FAILED = "hashes.npy", "places.npy", "labels.npy", "failed.npy"
_HEAD = "index.json"


@dataclass(frozen=True)
class Index:
    """Ids and labels of all items, mapped into memory.

    Args:
        failed: Positions of the items that failed, in order.
        labels: The distinct labels, in the order in which they first come.
        text_ids: As for :class:`UnitFile`.
        hashes: Hashes of the ids in order; ``None`` where ids are positions.
        places: Position of the item of each hash; ``None`` where ids are positions.
        codes: For each item the place of its label among the labels, −1 where it has none; ``None``
            where no item has one.
    """

    failed: NDArray[np.int64]
    labels: list[Any]
    text_ids: bool
    hashes: NDArray[np.uint64] | None
    places: NDArray[np.int64] | None
    codes: NDArray[np.int32] | None

    @staticmethod
    def load(path: Path) -> Index | None:
        """The index in a folder; ``None`` where there is none.

        Raises:
            InputError: Its files are not what a run has written.
        """
        if not (path / _HEAD).is_file():
            return None

        def mapped(name: str) -> Any:
            file = path / name
            return np.load(file, mmap_mode="r") if file.is_file() else None

        try:
            head = json.loads((path / _HEAD).read_text())
            return Index(
                failed=np.load(path / _FAILED),
                labels=head["labels"],
                text_ids=head["text_ids"],
                hashes=mapped(_HASHES),
                places=mapped(_PLACES),
                codes=mapped(_CODES),
            )
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise InputError(
                f"cannot read the index {brief(str(path), 120)} ({brief(error, 60)}); delete this "
                f"folder and run again, which makes it anew"
            ) from error

    def candidates(self, name: int | str) -> NDArray[np.int64]:
        """Positions of items whose id has the hash of a name."""
        if self.hashes is None or self.places is None:
            return np.array([name] if isinstance(name, int) else [], np.int64)
        wanted = _hash(name)
        start, stop = (int(np.searchsorted(self.hashes, wanted, side)) for side in _SIDES)
        return np.sort(np.asarray(self.places[start:stop]))


_SIDES: tuple[Any, Any] = ("left", "right")


def write_index(folder: RunFolder, *, own_ids: bool) -> None:
    """Write the index of a run whose units are all done, unless it is there.

    Args:
        folder: The folder of the run.
        own_ids: Whether the user gave ids.

    Raises:
        InputError: The disk is full, or the folder must not be written.
    """
    if folder.index.exists():
        return
    hashes, codes, failed, kinds = [], [], [], []
    labels: dict[Any, int] = {}
    first = 0
    positional = True
    for unit in _files(folder):
        names = unit.names("id")
        kinds += unit.kinds_of_ids
        positional = positional and names == list(range(first, first + len(names)))
        hashes.append(np.array([_hash(name) for name in names], np.uint64))
        if unit.has_labels:
            own = [
                -1 if n is None else labels.setdefault(label_key(n), len(labels))
                for n in unit.names("label")
            ]
            codes.append(np.array(own, np.int32))
        failed.append(np.flatnonzero(~unit.is_done()) + first)
        first += len(names)
    arrays: dict[str, NDArray[Any]] = {_FAILED: np.concatenate(failed)}
    if not positional:
        every = np.concatenate(hashes)
        order = np.argsort(every, kind="stable")
        arrays |= {_HASHES: every[order], _PLACES: order.astype(np.int64)}
    if codes:
        arrays[_CODES] = np.concatenate(codes)
    head = {"labels": [name for _, name in labels], "text_ids": text_ids(kinds, own_ids=own_ids)}
    temporary = folder.path / f".tmp-index-{secrets.token_hex(6)}"
    with folder.writing():
        try:
            temporary.mkdir()
            for name, values in arrays.items():
                np.save(temporary / name, values)
            (temporary / _HEAD).write_text(json.dumps(head))
            with suppress(OSError):  # another program was first
                temporary.rename(folder.index)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def text_ids(kinds: Iterable[str], *, own_ids: bool) -> bool:
    """Whether ids that are numbers are given as text, since those of other units are text.

    Args:
        kinds: The :attr:`UnitFile.kinds_of_ids` of all units.
        own_ids: Whether the user gave ids, which stay as they are.
    """
    return not own_ids and len(set(kinds)) > 1


def _files(folder: RunFolder) -> Iterator[UnitFile]:
    units: Sequence[int] = folder.done().tolist()
    return (UnitFile(folder.unit(unit)) for unit in units)


def _hash(name: int | str) -> np.uint64:
    text = str(name).encode()  # a number may come to be text
    return np.uint64(int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little"))
