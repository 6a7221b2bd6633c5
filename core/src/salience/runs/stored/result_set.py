"""The results of a data set: found by position, id or label, and read when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from salience.data.names import label as plain_label
from salience.data.names import label_key
from salience.errors import InputError, brief
from salience.intake import choice
from salience.naming import path_of
from salience.results.explanation import Explanation
from salience.results.selection import entries, positions, sliced
from salience.runs.folder import RunFolder
from salience.runs.manifest import load
from salience.runs.stored.digest import digest_of
from salience.runs.stored.importance import Importance, importance_of
from salience.runs.stored.index import Index
from salience.runs.stored.joined import joined
from salience.runs.stored.named_items import NamedItems
from salience.runs.stored.opened import Positions, Stored

if TYPE_CHECKING:
    import pandas as pd
    import xarray

_SIDES: tuple[Any, Any] = ("left", "right")


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
        head, done = Explanation.load(folder.head), folder.done()
        complete = len(done) == len(manifest.bounds)
        index = Index.load(folder.index) if complete else None
        return ResultSet(
            Stored(folder=folder, manifest=manifest, head=head, done=done, index=index)
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
        """Id of each item of the run that failed, and the reason.

        Where several of one id failed, all but the first are called by their positions as well.
        """
        found: dict[int | str, str] = {}
        index = self._stored.index
        units = self._stored.done.tolist()
        if index is not None:
            units = sorted(set((index.failed // self._stored.manifest.bounds.unit_items).tolist()))
        for unit in units:
            file = self._stored.file(unit)
            rows = np.flatnonzero(~file.is_done())
            if len(rows):
                names, errors = file.names("id", rows), file.column("error")
                for name, row in zip(names, rows.tolist(), strict=True):
                    position = self._stored.span(unit)[0] + row
                    called = f"{name} (item {position})" if name in found else name
                    found[called] = errors[row].as_py()
        return found

    def __getitem__(self, chosen: int | slice | Sequence[int] | NDArray[Any]) -> ResultSet:
        """Some of the items, by their places in this result set; nothing is read.

        Raises:
            InputError: There is no such place.
        """
        own, number = self._positions, len(self)
        if isinstance(chosen, slice):
            places = sliced(chosen, number)
            if isinstance(own, range) and places.step == 1:
                return ResultSet(self._stored, own[places.start : places.stop])
            chosen = list(places)
        every = positions(chosen, number).numpy()
        if isinstance(own, range):
            return ResultSet(self._stored, every + own.start)
        return ResultSet(self._stored, own[every])

    def __iter__(self) -> Iterator[ResultSet]:
        return (self[place] for place in range(len(self)))

    def __contains__(self, item: object) -> bool:
        raise InputError(f"write {brief(item, 40)} in results.ids, or in results.labels")

    @property
    def loc(self) -> NamedItems[ResultSet]:
        """Items by their ids: ``loc[id]``, ``loc[[id, …]]``; all of them where an id repeats."""
        return NamedItems(self._found, self.__getitem__)

    def _found(self, name: int | str) -> list[int]:
        """Places of the items with an id in this result set."""
        positions, index = self._positions, self._stored.index
        if index is None:
            return [at for at, own in enumerate(self.ids) if (type(own), own) == (type(name), name)]
        places: list[int] = []
        for position in index.candidates(name).tolist():
            if isinstance(positions, range):
                own = [position - positions.start] if position in positions else []
            else:
                ordered, order = self._ordered
                first, last = (int(np.searchsorted(ordered, position, side)) for side in _SIDES)
                own = sorted(order[first:last].tolist())
            places += [place for place in own if self[place].ids == [name]]
        return places

    @cached_property
    def _ordered(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Positions in ascending order, and the place of each of them."""
        positions = np.asarray(self._positions, np.int64)
        order = np.argsort(positions, kind="stable")
        return positions[order], order

    def where(self, *, label: Any) -> ResultSet:
        """The items with a label, or with one of a list of labels.

        Raises:
            InputError: No item has it.
        """
        several = list(label) if isinstance(label, set | frozenset) else entries(label)
        wanted = {label_key(plain_label(one)) for one in ([label] if several is None else several)}
        index = self._stored.index
        if index is not None and index.codes is not None:
            codes = [place for place, own in enumerate(index.labels) if label_key(own) in wanted]
            codes += [-1] if label_key(None) in wanted else []
            positions = np.asarray(self._positions, np.int64)
            found = positions[np.isin(index.codes[positions], codes)]
        else:
            mask = np.array([label_key(own) in wanted for own in self.labels], bool)
            found = np.asarray(self._positions, np.int64)[mask]
        if not len(found):
            known = [] if index is None else index.labels
            shown = f"; there are {brief(known, 80)}" if known else ""
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
        return replace(found, provenance=self._stored.record(plain, every))

    def explanations(self) -> Iterator[Explanation]:
        """The explanations of these items, unit by unit, in the order of the data set.

        An item that was chosen twice is given twice.
        """
        positions = self._positions
        if not isinstance(positions, range):
            positions = np.sort(positions)
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
        """SHA-256 of the numbers and ids of these items, in the order of the data set.

        It does not depend on how the items are cut into units, as long as the numbers do not.
        """
        return digest_of(self.explanations())

    def _names(self, of: str) -> list[Any]:
        if of == "label" and self._stored.manifest.entries["labels"] is None:
            return [None] * len(self)
        positions = self._positions
        ascending = positions if isinstance(positions, range) else np.unique(positions)
        found: list[Any] = []
        for unit, rows in self._stored.cut(ascending):
            found += self._stored.file(unit).names(of, rows)
        if isinstance(positions, range):
            return found
        return [found[at] for at in np.searchsorted(ascending, positions).tolist()]
