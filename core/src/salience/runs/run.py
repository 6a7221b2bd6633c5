"""A run: what is explained, into which folder, and what of it is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from salience.engine.executors.base import Executor
from salience.engine.request import Request
from salience.runs.folder import RunFolder
from salience.runs.manifest import Manifest
from salience.runs.ranges import ItemRange
from salience.runs.sources.base import Source


@dataclass(frozen=True)
class Run:
    """A run before it is computed."""

    request: Request
    source: Source
    folder: RunFolder
    manifest: Manifest
    executor: Executor
    ids: Sequence[int | str] | None
    labels: Sequence[Any] | None

    def items(self, start: int, stop: int, unit: int = 0, writes: bool = False) -> ItemRange:
        """A range of items.

        Args:
            start: Position of the first.
            stop: Position behind the last, which may lie behind the end of the data.
            unit: Number of the unit that they belong to.
            writes: Whether they are all of it, and its file is written.
        """
        stop = min(stop, len(self.source))
        return ItemRange(
            unit=unit,
            start=start,
            stop=stop,
            held=self.source.held(start, stop) if self.executor.other_processes else None,
            ids=None if self.ids is None else self.ids[start:stop],
            labels=None if self.labels is None else self.labels[start:stop],
            writes=writes,
        )

    def fixed(self) -> Run:
        """The run with the number of rows of its manifest."""
        settings = replace(self.request.settings, max_rows=self.manifest.entries["max_rows"])
        return replace(self, request=replace(self.request, settings=settings))

    def missing(self) -> list[int]:
        """Numbers of the units of this stripe that are not done."""
        rank, world = self.folder.stripe
        done = set(self.folder.done().tolist())
        return [k for k in range(rank, len(self.manifest.bounds), world) if k not in done]

    def n_draws(self, units: Sequence[int]) -> int:
        """Number of draws of units, summed over their items."""
        ranges = map(self.manifest.bounds.of, units)
        return self.request.draws.total * sum(stop - start for start, stop in ranges)

    def working(self, record_errors: bool, threads: int) -> dict[str, Any]:
        """What all that works for the run is made with; see :class:`RunWorker`."""
        found = {"request": self.request, "source": self.source}
        return found | {"record_errors": record_errors, "threads": threads}
