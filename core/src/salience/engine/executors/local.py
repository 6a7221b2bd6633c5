"""Executors in this process: one thread, or one for each device."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import torch

from salience.engine.executors.base import Executor, Explains, Given, Made
from salience.engine.settings import devices_of
from salience.support.interrupts import answered, check
from salience.support.isolation import OURS

# Seconds between two looks whether Ctrl-C was pressed.
_LOOK = 0.02


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
