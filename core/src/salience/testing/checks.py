"""The checks of each kind of part, and which kind a part is of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from salience.aggregators.base import Aggregator
from salience.calculators.base import Calculator
from salience.data.domain import Domain
from salience.engine.executors.base import Executor
from salience.errors import InputError, brief
from salience.samplers.base import NoiseSampler, ParameterSampler, WeightSampler
from salience.testing.comparing import NotTestedError
from salience.testing.domains import layout, models, padding, pictures, reading, rows, saving
from salience.testing.parts import (
    aggregators,
    calculators,
    executors,
    noise,
    parameters,
    settings,
    visualizers,
    weights,
)
from salience.testing.subject import Subject
from salience.visualize.visualizer import Visualizer

#: The page that has a section for each check, under the name of the check.
PAGE = "docs/conformance.md"

Function = Callable[[Subject], None]

#: Base class of a kind of part → its checks.
KINDS: dict[type, tuple[Function, ...]] = {
    Domain: (
        *settings.CHECKS,
        *layout.CHECKS,
        *reading.CHECKS,
        *rows.CHECKS,
        *padding.CHECKS,
        *saving.CHECKS,
        *models.CHECKS,
        *pictures.CHECKS,
    ),
    Calculator: (*settings.CHECKS, *calculators.CHECKS),
    NoiseSampler: (*settings.CHECKS, *noise.CHECKS),
    ParameterSampler: (*settings.CHECKS, *parameters.CHECKS),
    WeightSampler: (*settings.CHECKS, *weights.CHECKS),
    Aggregator: (*settings.CHECKS, *aggregators.CHECKS),
    Visualizer: (*settings.CHECKS, *visualizers.CHECKS),
    Executor: executors.CHECKS,
}


@dataclass(frozen=True)
class Check:
    """One check of a part; calling it makes the check, as a test of pytest.

    Args:
        function: The check.
        subject: The part, and what it is tried on.
    """

    function: Function
    subject: Subject

    @property
    def name(self) -> str:
        """Name of the check, and of its section in :data:`PAGE`."""
        return self.function.__name__

    def run(self) -> None:
        """Make the check.

        Raises:
            AssertionError: The part breaks a promise; the message says which, and where.
            NotTestedError: What was given does not suffice for the check.
        """
        part = type(self.subject.part).__name__
        page = f"see {PAGE}#{self.name}"
        try:
            self.function(self.subject)
        except NotTestedError:
            raise
        except AssertionError as error:
            broken = str(error) or "it failed an assertion of its own"
            raise AssertionError(f"{part}: {broken}; {page}") from error
        except Exception as error:
            raised = f"{type(error).__name__}: {brief(error, 300)}"
            raise AssertionError(f"{part} raised {raised}; {page}") from error

    def __call__(self) -> None:
        """Make the check; where what was given does not suffice, pytest skips it and says why."""
        try:
            self.run()
        except NotTestedError as reason:
            import pytest

            pytest.skip(f"{self.name} is not tested: {reason}")


def checks_of(subject: Subject) -> Sequence[Check]:
    """The checks of a part.

    Raises:
        InputError: The part is of no kind that is checked.
    """
    for kind, functions in KINDS.items():
        if isinstance(subject.part, kind):
            return [Check(function, subject) for function in functions]
    known = ", ".join(kind.__name__ for kind in KINDS)
    raise InputError(
        f"{brief(subject.part)} is no part that can be checked; pass an object of a subclass of "
        f"{known}"
    )


def has_examples(part: Any) -> bool:
    """Whether the kit has examples of its own for a part."""
    return not isinstance(part, Domain | Visualizer)
