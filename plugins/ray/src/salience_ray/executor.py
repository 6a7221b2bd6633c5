"""The executor: units are tasks of Ray."""

from __future__ import annotations

import os
import pickle
import secrets
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import ray
from ray import exceptions

from salience import Executor, InputError, result_of
from salience.errors import brief
from salience_ray.cluster import Wanted, connected, room
from salience_ray.tasks import explain, pack

# Seconds between two looks whether Ctrl-C was pressed.
_LOOK = 0.1
# Seconds to wait until tasks that were cancelled have ended.
_CANCELLED = 10.0
# Units for each process: those that are handed to Ray, and those whose results wait for an earlier.
_GIVEN, _AHEAD = 2, 8
# Units into which data in memory is cut for a cluster whose size is not known yet.
_UNITS = 16

#: How a task of Ray failed → what became of its process.
_REASONS: dict[type[Exception], str] = {
    exceptions.WorkerCrashedError: "Ray lost it: it crashed or was killed",
    exceptions.NodeDiedError: "its node of the Ray cluster died",
    exceptions.OutOfMemoryError: "Ray ended it, since the memory of its node was short",
    exceptions.ObjectLostError: "its result was lost with its node of the Ray cluster",
}


@dataclass(frozen=True)
class RayExecutor(Executor):
    """Explains units as tasks of Ray, on one machine or many.

    Where no address is given, a cluster is started on this machine: without a dashboard, without
    statistics to Ray's makers, and reached through the loopback only. It ends with the computation.
    A cluster that is joined by its address, or to which the program is connected already, is left
    as it is; its nodes need the same packages, and the folder of a run.

    Each process builds the worker once. A unit whose process or node dies counts as lost, as in
    the pool, and whoever called tries it again.

    Args:
        address: Address of the cluster to join, such as ``"10.0.0.1:6379"``, or ``"auto"`` for the
            one on this machine; ``None`` to start one.
        processes: Number of processes; as many as the nodes have room for where ``None``.
        threads: Number of threads of torch in each process, and of cores that it takes.
        gpus: Number of GPUs that a process takes, which may be a part of one; a process with any
            explains on the first that it sees. Where 0, on the device of the model.

    Raises:
        InputError: A number is out of range.
    """

    address: str | None = None
    processes: int | None = None
    threads: int = 1
    gpus: float = 0
    other_processes = True

    def __post_init__(self) -> None:
        if self.address is not None and not isinstance(self.address, str):
            raise InputError(f"address is {brief(self.address)}; pass 'host:port', 'auto' or None")
        for name in ("processes", "threads"):
            given = getattr(self, name)
            if given is None and name == "processes":
                continue
            if isinstance(given, bool) or not isinstance(given, int) or given < 1:
                raise InputError(f"{name} is {brief(given)}; pass a whole number of at least 1")
        if isinstance(self.gpus, bool) or not isinstance(self.gpus, int | float) or self.gpus < 0:
            raise InputError(f"gpus is {brief(self.gpus)}; pass a number of at least 0")

    @property
    def n_units(self) -> int:  # type: ignore[override]
        """Number of units into which data in memory is cut."""
        if self.processes is not None:
            return self.processes
        return max(1, _cores() // self.threads) if self.address is None else _UNITS

    def run(self, worker: Any, units: Iterable[Any]) -> Iterator[Any]:
        """Explain as many units at once as there are processes.

        Raises:
            InputError: The cluster cannot be joined or has no room, or a worker cannot be sent or
                built.
            Exception: What a unit raised.
        """
        packed = _packed(pack, worker)
        with self.session():
            tasks = _Tasks.of(self, packed)
            try:
                yield from _explained(tasks, worker, iter(units))
            finally:
                tasks.end()

    def session(self) -> AbstractContextManager[None]:
        """A connection to the cluster, which computations share until it ends.

        Raises:
            InputError: The cluster cannot be joined or started.
        """
        cores = self.threads * (self.processes or max(1, _cores() // self.threads))
        return connected(Wanted(self.address, cores, self.threads))

    def limit(self) -> int:
        """Number of units that are handed to Ray at once.

        Raises:
            InputError: There is no room for a process.
        """
        n_processes = room(self.threads, self.gpus)
        if not n_processes:
            raise InputError(
                f"no node of the Ray cluster has the {self.threads} cores and {self.gpus} GPUs "
                f"that a process takes; pass fewer threads or gpus"
            )
        given = _GIVEN * n_processes
        return given if self.processes is None else min(given, self.processes)


@dataclass
class _Tasks:
    """The tasks of a computation.

    Args:
        remote: The function that Ray runs.
        settings: What each task gets beside its unit.
        limit: Number of tasks at once.
        running: Reference to the result of each task → number and unit.
    """

    remote: Any
    settings: tuple[Any, ...]
    limit: int
    running: dict[Any, tuple[int, Any]] = field(default_factory=dict)

    @staticmethod
    def of(executor: RayExecutor, packed: bytes) -> _Tasks:
        limit = executor.limit()
        # A process that uses a GPU would otherwise end after each task.
        each: dict[str, Any] = {"max_calls": 0, "max_retries": 0}
        remote = ray.remote(num_cpus=executor.threads, num_gpus=executor.gpus, **each)(explain)
        settings = secrets.token_hex(8), [ray.put(packed)], executor.gpus > 0
        return _Tasks(remote, settings, limit)

    def give(self, number: int, unit: Any) -> None:
        """Hand a unit to Ray.

        Raises:
            InputError: It cannot be sent.
        """
        self.running[self.remote.remote(*self.settings, _packed(pickle.dumps, unit))] = number, unit

    def results(self) -> Iterator[tuple[int, Any, bytes | None, str]]:
        """What came since the last look: number and unit, its result, or why there is none.

        Raises:
            InputError: The cluster cannot go on.
        """
        ready, _ = ray.wait(list(self.running), num_returns=1, timeout=_LOOK)
        for reference in ready:
            number, unit = self.running.pop(reference)
            try:
                yield number, unit, ray.get(reference), ""
            except tuple(_REASONS) as error:
                reason = next(text for kind, text in _REASONS.items() if isinstance(error, kind))
                yield number, unit, None, reason
            except exceptions.RayError as error:
                raise InputError(
                    f"the Ray cluster cannot run a task ({type(error).__name__}: {brief(error)}); "
                    f"see that it runs, and that its nodes have the packages of this program"
                ) from error

    def end(self) -> None:
        """End all tasks, and the processes that run them."""
        left = list(self.running)
        for reference in left:
            ray.cancel(reference, force=True)
        if left:
            ray.wait(left, num_returns=len(left), timeout=_CANCELLED, fetch_local=False)


def _explained(tasks: _Tasks, worker: Any, units: Iterator[Any]) -> Iterator[Any]:
    """Yield the results of units, in their order."""
    numbered = enumerate(units)
    done: dict[int, Any] = {}
    next_one, all_given = 0, False
    while True:
        while next_one in done:
            yield done.pop(next_one)
            next_one += 1
        while not all_given and _wants(tasks, len(done)):
            number, unit = next(numbered, (-1, None))
            all_given = number < 0
            if not all_given:
                tasks.give(number, unit)
        if not tasks.running:
            return
        for number, unit, result, reason in tasks.results():
            done[number] = worker.lost(unit, reason) if result is None else result_of(result)


def _wants(tasks: _Tasks, n_done: int) -> bool:
    """Whether a further unit is to be taken."""
    n_running = len(tasks.running)
    return n_running < tasks.limit and n_running + n_done < _AHEAD // _GIVEN * tasks.limit


def _packed(pickled: Any, given: Any) -> bytes:
    """A worker or a unit as bytes.

    Raises:
        InputError: It does not pickle.
    """
    try:
        found: bytes = pickled(given)
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"the computation cannot be sent to another process ({brief(error)}); pass files, "
            f"arrays or 'module:name' of the data, and parts that can be imported"
        ) from error
    return found


def _cores() -> int:
    """Number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
