"""The executor that the user chose, and its results, which are looked at where it is not ours."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Any

import torch

from salience.engine.executors.base import Executor, Explains, Given, Made
from salience.engine.executors.local import Serial, Threads
from salience.engine.units import Unit, UnitResult
from salience.engine.worker import Worker
from salience.errors import InputError, brief
from salience.plugins.faults import Asked
from salience.plugins.parts import make

#: Raises InputError where a result is not that of a unit; returns whether it is complete.
Check = Callable[[Asked, Made, Given], bool]


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


def results_of(executor: Executor, worker: Worker, units: Iterable[Unit]) -> Generator[UnitResult]:
    """Explain each unit by an executor, and yield the results in the order of the units.

    Raises:
        InputError: The executor raised an error of its own, lost a unit, or changed their order.
    """
    return in_order(executor, worker, units, _check)


def in_order(
    executor: Executor,
    worker: Explains[Given, Made],
    units: Iterable[Given],
    check: Check[Made, Given],
) -> Generator[Made]:
    """As :func:`results_of`, for units and results of any kind.

    Args:
        executor: The executor.
        worker: Explains units.
        units: The units.
        check: Looks at each result of an executor that is not core's own.
    """
    asked = Asked("executors", executor, "run")
    waiting: deque[Given] = deque()

    def passing() -> Iterator[Given]:
        for unit in units:
            waiting.append(unit)
            yield unit

    given = asked(worker, passing() if asked.foreign else units)
    complete = True
    try:
        results = iter(given)
        while (result := asked.call(next, results, None)) is not None:
            if asked.foreign:
                if not waiting:
                    raise asked.broken("more results than units", "one for each, in order")
                complete = check(asked, result, waiting.popleft()) and complete
            yield result
        if waiting and complete:
            raise asked.broken("fewer results than units", "one for each, in their order")
    finally:
        if hasattr(given, "close"):
            given.close()


def _check(asked: Asked, result: UnitResult, unit: Unit) -> bool:
    asked.expect(isinstance(result, UnitResult), result, "the results of units")
    if list(result.items.ids) != list(unit.called())[: len(result.items)]:
        raise asked.broken("results in another order than the units", "one for each, in order")
    if result.complete and len(result.items) < len(unit):
        raise asked.broken(f"results of {len(result.items)} items", f"{len(unit)}, all of a unit")
    return result.complete
