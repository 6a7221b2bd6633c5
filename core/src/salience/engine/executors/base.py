"""What an executor is, and what it is handed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from threading import Event
from typing import Protocol, Self, TypeVar

import torch

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

    def session(self) -> AbstractContextManager[object]:
        """A context in which computations share what is dear to make, such as a cluster.

        Each ``run`` makes for itself what it needs, so that nobody has to enter it.
        """
        return nullcontext()
