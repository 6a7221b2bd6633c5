"""The pilot: the first items are explained to see how long they take and how much a pass holds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch

from salience.engine.means import with_means
from salience.engine.preflight.samplers import preflight
from salience.engine.promises import info_of
from salience.engine.request import Request
from salience.engine.units import Unit, UnitResult
from salience.engine.worker import Worker
from salience.errors import InputError
from salience.runs.ranges import ItemRange
from salience.runs.sources.base import Source
from salience.runs.sources.reading import read_items

#: Items that are read to settle the layout of the data, and to find out about the model.
FIRST = 128
# Ranges of items that are tried.
_STARTS = 8
# Seconds of the last range of a pilot, and of a unit at least.
_PILOT, _UNIT = 0.5, 1.5
# Times as long as what each unit takes beside its items, such as a replica of the model.
_TIMES = 20
# Items of the first range of a pilot.
_FEW = 2
# Times as many items are tried next.
_FACTOR = 4
# Items that are read again to see how long it takes.
_READ = 16
# Bytes of results in one unit.
_LARGEST = 2**28


@dataclass(frozen=True)
class Beginning:
    """Items of a data set by which the rest is settled, read.

    Args:
        request: The request, fitted to them.
        unit: Those of them that can be read.
        info: What the domain knows of them.
    """

    request: Request
    unit: Unit
    info: dict[str, Any]


class UnreadableError(InputError):
    """Raised where none of the items of a range can be read."""


def starts(n_items: int) -> Iterator[int]:
    """First items of the ranges that may be looked at, where those before are of no use.

    The distances double, so that many broken items in front do not hide the others.
    """
    step = max(1, min(FIRST, n_items // _STARTS))
    every = [0, *(step * 2**power for power in range(_STARTS - 1))]
    return iter([start for start in every if start < n_items])


def beginning(request: Request, source: Source, items: ItemRange, record_errors: bool) -> Beginning:
    """Read the first items of a range, and fit the request to them.

    Args:
        request: What is computed.
        source: The data.
        items: The range.
        record_errors: Whether items that cannot be read are passed over.

    Raises:
        InputError: An item cannot be read.
        UnreadableError: None can, where these are passed over.
    """
    stop = min(items.stop, items.start + FIRST)
    try:
        unit = read_items(request.settings.domain, source, items, (items.start, stop))
    except Exception:
        if not record_errors:
            raise
        unit = _readable(request, source, items, stop)
    request = request.fitted(unit.samples)
    return Beginning(request, unit, info_of(request.settings.domain, unit.samples))


def _readable(request: Request, source: Source, items: ItemRange, stop: int) -> Unit:
    """The most items that follow each other and can be read, as found by halves.

    Raises:
        UnreadableError: None of them can be read.
    """
    found: Unit | None = None
    failed: Exception | None = None
    ranges = [(items.start, stop)]
    while ranges:
        start, end = ranges.pop()
        if found is not None and end - start <= len(found):
            continue
        try:
            found = read_items(request.settings.domain, source, items, (start, end))
        except Exception as error:
            failed = error
            if end - start > 1:
                middle = (start + end) // 2
                ranges += [(middle, end), (start, middle)]
    if found is None:
        raise UnreadableError(str(failed)) from failed
    return found


def piloted(
    first: Beginning, source: Source, items: ItemRange, unit_items: int | str
) -> tuple[int, int]:
    """Number of items of a unit, and number of rows of a pass.

    Args:
        first: The first items of the range.
        source: The data.
        items: The range; no items besides are read.
        unit_items: The number of items, or ``"auto"``.
    """
    given = first.request.settings.max_rows
    if unit_items != "auto" and given != "auto":
        return int(unit_items), int(given)
    worker = prepared(first)
    size, rows = 1, worker.runner.budget.current
    each = _reading(first, source, items)
    taken: list[tuple[int, float]] = []
    for unit in _growing(first, source, items):
        begin = perf_counter()
        worker = Worker.of(worker.request)
        try:
            result = worker.explain(unit)
        except Exception:  # an item fails, which its unit will record
            break
        taken.append((len(unit), perf_counter() - begin + each * len(unit)))
        size, rows = _bytes(result) // len(unit), worker.runner.budget.current
        if taken[-1][1] > _PILOT and len(taken) > 1:
            break
    auto = max(1, min(_items(taken), _LARGEST // max(size, 1)))
    found = auto if unit_items == "auto" else int(unit_items)
    return min(found, len(source)), rows if given == "auto" else int(given)


def _items(taken: Sequence[tuple[int, float]]) -> int:
    """Number of items of a unit, from numbers of items and the seconds that they took."""
    if not taken:
        return 1
    number, seconds = taken[-1]
    fewer, before = taken[-2] if len(taken) > 1 else (0, 0.0)
    each = max((seconds - before) / (number - fewer), seconds / number / _TIMES)
    beside = max(0.0, seconds - each * number)
    return math.ceil(max(_UNIT, _TIMES * beside) / max(each, 1e-9))


def _reading(first: Beginning, source: Source, items: ItemRange) -> float:
    """Seconds that an item takes to be read, when what reading needs has been imported."""
    domain, start = first.request.settings.domain, first.unit.offset
    number = min(_READ, len(first.unit))
    begin = perf_counter()
    read_items(domain, source, items, (start, start + number), first.info)
    return (perf_counter() - begin) / number


def _growing(first: Beginning, source: Source, items: ItemRange) -> Iterator[Unit]:
    """Units of more and more items from the first on, up to the end of the range."""
    domain, start = first.request.settings.domain, first.unit.offset
    number = min(_FEW, len(first.unit))
    while True:
        try:
            if number <= len(first.unit):
                yield first.unit.part(0, number)
            else:
                yield read_items(domain, source, items, (start, start + number), first.info)
        except Exception:  # a later item cannot be read
            return
        if start + number == items.stop:
            return
        number = min(_FACTOR * number, items.stop - start)


def _bytes(result: UnitResult) -> int:
    tensors = [t for each in result.saliency.values() for t in each.values()]
    return sum(t.numel() * t.element_size() for t in tensors)


def prepared(first: Beginning) -> Worker:
    """A worker with baselines that are means of data, and with the verdicts of preflight."""
    worker = with_means(Worker.of(first.request), first.unit.samples)
    return preflight(worker, first.unit)


@contextmanager
def threads_of(number: int) -> Iterator[None]:
    """Let torch use a number of threads, as the processes of the run do."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
