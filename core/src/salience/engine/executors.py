"""Executors: who explains the units of a request, one after the other or side by side."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Event
from typing import Any, Protocol, Self, TypeVar

import torch

from salience.engine.settings import devices_of
from salience.engine.units import Unit, UnitResult
from salience.engine.worker import Worker
from salience.errors import InputError, brief
from salience.plugins.faults import Asked
from salience.plugins.parts import make
from salience.support.interrupts import answered, check
from salience.support.isolation import OURS

# Seconds between two looks whether Ctrl-C was pressed.
_LOOK = 0.02

#: What is explained: items that were read (:class:`Unit`), or a range of a data set.
UnitT = TypeVar("UnitT", contravariant=True)
#: What comes of it: the results of the items, or a report that they were written.
ResultT = TypeVar("ResultT", covariant=True)
Given = TypeVar("Given")
Made = TypeVar("Made")


class Explains(Protocol[UnitT, ResultT]):
    """What an executor is handed: a :class:`Worker`, or one that writes units of a data set.

    It serves one thread at a time, and pickles: it is built anew where it is unpickled.
    """

    @property
    def stop(self) -> Event:
        """Set by an executor so that all workers end at their next pass."""

    @property
    def partial(self) -> bool:
        """Whether a KeyboardInterrupt ends the computation with what is finished by then."""

    def explain(self, unit: UnitT) -> ResultT:
        """Explain a unit."""

    def on(self, device: torch.device | None) -> Self:
        """A further worker of the same request, on another device; both stop together."""

    def lost(self, unit: UnitT, reason: str) -> ResultT:
        """The result of a unit whose process died.

        Args:
            unit: The unit.
            reason: How the process ended.

        Raises:
            InputError: There is no result without that unit.
        """


class Executor(ABC):
    """Maps the units of a request to their results.

    The numbers do not depend on the executor: a draw depends only on the seed, the item and the
    number of the draw. With a fixed ``max_rows`` not even their rounding does, as long as torch
    uses the same number of threads.
    """

    #: Number of units into which a data set is cut that is explained at once.
    n_units: int = 1
    #: Whether units are explained in other processes, which are sent the worker.
    other_processes: bool = False

    @abstractmethod
    def run(self, worker: Explains[Given, Made], units: Iterable[Given]) -> Iterator[Made]:
        """Explain each unit.

        Args:
            worker: Explains a unit by its method ``explain``. Its method ``on`` makes a further
                worker on another device; a pickled worker is built anew in another process. Where
                the process that explains a unit dies, ``lost`` gives the result; whoever called
                decides whether to try the unit again.
            units: The units, which may be made lazily and pickle.

        Yields:
            The result of each unit, in the order of the units.

        Ctrl-C arrives at once in an executor of another author's, and where our own code runs, at
        the next pass.
        """


@dataclass(frozen=True)
class Serial(Executor):
    """Explains the units one after the other in the calling thread."""

    def run(self, worker: Explains[Given, Made], units: Iterable[Given]) -> Iterator[Made]:
        """Explain each unit when its result is asked for."""
        return map(worker.explain, units)


@dataclass(frozen=True, repr=False)
class Threads(Executor):
    """Explains units on several devices, with a thread and a worker for each.

    Args:
        devices: The devices, by name or as objects; a device may be named several times, and
            ``None`` among them is the model's own. Where none are given, all GPUs of the machine.

    Raises:
        InputError: A device cannot be used.
    """

    devices: Sequence[Any] | None = None

    def __post_init__(self) -> None:
        given = self.devices
        if given is None:
            given = range(torch.cuda.device_count()) or (None,)
        devices = tuple(None if device is None else devices_of(device)[0] for device in given)
        object.__setattr__(self, "devices", devices)

    @property
    def each(self) -> Sequence[torch.device | None]:
        """The device of each thread."""
        return self.devices or (None,)

    @property
    def n_units(self) -> int:  # type: ignore[override]
        """Number of units into which a data set is cut that is explained at once."""
        return len(self.each)

    def __repr__(self) -> str:
        return f"Threads({', '.join(str(device or 'own') for device in self.each[:8])})"

    def run(self, worker: Explains[Given, Made], units: Iterable[Given]) -> Iterator[Made]:
        """Explain as many units at once as there are devices.

        Where the caller is interrupted, or a unit fails, the others stop at their next pass.
        """
        free: SimpleQueue[Explains[Given, Made]] = SimpleQueue()
        for number, device in enumerate(self.each):
            free.put(worker.on(device) if number or device is not None else worker)

        stop, waiting = worker.stop, deque[Future[Made]]()

        def work(unit: Given) -> Made:
            own = free.get()
            try:
                return own.explain(unit)
            except BaseException:
                stop.set()  # the others need not go on
                raise
            finally:
                free.put(own)

        with ThreadPoolExecutor(self.n_units, OURS) as pool:
            try:
                for unit in units:
                    if len(waiting) == self.n_units:
                        yield _result(waiting[0])
                        waiting.popleft()
                    waiting.append(pool.submit(work, unit))
                while waiting:
                    yield _result(waiting[0])
                    waiting.popleft()
            except KeyboardInterrupt:
                stop.set()
                if worker.partial:
                    answered()
                yield from _finished(waiting, worker.partial)
            finally:
                stop.set()


def make_executor(spec: Any) -> Executor:
    """Make an executor from a name, config mapping or object.

    Raises:
        InputError: There is no such executor.
    """
    made = make("executors", spec)
    if not isinstance(made, Executor):
        raise InputError(f"executor is {brief(made)}; pass an executor's name or object")
    return made


def executor_of(given: Executor | None, devices: Sequence[torch.device | None]) -> Executor:
    """The user's executor; where ``None``, one thread for each device."""
    if given is not None:
        return given
    # The worker that executors are handed is on the first device already.
    return Serial() if len(devices) == 1 else Threads((None, *devices[1:]))


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


def _result(future: Future[Made]) -> Made:
    """Wait for a unit, and let Ctrl-C arrive meanwhile."""
    while not future.done():
        check()
        wait([future], timeout=_LOOK)
    check()
    return future.result()


def _finished(waiting: Iterable[Future[Made]], partial: bool) -> Iterator[Made]:
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
