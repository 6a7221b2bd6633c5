"""Executors: who explains the units of a request, one after the other or side by side."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from queue import SimpleQueue

import torch

from salience.engine.units import Unit, UnitResult
from salience.engine.worker import Worker
from salience.plugins.faults import Asked
from salience.support.interrupts import answered, check
from salience.support.isolation import OURS

# Seconds between two looks whether Ctrl-C was pressed.
_LOOK = 0.02


class Executor(ABC):
    """Maps the units of a request to their results.

    The numbers do not depend on the executor: a draw depends only on the seed, the item and the
    number of the draw. With a fixed ``max_rows`` not even their rounding does, as long as torch
    uses the same number of threads.
    """

    #: Number of units into which a data set is cut.
    n_units: int = 1

    @abstractmethod
    def run(self, worker: Worker, units: Iterable[Unit]) -> Iterator[UnitResult]:
        """Explain each unit.

        Args:
            worker: Explains a unit by :meth:`Worker.explain`. :meth:`Worker.on` makes a further
                worker on another device; a pickled worker is built anew in another process.
            units: The units, which may be made lazily.

        Yields:
            The result of each unit, in the order of the units.

        Ctrl-C arrives at once in an executor of another author's, and where our own code runs, at
        the next pass.
        """


class Serial(Executor):
    """Explains the units one after the other in the calling thread."""

    def run(self, worker: Worker, units: Iterable[Unit]) -> Iterator[UnitResult]:
        """Explain each unit when its result is asked for."""
        return map(worker.explain, units)

    def __repr__(self) -> str:
        return "Serial()"


class Threads(Executor):
    """Explains units on several devices, with a thread and a worker for each.

    Args:
        devices: The devices; a device may be named several times.
    """

    def __init__(self, devices: Sequence[torch.device | None]) -> None:
        self.devices = devices
        self.n_units = len(devices)

    def __repr__(self) -> str:
        return f"Threads({', '.join(str(device or 'own') for device in self.devices[:8])})"

    def run(self, worker: Worker, units: Iterable[Unit]) -> Iterator[UnitResult]:
        """Explain as many units at once as there are devices.

        Where the caller is interrupted, or a unit fails, the others stop at their next pass.
        """
        free: SimpleQueue[Worker] = SimpleQueue()
        for number, device in enumerate(self.devices):
            free.put(worker if number == 0 else worker.on(device))

        stop, waiting = worker.runner.stop, deque[Future[UnitResult]]()

        def work(unit: Unit) -> UnitResult:
            own = free.get()
            try:
                return own.explain(unit)
            except BaseException:
                stop.set()  # the others need not go on
                raise
            finally:
                free.put(own)

        with ThreadPoolExecutor(len(self.devices), OURS) as pool:
            try:
                for unit in units:
                    if len(waiting) == len(self.devices):
                        yield _result(waiting[0])
                        waiting.popleft()
                    waiting.append(pool.submit(work, unit))
                while waiting:
                    yield _result(waiting[0])
                    waiting.popleft()
            except KeyboardInterrupt:
                stop.set()
                if worker.request.partial:
                    answered()
                yield from _finished(waiting, worker.request.partial)
            finally:
                stop.set()


def executor_of(given: Executor | None, devices: Sequence[torch.device | None]) -> Executor:
    """The user's executor; where ``None``, one thread for each device."""
    if given is not None:
        return given
    return Serial() if len(devices) == 1 else Threads(devices)


def results_of(executor: Executor, worker: Worker, units: Iterable[Unit]) -> Iterator[UnitResult]:
    """Explain each unit by an executor, and yield the results in the order of the units.

    Raises:
        InputError: The executor raised an error of its own, lost a unit, or changed their order.
    """
    asked = Asked("executors", executor, "run")
    waiting: deque[Unit] = deque()

    def passing() -> Iterator[Unit]:
        for unit in units:
            waiting.append(unit)
            yield unit

    results = iter(asked(worker, passing() if asked.foreign else units))
    complete = True
    while (result := asked.call(next, results, None)) is not None:
        if asked.foreign:
            asked.expect(isinstance(result, UnitResult), result, "the results of units")
            _check_order(asked, result, waiting)
            complete = complete and result.complete
        yield result
    if waiting and complete:
        raise asked.broken("fewer results than units", "one for each, in their order")


def _check_order(asked: Asked, result: UnitResult, waiting: deque[Unit]) -> None:
    """Raise InputError where a result is not that of the first of the units that wait for one."""
    unit = waiting.popleft() if waiting else None
    wanted = [] if unit is None else list(unit.called())[: len(result.items)]
    if unit is None or list(result.items.ids) != wanted:
        raise asked.broken("results in another order than the units", "one for each, in order")
    if result.complete and len(result.items) < len(unit):
        raise asked.broken(f"results of {len(result.items)} items", f"{len(unit)}, all of a unit")


def _result(future: Future[UnitResult]) -> UnitResult:
    """Wait for a unit, and let Ctrl-C arrive meanwhile."""
    while not future.done():
        check()
        wait([future], timeout=_LOOK)
    check()
    return future.result()


def _finished(waiting: Iterable[Future[UnitResult]], partial: bool) -> Iterator[UnitResult]:
    """Yield what was finished before an interrupt, where a partial result is wanted.

    Raises:
        KeyboardInterrupt: No partial result is wanted.
        Exception: What another unit raised, which stopped all of them.
    """
    failed = [future.exception() for future in waiting]
    for error in failed:
        if error is not None and not isinstance(error, KeyboardInterrupt):
            raise error
    if not partial:
        raise KeyboardInterrupt
    for future, error in zip(waiting, failed, strict=True):
        if error is None:
            yield future.result()
