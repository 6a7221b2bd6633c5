"""The results of a data set: found by position, id or label, and read when they are asked for."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from salience.data.names import plain_name
from salience.errors import InputError, brief
from salience.intake import choice
from salience.naming import path_of
from salience.results.explanation import Explanation
from salience.results.provenance import recorded_ids, selected
from salience.runs.fingerprint import Fingerprint
from salience.runs.folder import RunFolder
from salience.runs.manifest import Manifest, load
from salience.runs.stored.importance import Importance, importance_of
from salience.runs.stored.index import Index
from salience.runs.stored.joined import joined
from salience.runs.stored.unit_file import UnitFile

if TYPE_CHECKING:
    import pandas as pd
    import xarray

# Files of units that are kept open.
_OPEN = 16

Positions = range | NDArray[np.int64]


@dataclass
class Stored:
    """The files of a run, and what is known of them.

    Args:
        folder: The folder.
        manifest: What the run computes.
        head: What all items have in common.
        done: Numbers of the units that are done, in order.
        index: The index, where the run is complete.
    """

    folder: RunFolder
    manifest: Manifest
    head: Explanation
    done: NDArray[np.int64]
    index: Index | None
    _files: OrderedDict[int, UnitFile] = field(default_factory=OrderedDict)

    def file(self, unit: int) -> UnitFile:
        """The file of a unit, one of the few that are kept open."""
        if unit not in self._files:
            self._files[unit] = UnitFile(self.folder.unit(unit))
            if len(self._files) > _OPEN:
                self._files.popitem(last=False)
        self._files.move_to_end(unit)
        return self._files[unit]

    def span(self, unit: int) -> tuple[int, int]:
        """First position of a unit, and the one behind its last."""
        return self.manifest.bounds.of(unit)

    @cached_property
    def positions(self) -> Positions:
        """Positions of the items that are done and did not fail."""
        if self.index is not None:
            n_items = self.manifest.bounds.n_items
            if not len(self.index.failed):
                return range(n_items)
            return np.delete(np.arange(n_items), self.index.failed)
        found = [np.flatnonzero(self.file(k).is_done()) + self.span(k)[0] for k in self.done]
        return np.concatenate([np.zeros(0, np.int64), *found])

    def cut(self, positions: Positions) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """Units and the rows in each of them of positions in ascending order."""
        size = self.manifest.bounds.unit_items
        if isinstance(positions, range):
            for unit in range(positions.start // size, -(-positions.stop // size)):
                start, stop = self.span(unit)
                low, high = max(start, positions.start), min(stop, positions.stop)
                yield unit, np.arange(low - start, high - start)
            return
        units = positions // size
        ends = np.flatnonzero(np.diff(units)) + 1
        for part in np.split(positions, ends):
            if len(part):
                unit = int(part[0]) // size
                yield unit, part - unit * size

    def read(self, unit: int, rows: NDArray[np.int64]) -> Explanation:
        """The explanation of rows of a unit, with their own record."""
        found = self.file(unit).read(rows, self.head)
        positions = (rows + self.span(unit)[0]).tolist()
        return replace(found, provenance=self._record(found, positions))

    def _record(self, found: Explanation, positions: Sequence[int]) -> Mapping[str, Any]:
        """The record of items, from that of all of them."""
        record = selected(found.provenance, positions, self.manifest.bounds.n_items)
        if self.manifest.entries["ids"] is None:
            return record
        record.pop("positions", None)
        return record | recorded_ids(list(found.ids))


class ResultSet:
    """What a run has computed of a data set; items that failed are not among its items.

    It holds positions and open files, and reads items when they are asked for. A result set that is
    opened while the run goes on has the units that are done by then.

    Args:
        stored: The files.
        positions: Positions of the items in the data set; those that are done where ``None``.
    """

    def __init__(self, stored: Stored, positions: Positions | None = None) -> None:
        self._stored = stored
        self._chosen = positions

    @staticmethod
    def open(path: str | Path) -> ResultSet:
        """Open the folder of a run, also while it goes on.

        Raises:
            InputError: It holds no run, or the run has not yet begun.
        """
        folder = RunFolder(path_of(path).absolute())
        manifest = load(folder.manifest)
        if manifest is None or not folder.head.is_file():
            raise InputError(
                f"{brief(str(path), 80)} holds no run that has begun; pass the folder that "
                f"explain_dataset wrote"
            )
        head = Explanation.load(folder.head)
        return ResultSet(
            Stored(
                folder=folder,
                manifest=manifest,
                head=head,
                done=folder.done(),
                index=Index.load(folder.index),
            )
        )

    @property
    def _positions(self) -> Positions:
        return self._stored.positions if self._chosen is None else self._chosen

    def __len__(self) -> int:
        return len(self._positions)

    def __repr__(self) -> str:
        bounds, done = self._stored.manifest.bounds, len(self._stored.done)
        return (
            f"ResultSet({len(self)} items; {done} of {len(bounds)} units of "
            f"{brief(str(self._stored.folder.path), 80)} are done)"
        )

    @property
    def is_complete(self) -> bool:
        """Whether all units of the run are done."""
        return len(self._stored.done) == len(self._stored.manifest.bounds)

    @property
    def positions(self) -> list[int]:
        """Positions of the items in the data set."""
        positions = self._positions
        return list(positions) if isinstance(positions, range) else positions.tolist()

    @property
    def ids(self) -> list[int | str]:
        """The id of each item: the user's, else its name in the data, else its position."""
        return self._names("id")

    @property
    def labels(self) -> list[Any]:
        """The label of each item; ``None`` for all where there are no labels."""
        return self._names("label")

    @property
    def failed(self) -> dict[int | str, str]:
        """Id of each item of the run that failed, and the reason."""
        found: dict[int | str, str] = {}
        index = self._stored.index
        units = self._stored.done.tolist()
        if index is not None:
            units = sorted(set((index.failed // self._stored.manifest.bounds.unit_items).tolist()))
        for unit in units:
            file = self._stored.file(unit)
            rows = np.flatnonzero(~file.is_done())
            if len(rows):
                names, errors = file.names("id"), file.column("error")
                found |= {names[row]: errors[row].as_py() for row in rows.tolist()}
        return found

    def __getitem__(self, chosen: int | slice | Sequence[int] | NDArray[Any]) -> ResultSet:
        """Some of the items, by their places in this result set; nothing is read.

        Raises:
            InputError: There is no such place.
        """
        positions, number = self._positions, len(self)
        if isinstance(chosen, slice):
            found: Any = positions[chosen]
            if isinstance(found, range) and found.step != 1:
                found = np.array(found, np.int64)
            return ResultSet(self._stored, found)
        places = np.atleast_1d(np.asarray(chosen))
        if places.dtype == bool and len(places) == number:
            places = np.flatnonzero(places)
        if places.dtype.kind not in "iu" or places.ndim != 1 or np.any(
            (places < -number) | (places >= number)
        ):
            raise InputError(
                f"the place {brief(chosen, 60)} is none of {number} items; pass a number from 0 to "
                f"{number - 1}, a slice, a list of numbers or a mask"
            )
        every = places % number
        if isinstance(positions, range):
            return ResultSet(self._stored, every.astype(np.int64) + positions.start)
        return ResultSet(self._stored, positions[every])

    @property
    def loc(self) -> ByName:
        """Items by their ids: ``loc[id]``, ``loc[[id, …]]``; all of them where an id repeats."""
        return ByName(self)

    def where(self, *, label: Any) -> ResultSet:
        """The items with a label, or with one of a list of labels.

        Raises:
            InputError: No item has it.
        """
        wanted = list(label) if isinstance(label, list | tuple | set) else [label]
        index = self._stored.index
        if index is not None and index.codes is not None:
            codes = [place for place, own in enumerate(index.labels) if own in wanted]
            positions = np.asarray(self._positions, np.int64)
            found = positions[np.isin(index.codes[positions], codes)]
        else:
            mask = np.array([own in wanted for own in self.labels], bool)
            found = np.asarray(self._positions, np.int64)[mask]
        if not len(found):
            known = {} if index is None else dict.fromkeys(index.labels)
            shown = f"; there are {brief(list(known), 80)}" if known else ""
            raise InputError(f"no item has the label {brief(label, 60)}{shown}; pass another")
        return ResultSet(self._stored, found)

    def explanation(self) -> Explanation:
        """The explanation of these items, all in memory, to draw, table and report.

        Raises:
            InputError: There is no item; or items have different shapes.
        """
        if not len(self):
            raise InputError("there is no item to read; choose one, or wait for the first unit")
        positions = self._positions
        if isinstance(positions, range):
            return self._joined(positions)
        ascending, back = np.unique(positions, return_inverse=True)
        found = self._joined(ascending)
        if np.array_equal(ascending, positions):
            return found
        return found._at(torch.from_numpy(back.reshape(-1).astype(np.int64)))

    def _joined(self, positions: Positions) -> Explanation:
        parts = [self._stored.read(unit, rows) for unit, rows in self._stored.cut(positions)]
        found = joined(parts)
        if len(parts) == 1:
            return found
        every = list(positions) if isinstance(positions, range) else positions.tolist()
        plain = replace(found, provenance=self._stored.head.provenance)
        return replace(found, provenance=self._stored._record(plain, every))

    def explanations(self) -> Iterator[Explanation]:
        """The explanations of these items, unit by unit, in the order of the data set."""
        positions = self._positions
        if not isinstance(positions, range):
            positions = np.unique(positions)
        for unit, rows in self._stored.cut(positions):
            yield self._stored.read(unit, rows)

    def mean(self, of: str = "value") -> Tensor:
        """Mean saliency over these items, as in :meth:`salience.Explanation.mean`.

        Args:
            of: ``"value"`` or ``"magnitude"``.

        Raises:
            InputError: As :meth:`importance`.
        """
        choice(of, "of", ("value", "magnitude"))
        found = self.importance()
        return found.mean if of == "value" else found.magnitude

    def importance(self) -> Importance:
        """Means of values and of magnitudes over these items, each with two standard errors.

        Units are read one by one, and their moments merged.

        Raises:
            InputError: There is no item; items are ragged; or there are several target variables.
        """
        return importance_of(self.explanations())

    def to_dataframe(self, wide: bool = False) -> pd.DataFrame:
        """The table of these items, as :meth:`salience.Explanation.to_dataframe`."""
        return self.explanation().to_dataframe(wide)

    def to_xarray(self) -> xarray.Dataset:
        """The arrays of these items, as :meth:`salience.Explanation.to_xarray`."""
        return self.explanation().to_xarray()

    def digest(self) -> str:
        """SHA-256 of the numbers, ids and labels of these items, in the order of the data set.

        It does not depend on the units, nor on the order in which they were computed, as long as
        the passes were the same.
        """
        made = hashlib.sha256()
        for part in self.explanations():
            own = Fingerprint()
            own.add(list(part.ids))
            for name in ("prediction", "score", "delta", "n_points", "n_independent"):
                own.add(getattr(part, name))
            for name, saliency in part.saliency.items():
                own.add([name, saliency.flat, saliency.flat_error, saliency.counts])
            made.update(own.hexdigest().encode())
        return made.hexdigest()

    def _names(self, of: str) -> list[Any]:
        if of == "label" and self._stored.manifest.entries["labels"] is None:
            return [None] * len(self)
        positions = self._positions
        ascending = positions if isinstance(positions, range) else np.unique(positions)
        found: list[Any] = []
        for unit, rows in self._stored.cut(ascending):
            own = self._stored.file(unit).names(of)
            found += [own[row] for row in rows.tolist()]
        if isinstance(positions, range):
            return found
        return [found[at] for at in np.searchsorted(ascending, positions).tolist()]


class ByName:
    """Finds items of a result set by their ids.

    Args:
        results: The result set.
    """

    def __init__(self, results: ResultSet) -> None:
        self._results = results

    def __getitem__(self, chosen: Any) -> ResultSet:
        """The items with an id, or with each id of a list.

        Raises:
            InputError: No item has the id.
        """
        single = isinstance(chosen, str | int) or not hasattr(chosen, "__len__")
        wanted = [plain_name(one) for one in ([chosen] if single else list(chosen))]
        stored = self._results._stored
        if stored.index is None:
            ids = self._results.ids
            places = [at for name in wanted for at in _places(ids, name)]
            return self._results[places]
        found = [at for name in wanted for at in self._found(stored, name)]
        return ResultSet(stored, np.array(found, np.int64))

    def _found(self, stored: Stored, name: Any) -> list[int]:
        assert stored.index is not None
        found = []
        for position in stored.index.candidates(name).tolist():
            if not 0 <= position < stored.manifest.bounds.n_items or not self._has(position):
                continue
            if ResultSet(stored, range(position, position + 1)).ids == [name]:
                found.append(position)
        if not found:
            raise _unknown(name)
        return found

    def _has(self, position: int) -> bool:
        positions = self._results._positions
        if isinstance(positions, range):
            return position in positions
        return bool(np.isin(position, positions))


def _places(ids: Sequence[Any], name: Any) -> list[int]:
    found = [at for at, own in enumerate(ids) if own == name and type(own) is type(name)]
    if not found:
        raise _unknown(name)
    return found


def _unknown(name: Any) -> InputError:
    return InputError(
        f"no item of these has the id {brief(name, 60)}; look at .ids, and at .failed for those "
        f"that could not be explained"
    )
