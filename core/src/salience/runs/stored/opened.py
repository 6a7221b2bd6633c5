"""The files of a run, opened: single rows of units, with the record of their items."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salience.results.explanation import Explanation
from salience.results.provenance import recorded_ids, selected
from salience.runs.folder import RunFolder
from salience.runs.manifest import Manifest
from salience.runs.stored.index import Index, text_ids
from salience.runs.stored.unit_file import UnitFile

# Files of units that are kept open.
_OPEN = 16

#: Positions of items in the data set.
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

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_files": OrderedDict()}  # open files do not pickle

    def file(self, unit: int) -> UnitFile:
        """The file of a unit, one of the few that are kept open."""
        if unit not in self._files:
            self._files[unit] = UnitFile(self.folder.unit(unit), text_ids=self.text_ids)
            if len(self._files) > _OPEN:
                self._files.popitem(last=False)
        self._files.move_to_end(unit)
        return self._files[unit]

    @cached_property
    def text_ids(self) -> bool:
        """As for :class:`UnitFile`, by the units that are done."""
        if self.index is not None:
            return self.index.text_ids
        own_ids = self.manifest.entries["ids"] is not None
        units = (UnitFile(self.folder.unit(k)) for k in self.done)
        kinds = (kind for unit in units for kind in unit.kinds_of_ids)
        return text_ids(kinds, own_ids=own_ids)

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
        return replace(found, provenance=self.record(found, positions))

    def record(self, found: Explanation, positions: Sequence[int]) -> Mapping[str, Any]:
        """The record of items, from that of all of them."""
        record = selected(found.provenance, positions, self.manifest.bounds.n_items)
        if self.manifest.entries["ids"] is None:
            return record
        record.pop("positions", None)
        return record | recorded_ids(list(found.ids))
