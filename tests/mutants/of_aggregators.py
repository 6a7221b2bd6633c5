"""Mutants of aggregators and executors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from salience import Abs, Aggregator, Executor, InputError, Raw, Unit, UnitResult, Worker

from .mutant import breaks


@dataclass(frozen=True)
class Sums:
    """Count, sum and sum of squares of draws."""

    count: int = 0
    total: Any = 0.0
    squares: Any = 0.0
    other: Any = None

    def select(self, index: Tensor) -> Sums:
        return replace(self, total=self.total[index], squares=self.squares[index])


class Plain(Aggregator):
    """Mean and standard error by sums."""

    def init(self, group: int = 1) -> Any:
        return Sums()

    def update(self, state: Any, draws: Tensor, axes: tuple[int, ...]) -> Any:
        values = self.reduce(draws, axes)
        total, squares = state.total + values.sum(0), state.squares + values.square().sum(0)
        return Sums(state.count + len(draws), total, squares)

    def merge(self, one: Any, other: Any) -> Any:
        total, squares = one.total + other.total, one.squares + other.squares
        return Sums(one.count + other.count, total, squares)

    def finalize(self, state: Any) -> tuple[Tensor, Tensor]:
        mean = state.total / state.count
        if state.count < 2:
            return mean, torch.full_like(mean, torch.nan)
        variance = (state.squares / state.count - mean.square()).clamp(min=0)
        return mean, (variance / (state.count - 1)).sqrt()


@breaks("blocks_do_not_matter", "aggregator")
@dataclass(frozen=True)
class MeanOfBlocks(Plain):
    """Averages the means of blocks"""

    def update(self, state: Any, draws: Tensor, axes: tuple[int, ...]) -> Any:
        return super().update(state, draws.mean(0, keepdim=True), axes)


@breaks("blocks_do_not_matter", "aggregator")
@dataclass(frozen=True)
class LastBlock(Plain):
    """Keeps the last block only"""

    def update(self, state: Any, draws: Tensor, axes: tuple[int, ...]) -> Any:
        return super().update(Sums(), draws, axes)


@breaks("merging_does_not_matter", "aggregator")
@dataclass(frozen=True)
class MergesOne(Plain):
    """Forgets one of two states that it merges"""

    def merge(self, one: Any, other: Any) -> Any:
        return one


@breaks("merging_does_not_matter", "aggregator")
@dataclass(frozen=True)
class MergesMeans(Plain):
    """Averages the means of two states, however many draws they have"""

    def merge(self, one: Any, other: Any) -> Any:
        if not one.count or not other.count:
            return one if one.count else other
        n = one.count + other.count
        mean = (one.total / one.count + other.total / other.count) / 2
        return Sums(n, mean * n, one.squares + other.squares)


@breaks("merging_does_not_matter", "aggregator")
@dataclass(frozen=True)
class MergesNoEmptyState(Raw):
    """Cannot merge a state without draws"""

    def merge(self, one: Any, other: Any) -> Any:
        assert one.count and other.count
        return super().merge(one, other)


@breaks("order_of_draws_does_not_matter", "aggregator")
@dataclass(frozen=True)
class WeighsByOrder(Plain):
    """Weighs later draws more"""

    def update(self, state: Any, draws: Tensor, axes: tuple[int, ...]) -> Any:
        for i in range(len(draws)):
            weighed = draws[i : i + 1] * (state.count + 1)
            state = super().update(state, weighed, axes)
        return state


@breaks("draws_are_left_unchanged", "aggregator")
@dataclass(frozen=True)
class AbsInPlace(Plain):
    """Takes magnitudes in place"""

    def transform(self, draws: Tensor) -> Tensor:
        return draws.abs_()


@breaks("states_keep_no_memory_of_draws", "aggregator")
@dataclass(frozen=True)
class KeepsViews(Aggregator):
    """Keeps draws without copying them"""

    def init(self, group: int = 1) -> Any:
        return ()

    def update(self, state: Any, draws: Tensor, axes: tuple[int, ...]) -> Any:
        return (*state, self.reduce(draws, axes))

    def merge(self, one: Any, other: Any) -> Any:
        return one + other

    def finalize(self, state: Any) -> tuple[Tensor, Tensor]:
        draws = torch.cat(state)
        return draws.mean(0), draws.std(0) / len(draws) ** 0.5


@breaks("states_are_left_unchanged", "aggregator")
@dataclass(frozen=True)
class AddsInPlace(Plain):
    """Adds to the sums of the state that it is given"""

    def merge(self, one: Any, other: Any) -> Any:
        if not one.count or not other.count:
            return one if one.count else other
        one.total.add_(other.total)
        return replace(super().merge(one, other), total=one.total)


@breaks("items_can_be_left_out", "aggregator")
@dataclass(frozen=True)
class SelectsNothing(Plain):
    """Gives the state of other items than the selected ones"""

    def update(self, state: Any, draws: Tensor, axes: tuple[int, ...]) -> Any:
        made = super().update(state, draws, axes)
        return Unselected(made.count, made.total, made.squares)


class Unselected(Sums):
    def select(self, index: Tensor) -> Sums:
        return super().select(index.flip(0))


@breaks("results_have_the_shape_of_a_draw", "aggregator")
@dataclass(frozen=True)
class SumsNoAxes(Plain):
    """Ignores the axes that are to be summed"""

    def reduce(self, draws: Tensor, axes: tuple[int, ...]) -> Tensor:
        return draws


@breaks("results_have_the_shape_of_a_draw", "aggregator")
@dataclass(frozen=True)
class OneErrorForAll(Plain):
    """Returns one error for all positions"""

    def finalize(self, state: Any) -> tuple[Tensor, Tensor]:
        values, errors = super().finalize(state)
        return values, errors.mean()


@breaks("results_have_the_dtype_of_draws", "aggregator")
@dataclass(frozen=True)
class InFloat64(Plain):
    """Returns float64 always"""

    def finalize(self, state: Any) -> tuple[Tensor, Tensor]:
        values, errors = super().finalize(state)
        return values.double(), errors.double()


@breaks("errors_are_not_negative", "aggregator")
@dataclass(frozen=True)
class NegativeErrors(Plain):
    """Returns errors below 0"""

    def finalize(self, state: Any) -> tuple[Tensor, Tensor]:
        values, errors = super().finalize(state)
        return values, -errors


@breaks("one_draw_has_no_error", "aggregator")
@dataclass(frozen=True)
class CertainOfOneDraw(Plain):
    """Says of a single draw that its error is 0"""

    def finalize(self, state: Any) -> tuple[Tensor, Tensor]:
        values, errors = super().finalize(state)
        return values, errors.nan_to_num(0.0)


@breaks("groups_are_taken_into_account", "aggregator")
@dataclass(frozen=True)
class IgnoresGroups(Raw):
    """Takes draws of antithetic pairs for independent ones"""

    def init(self, group: int = 1) -> Any:
        return super().init()


@breaks("claims_hold", "aggregator")
@dataclass(frozen=True)
class ClaimsSign(Abs):
    """Says that magnitudes keep the sign"""

    signed: ClassVar[bool] = True


@breaks("claims_hold", "aggregator")
@dataclass(frozen=True)
class ClaimsMagnitudes(Raw):
    """Says that signed means are means of magnitudes"""

    of_magnitudes: ClassVar[bool] = True


@breaks("states_pickle", "aggregator")
@dataclass(frozen=True)
class StateHoldsAFunction(Plain):
    """Keeps a function in its state"""

    def update(self, state: Any, draws: Tensor, axes: tuple[int, ...]) -> Any:
        return replace(super().update(state, draws, axes), other=lambda: None)


@breaks("draws_of_a_model_are_aggregated", "aggregator")
@dataclass(frozen=True)
class NormalisedOverItems(Plain):
    """Divides by the largest value of all the items of a batch"""

    def finalize(self, state: Any) -> tuple[Tensor, Tensor]:
        values, errors = super().finalize(state)
        largest = values.abs().max()
        return values / largest, errors / largest


@breaks("", "aggregator", reason="the kit does not know the error of what is aggregated")
@dataclass(frozen=True)
class HalfErrors(Plain):
    """Returns half the error"""

    def finalize(self, state: Any) -> tuple[Tensor, Tensor]:
        values, errors = super().finalize(state)
        return values, errors / 2


# --- Executors ------------------------------------------------------------------------------------


class Plainly(Executor):
    """Explains units one after the other."""

    n_units = 3

    def run(self, worker: Worker, units: Iterable[Unit]) -> Iterator[UnitResult]:
        return map(worker.explain, units)


@breaks("results_come_in_order", "executor")
class Backwards(Plainly):
    """Gives results in reverse order"""

    def run(self, worker: Worker, units: Iterable[Unit]) -> Iterator[UnitResult]:
        return reversed(list(super().run(worker, units)))


@breaks("results_come_in_order", "executor")
class LastUnitTwice(Plainly):
    """Gives the result of the last unit twice"""

    def run(self, worker: Worker, units: Iterable[Unit]) -> Iterator[UnitResult]:
        results = list(super().run(worker, units))
        return iter([*results, results[-1]])


@breaks("lazy_units_are_taken", "executor")
class FirstUnits(Plainly):
    """Explains the first two units only"""

    def run(self, worker: Worker, units: Iterable[Unit]) -> Iterator[UnitResult]:
        taken = iter(units)
        return map(worker.explain, [next(taken), next(taken)])


@breaks("lazy_units_are_taken", "executor")
class NeedsAList(Plainly):
    """Needs the number of units beforehand"""

    def run(self, worker: Worker, units: Iterable[Unit]) -> Iterator[UnitResult]:
        return (worker.explain(units[i]) for i in range(len(units)))  # type: ignore[index,arg-type]


@breaks("numbers_are_those_of_one_thread", "executor")
class OtherNumbers(Plainly):
    """Gives the first result for all units of its size"""

    def run(self, worker: Worker, units: Iterable[Unit]) -> Iterator[UnitResult]:
        known: dict[int, UnitResult] = {}
        for unit in units:
            result = known.setdefault(len(unit), worker.explain(unit))
            yield replace(result, items=worker.explain(unit).items)


@breaks("errors_arrive", "executor")
class SwallowsErrors(Plainly):
    """Leaves out units that fail"""

    def run(self, worker: Worker, units: Iterable[Unit]) -> Iterator[UnitResult]:
        for unit in units:
            try:
                yield worker.explain(unit)
            except ValueError:
                continue


@breaks("errors_arrive", "executor")
class RenamesErrors(Plainly):
    """Raises another error than the unit"""

    def run(self, worker: Worker, units: Iterable[Unit]) -> Iterator[UnitResult]:
        for unit in units:
            try:
                yield worker.explain(unit)
            except Exception as error:
                raise InputError("a unit failed; look at the others") from error


@breaks("interrupts_arrive", "executor")
class SwallowsInterrupts(Plainly):
    """Goes on where it is interrupted"""

    def run(self, worker: Worker, units: Iterable[Unit]) -> Iterator[UnitResult]:
        for unit in units:
            try:
                yield worker.explain(unit)
            except KeyboardInterrupt:
                continue


@breaks("number_of_units_is_positive", "executor")
class NoUnits(Plainly):
    """Cuts data into no units"""

    n_units = 0


@breaks("pickles", "executor")
class HoldsAFunction(Plainly):
    """Holds a function that cannot be sent to another process"""

    def __init__(self) -> None:
        self.report = lambda: None
