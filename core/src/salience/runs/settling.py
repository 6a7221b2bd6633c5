"""What is settled before the first unit; in another process, whose death costs nothing."""

from __future__ import annotations

import pickle
from contextlib import closing
from dataclasses import dataclass, replace

from salience.engine.executors.chosen import in_order
from salience.errors import InputError
from salience.plugins.faults import Asked
from salience.runs.driver import TRIES
from salience.runs.head import first_explained
from salience.runs.manifest import load
from salience.runs.origin import origin_of
from salience.runs.pilot import (
    FIRST,
    Beginning,
    UnreadableError,
    beginning,
    piloted,
    prepared,
    starts,
)
from salience.runs.ranges import ItemRange
from salience.runs.run import Run
from salience.runs.work import RunWorker
from salience.shown import ShortRepr
from salience.support.notices import Hearing

# Bytes of items in memory that are sent to the process of a settler.
_SENT = 2**25
# Items of which these bytes are known.
_FEW = 8


@dataclass(frozen=True)
class Settled(ShortRepr):
    """What is settled once for a folder, by some items of the data set.

    Args:
        first: Position of the first of these items.
        unit_items: Number of items of a unit.
        max_rows: Number of rows of a pass.
        lost: Why there is nothing: how the process ended; ``None`` where it did not.
    """

    first: int
    unit_items: int = 0
    max_rows: int = 0
    lost: str | None = None


@dataclass(frozen=True, kw_only=True)
class Settler(RunWorker):
    """Does with a range of items what the program that drives the run does with them next.

    Where an item kills the process that explains it, it is not that program which dies.

    Args:
        unit_items: Number of items of a unit, or ``"auto"``.
    """

    unit_items: int | str

    def explain(self, unit: ItemRange) -> Settled:
        """Settle what is open by a range of items.

        Raises:
            InputError: The computation is refused.
        """
        request = self.request
        if self.device is not None:
            own = replace(request.settings, devices=(self.device,))
            request = replace(request, settings=own)
        with Hearing():  # the program tells it when it does the same
            first = beginning(request, self.source, unit, self.record_errors)
            first_explained(prepared(first).request, first)
            found = piloted(first, self.source, unit, self.unit_items)
        return Settled(unit.start, *found)

    def lost(self, unit: ItemRange, reason: str) -> Settled:
        """That the process died."""
        return Settled(unit.start, lost=reason)


def settled(run: Run, record_errors: bool, threads: int) -> Run:
    """The run with what a pilot finds, in its folder once and for all.

    Args:
        run: The run, which has no manifest yet.
        record_errors: Whether items that fail are recorded.
        threads: Number of threads of torch.

    Raises:
        InputError: The computation is refused, or no process survives it.
    """
    unit_items = run.manifest.entries["unit_items"]
    if not run.executor.other_processes:
        first, items = _first_readable(run, record_errors)
        sizes = piloted(first, run.source, items, unit_items)
        return _written(run, threads, Settled(items.start, *sizes))
    with run.folder.early_weights() as weights:
        origin = origin_of(run.request.settings.model, weights)
        found = _tried(
            run,
            Settler(**run.working(record_errors, threads), origin=origin, unit_items=unit_items),
        )
        made = _written(run, threads, found)
        if not run.folder.weights.exists():
            weights.replace(run.folder.weights)
    return made


def _first_readable(run: Run, record_errors: bool) -> tuple[Beginning, ItemRange]:
    """The first items that can be read, and the range that they begin.

    Raises:
        InputError: An item cannot be read; none of many can, where these are passed over.
    """
    refused: UnreadableError | None = None
    for start in starts(len(run.source)):
        items = run.items(start, len(run.source))
        try:
            return beginning(run.request, run.source, items, record_errors), items
        except UnreadableError as error:
            refused = refused or error
    assert refused is not None
    raise refused


def _written(run: Run, threads: int, found: Settled) -> Run:
    """Write the manifest with what was found, unless another stripe was first."""
    manifest = run.manifest.having(
        unit_items=found.unit_items, max_rows=found.max_rows, threads=threads, first=found.first
    )
    run.folder.make(manifest.text())
    earlier = load(run.folder.manifest)
    assert earlier is not None
    return replace(run, manifest=run.manifest.fitted(earlier))


def _tried(run: Run, settler: Settler) -> Settled:
    """What is found by the first items that do not kill the process.

    Raises:
        InputError: All of them do, or none can be read.
    """
    numbers = (_reach(run), *[FIRST] * (TRIES - 1))
    refused: InputError | None = None
    for start in starts(len(run.source)):
        for number in numbers:
            items = run.items(start, start + number)
            results = in_order(run.executor, settler, [items], _is_settled)
            try:
                with closing(results):
                    found = next(results)
            except UnreadableError as error:
                refused = refused or error
                break
            if found.lost is None:
                return found
            refused = InputError(
                f"the processes that look at items of the data die ({found.lost}); pass fewer "
                f"processes, where memory is short, or executor='serial' to see why"
            )
    assert refused is not None
    raise refused


def _is_settled(asked: Asked, found: Settled, _: ItemRange) -> bool:
    asked.expect(isinstance(found, Settled), found, "the results of units")
    return True


def _reach(run: Run) -> int:
    """Number of items that a settler may look at: as many as are cheaply sent."""
    try:
        size = len(pickle.dumps(run.items(0, _FEW))) / _FEW
    except Exception:  # the executor says why they cannot be sent
        return FIRST
    return max(FIRST, int(_SENT / size))
