"""The pool: processes of this machine explain units, and are replaced where they die."""

from __future__ import annotations

import os
import pickle
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from typing import Any

from salience.engine.executors.base import Executor, Explains, Given, Made
from salience.engine.executors.process import DiedError, Process
from salience.errors import InputError
from salience.intake import integer
from salience.support.interrupts import check

# Seconds between two looks whether Ctrl-C was pressed.
_LOOK = 0.1
# Results that may wait for an earlier one, for each process.
_AHEAD = 8
# Processes that may die one after the other before one of them has begun.
_STILLBORN = 5


@dataclass(frozen=True)
class Pool(Executor):
    """Explains units in processes of this machine.

    Each process builds the worker once, and one that dies is replaced. The processes end with the
    one that started them, however that ends. In them the C library keeps the memory that passes
    free; see :func:`salience.tune_allocator`.

    Args:
        processes: Number of processes; one for each core that ``threads`` leave free where
            ``None``.
        threads: Number of threads of torch in each process.

    Raises:
        InputError: A number is out of range, or the system cannot hand pipes to a process.
    """

    processes: int | None = None
    threads: int = 1
    other_processes = True

    def __post_init__(self) -> None:
        if os.name != "posix":
            raise InputError(
                "the pool needs a POSIX system; pass executor='serial', or 'ray' of salience-ray"
            )
        integer(self.threads, "threads", 1)
        if self.processes is not None:
            integer(self.processes, "processes", 1)

    @property
    def n_processes(self) -> int:
        """Number of processes."""
        if self.processes is not None:
            return self.processes
        return max(1, _cores() // self.threads)

    @property
    def n_units(self) -> int:  # type: ignore[override]
        """Number of units into which a data set is cut that is explained at once."""
        return self.n_processes

    def _wants(self, n_given: int, n_done: int) -> bool:
        """Whether a further unit is to be taken: one waits for each process, some results do."""
        n_processes = self.n_processes
        return n_given < 2 * n_processes and n_given + n_done < _AHEAD * n_processes

    def run(self, worker: Explains[Given, Made], units: Iterable[Given]) -> Iterator[Made]:
        """Explain as many units at once as there are processes.

        Raises:
            InputError: The worker cannot be sent, or the processes die before they begin.
            Exception: What a unit raised.
        """
        crew = _Crew(self, pickle.dumps(worker))
        tasks = enumerate(iter(units))
        done: dict[int, Made] = {}
        given: dict[int, Given] = {}
        waiting: deque[int] = deque()
        next_one, all_given = 0, False
        try:
            while True:
                while next_one in done:
                    yield done.pop(next_one)
                    next_one += 1
                while not all_given and self._wants(len(given), len(done)):
                    number, unit = next(tasks, (-1, None))
                    if number < 0:
                        all_given = True
                        break
                    given[number] = unit  # type: ignore[assignment]
                    waiting.append(number)
                if not given and next_one not in done:
                    return
                crew.assign(waiting, given)
                for number, result, reason in crew.results():
                    unit = given.pop(number)
                    done[number] = result if reason is None else worker.lost(unit, reason)
        finally:
            crew.end()


@dataclass
class _Crew:
    """The processes of a pool while it runs.

    Args:
        pool: Its settings.
        worker: The worker, pickled.
        processes: Those that run.
        stillborn: How many died one after the other before they had begun.
    """

    pool: Pool
    worker: bytes
    processes: list[Process] = field(default_factory=list)
    stillborn: int = 0

    def assign(self, waiting: deque[int], given: dict[int, Any]) -> None:
        """Hand out units to processes that are free, and start as many as there is work for."""
        busy = [p for p in self.processes if p.unit is not None]
        wanted = min(self.pool.n_processes, len(busy) + len(waiting))
        while len(self.processes) < wanted:
            self.processes.append(Process(self.worker, self.pool.threads))
        for process in self.processes:
            if waiting and process.ready and process.unit is None:
                number = waiting.popleft()
                process.give(number, given[number])

    def results(self) -> Iterator[tuple[int, Any, str | None]]:
        """What came since the last look: number of the unit, its result, and why there is none.

        Raises:
            InputError: Processes die before they begin.
            Exception: What a unit, or the building of a worker, raised.
        """
        by_pipe = {process.pipe: process for process in self.processes}
        ready = wait(list(by_pipe), timeout=_LOOK)
        check()
        for pipe in ready:
            process = by_pipe[pipe]  # type: ignore[index]
            try:
                found = process.take()
            except DiedError as error:
                yield from self._died(process, str(error))
                continue
            self.stillborn = 0
            if found is not None:
                yield (*found, None)

    def _died(self, process: Process, reason: str) -> Iterator[tuple[int, Any, str | None]]:
        self.processes.remove(process)
        process.end()
        if process.unit is not None:
            yield process.unit, None, reason
        elif not process.ready:
            self.stillborn += 1
            if self.stillborn >= _STILLBORN:
                raise InputError(
                    f"processes of the pool die before they begin ({reason}); pass fewer "
                    f"processes, where memory is short, or executor='serial' to see why"
                )

    def end(self) -> None:
        """End all processes, and wait until they are gone."""
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.end()


def _cores() -> int:
    """Number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
