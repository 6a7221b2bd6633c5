"""The stream: chunks of data are units, read when their turn comes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from salience.datasets import chunks_of
from salience.engine.assembly import explanation, gathered
from salience.engine.executors.base import Executor
from salience.engine.executors.chosen import results_of
from salience.engine.means import with_means
from salience.engine.preflight.samplers import preflight
from salience.engine.promises import info_of
from salience.engine.request import Request
from salience.engine.units import Unit, UnitResult, read
from salience.engine.worker import Worker
from salience.errors import InputError
from salience.results.explanation import Explanation
from salience.support.interrupts import called
from salience.support.isolation import isolated
from salience.support.notices import Hearing


def streamed(
    request: Request, chunks: Iterable[Any], executor: Executor, warned: set[str]
) -> Iterator[Explanation]:
    """Explain chunk by chunk; yield one explanation for each item, in order.

    Args:
        request: What is to be computed of each item.
        chunks: Pieces of the data, each in a form that the domain reads; or a Dataset or
            DataLoader. The first piece settles a layout that depends on the data.
        executor: Explains the chunks.
        warned: Notices that were shown to the user before, as in :class:`Hearing`.
    """
    _check_positions(request)
    waiting: deque[Unit] = deque()
    hearing = Hearing(warned)
    n_items = 0
    units = _units(request, chunks, waiting, hearing)
    for first in units:
        with isolated(), hearing:
            worker = with_means(Worker.of(request.fitted(first.samples)), first.samples)
            worker = preflight(worker, first)
        results = results_of(executor, worker, chain([first], units))
        while (result := _next(results)) is not None:
            with isolated(), hearing:
                done = gathered(iter([result]))
                _check_positions(request, done.own_groups)
                n_items += len(done.items)
                explained = explanation(done, worker.request, waiting.popleft(), more=True)
            for item in range(len(explained)):
                yield explained.item(item)
        if request.pool is not None and done.own_groups:
            request.pool.of_items(n_items)  # refuses labels that are left over


@isolated()
def _next(results: Iterator[UnitResult]) -> UnitResult | None:
    return called(next, results, None)


def _check_positions(request: Request, own_groups: bool = False) -> None:
    """Raise InputError where values of single items would belong to others behind a broken one.

    Args:
        request: What is computed.
        own_groups: Whether items turned out to have groups, or labels, of their own.
    """
    if getattr(request.settings.domain, "on_error", "raise") != "skip":
        return
    try:
        request.check(0)
        if own_groups:
            raise InputError("the groups of single items go by their positions")
    except InputError as error:
        raise InputError(
            "labels, baselines and groups of single items go by their positions, which a stream "
            "loses where it leaves out broken items; pass on_error='raise', or explain the data at "
            "once"
        ) from error


def _read(request: Request, chunk: Any, offset: int, info: dict[str, Any] | None) -> Unit:
    """Read a chunk; what its domain refuses is told with the position of the chunk.

    Raises:
        InputError: The chunk cannot be read.
    """
    try:
        return read(request.settings.domain, chunk, offset=offset, like=info)
    except InputError as error:
        if not offset:
            raise
        placed = InputError(f"in the piece of the stream that begins with item {offset}: {error}")
        for note in getattr(error, "__notes__", ()):
            placed.add_note(note)
        raise placed from error


def _units(
    request: Request, chunks: Iterable[Any], waiting: deque[Unit], hearing: Hearing
) -> Iterator[Unit]:
    """Read a unit of each chunk when it is asked for, and append it to ``waiting``.

    Raises:
        InputError: A chunk cannot be read; or, behind the last, labels or other values of single
            items are left over.
    """
    offset, info = 0, None
    each = iter(chunks_of(chunks))
    while True:
        with isolated():
            chunk = called(next, each, each)
        if chunk is each:
            break
        with isolated(), hearing:
            unit = _read(request, chunk, offset, info)
            request = request.fitted(unit.samples)
            request.check(offset + len(unit), more=True)
            info = info or info_of(request.settings.domain, unit.samples)
        offset += len(unit) + unit.n_left_out
        waiting.append(unit)
        yield unit
    # Values left over belong to other items, such as those that a domain left out.
    if offset:
        request.check(offset)
