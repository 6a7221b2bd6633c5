"""Checks of executors: every unit is explained once, in order, with the numbers of one thread."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from torch import nn

from salience.engine.executors.base import Executor, Explains, Given, Made
from salience.results.explanation import Explanation
from salience.testing.comparing import expect, same
from salience.testing.example import Example, values_of
from salience.testing.examples import examples
from salience.testing.parts.settings import pickles
from salience.testing.subject import Subject


def results_come_in_order(subject: Subject) -> None:
    """Results come in the order of the units, one for each."""
    for example in subject.examples:
        recorded = Recorded(subject.part)
        explanation = _explained(example, recorded)
        expect(
            list(explanation.ids) == list(example.unit.ids),
            f"the items of {example.name} come out as {list(explanation.ids)}; yield results in "
            f"the order of the units",
        )
        expect(
            recorded.n_results == recorded.n_taken,
            f"it gave {recorded.n_results} results for {recorded.n_taken} units",
        )


def numbers_are_those_of_one_thread(subject: Subject) -> None:
    """Results equal those of salience.Serial to the last digit, since the batches are the same."""
    for example in subject.examples:
        one, other = _explained(example, None), _explained(example, subject.part)
        expect(
            same(values_of(one), values_of(other)) and same(one.score, other.score),
            f"its numbers of {example.name} are not those of salience.Serial; explain units by "
            f"worker.explain as they are given",
        )


def lazy_units_are_taken(subject: Subject) -> None:
    """Units may come from a generator, which is read to its end."""
    for example in subject.examples:
        recorded = Recorded(subject.part)
        _explained(example, recorded)
        expect(recorded.ended, f"it left units of {example.name} unread")


def errors_arrive(subject: Subject) -> None:
    """What a unit raises is raised to the caller, and the executor can be used again."""
    example = _long()
    try:
        _explained(replace(example, model=FailingLate(example.model)), subject.part)
    except LateError:
        pass
    except Exception as error:
        raise AssertionError(
            f"an error of a unit arrives as {type(error).__name__}: {error}; let it pass"
        ) from error
    else:
        raise AssertionError("an error of a unit did not arrive")
    one, other = _explained(example, None), _explained(example, subject.part)
    expect(
        same(values_of(one), values_of(other)), "after an error of a unit its numbers are others"
    )


def interrupts_arrive(subject: Subject) -> None:
    """A KeyboardInterrupt inside a unit reaches the caller."""
    example = _long()
    stopped = replace(example, model=FailingLate(example.model, KeyboardInterrupt))
    try:
        _explained(stopped, subject.part)
    except KeyboardInterrupt:
        return
    raise AssertionError("a KeyboardInterrupt of a unit did not arrive")


def number_of_units_is_positive(subject: Subject) -> None:
    """The number of units into which data is cut is a whole number above 0."""
    number = subject.part.n_units
    expect(
        isinstance(number, int) and number >= 1,
        f"n_units is {number!r}; give a whole number from 1",
    )


#: Values above this make :class:`FailingLate` fail.
_LARGE = 40.0


class Recorded(Executor):
    """Runs an executor and counts units and results.

    Args:
        inner: The executor.
    """

    def __init__(self, inner: Executor) -> None:
        self.inner, self.n_units = inner, inner.n_units
        self.other_processes = inner.other_processes
        self.n_taken, self.n_results, self.ended = 0, 0, False

    def run(self, worker: Explains[Given, Made], units: Iterable[Given]) -> Iterator[Made]:
        """The results of the executor."""
        for result in self.inner.run(worker, self._counted(units)):
            self.n_results += 1
            yield result

    def _counted(self, units: Iterable[Given]) -> Iterator[Given]:
        for unit in units:
            self.n_taken += 1
            yield unit
        self.ended = True


class LateError(ValueError):
    """What :class:`FailingLate` raises."""


class FailingLate(nn.Module):
    """A model that fails at the item of :func:`_long` with large values.

    Args:
        model: The model.
        error: What is raised.
    """

    def __init__(self, model: Any, error: type[BaseException] = LateError) -> None:
        super().__init__()
        self.model, self.error = model, error

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the model, or fail."""
        if bool((args[0] > _LARGE).any()):
            raise self.error("this item fails")
        return self.model(*args, **kwargs)


def _long() -> Example:
    """Nine dense items; one that is not in the first batch, which preflight tries, is large."""
    example = examples()[0]
    data = example.data.repeat(2, 1)[:9]
    data[6, 0] = 2 * _LARGE
    return replace(example, data=data)


def _explained(example: Example, executor: Executor | None) -> Explanation:
    settings = {"executor": executor, "max_rows": max(2, example.smallest_budget)}
    return example.explained(settings=settings)


CHECKS = (
    results_come_in_order,
    numbers_are_those_of_one_thread,
    lazy_units_are_taken,
    errors_arrive,
    interrupts_arrive,
    number_of_units_is_positive,
    pickles,
)
