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
from salience.engine.units import Unit, UnitResult, read
from salience.engine.worker import Worker
from salience.runs.sources.source import Source

# Items that are read to settle the layout of the data, and to find out about the model.
_FIRST = 128
# Seconds of the last range of a pilot, and of a unit at least.
_PILOT, _UNIT = 0.5, 1.5
# Times as long as what each unit takes beside its items, such as a replica of the model.
_TIMES = 20
# Items of the first range of a pilot.
_FEW = 2
# Times as many items are tried next.
_FACTOR = 4
# Bytes of results in one unit.
_LARGEST = 2**28


@dataclass(frozen=True)
class Beginning:
    """The first items of a data set, read.

    Args:
        request: The request, fitted to them.
        unit: Those of them that can be read.
        info: What the domain knows of them.
    """

    request: Request
    unit: Unit
    info: dict[str, Any]


def beginning(
    request: Request, source: Source, ids: Sequence[int | str] | None, record_errors: bool
) -> Beginning:
    """Read the first items, and fit the request to them.

    Args:
        request: What is computed.
        source: The data.
        ids: The user's ids, or ``None``.
        record_errors: Whether items that cannot be read are passed over.

    Raises:
        InputError: An item cannot be read; none can, where these are passed over.
    """
    domain = request.settings.domain
    stop = min(len(source), _FIRST)
    try:
        with source.reading(0, stop) as data:
            unit = read(domain, data, None if ids is None else ids[:stop])
    except Exception:
        if not record_errors:
            raise
        unit = _first_readable(request, source, ids, stop)
    request = request.fitted(unit.samples)
    return Beginning(request, unit, info_of(domain, unit.samples))


def _first_readable(
    request: Request, source: Source, ids: Sequence[int | str] | None, stop: int
) -> Unit:
    for position in range(stop):
        own = None if ids is None else ids[position : position + 1]
        try:
            with source.reading(position, position + 1) as data:
                return read(request.settings.domain, data, own, offset=position)
        except Exception:
            if position == stop - 1:
                raise
    raise AssertionError


def piloted(first: Beginning, source: Source, unit_items: int | str) -> tuple[int, int]:
    """Number of items of a unit, and number of rows of a pass.

    Args:
        first: The first items.
        source: The data.
        unit_items: The number of items, or ``"auto"``.
    """
    given = first.request.settings.max_rows
    if unit_items != "auto" and given != "auto":
        return int(unit_items), int(given)
    worker = prepared(first)
    size, rows = 1, worker.runner.budget.current
    taken: list[tuple[int, float]] = []
    begin = perf_counter()  # reading the items counts
    for unit in _growing(first, source):
        worker = Worker.of(worker.request)
        try:
            result = worker.explain(unit)
        except Exception:  # an item fails, which its unit will record
            break
        taken.append((len(unit), perf_counter() - begin))
        size, rows = _bytes(result) // len(unit), worker.runner.budget.current
        if taken[-1][1] > _PILOT and len(taken) > 1:
            break
        begin = perf_counter()
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


def _growing(first: Beginning, source: Source) -> Iterator[Unit]:
    """Units of more and more items from the first on."""
    n_items = min(_FEW, len(first.unit))
    while True:
        try:
            if n_items <= len(first.unit):
                yield first.unit.part(0, n_items)
            else:
                with source.reading(0, n_items) as data:
                    unit = read(first.request.settings.domain, data, like=first.info)
                yield unit
        except Exception:  # a later item cannot be read
            return
        if n_items == len(source):
            return
        n_items = min(_FACTOR * n_items, len(source))


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
