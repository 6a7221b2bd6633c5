"""The proof: rows of the first passes equal reference rows, or the pass is not believed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from salience.data.batch import Batch
from salience.engine.preflight.attribution import attributed, drawing
from salience.engine.preflight.choice import (
    chosen_rows,
    same_output,
    same_slope,
    sizes_differ,
    tolerances,
    turned_round,
)
from salience.engine.preflight.disproved import DisprovedError
from salience.engine.preflight.reference import Reference, RowResult, row_of
from salience.engine.request import Request
from salience.engine.units import Unit
from salience.errors import InputError
from salience.model.backward import NoPathError
from salience.model.checks import NotFiniteError
from salience.model.folding import NotExactError
from salience.model.probe import Probe
from salience.results.preflight import HOLDS, Preflight, Verdict, worst
from salience.scoring.rows import Rows
from salience.scoring.runner import FinishedPass, Runner
from salience.support.isolation import differing, generator_states
from salience.support.numerics import close

DRAWS = "the model draws no random numbers of its own"
ROWS = "rows that share a pass do not influence each other"
# So often a model that draws predicts again, before what it draws is said to have no effect.
_TIMES = 16
_SHOWN = "rows of the first pass equal rows run alone by a pristine replica"


@dataclass
class Proof:
    """What a worker has shown about its model; the observer of its runner.

    Args:
        request: What is computed.
        verdicts: What was found out so far.
        unit: The items that are being explained.
        items: Ids of the items that were tried.
    """

    request: Request
    verdicts: list[Verdict] = field(default_factory=list)
    unit: Unit | None = None
    items: list[int | str] = field(default_factory=list)
    _proven: set[tuple[str, tuple[str, ...]]] = field(default_factory=set)
    _scored: set[tuple[tuple[str, ...], bool]] = field(default_factory=set)
    _mixed: bool = False
    _watched: bool = False
    _batch: tuple[Rows, Any] | None = None

    def report(self) -> Preflight:
        """The verdicts so far."""
        return Preflight(worst(self.verdicts), tuple(self.items))

    def predicted(self, rows: Rows, prediction: Any) -> None:
        """Take note of the batch that was predicted last."""
        self._batch = rows, prediction

    @contextmanager
    def watching_draws(
        self, runner: Runner, again: Callable[[], Any]
    ) -> Iterator[Callable[[Any], None]]:
        """See by the random generators whether the first pass inside the context draws.

        Args:
            runner: Runs the pass.
            again: Runs the pass again and returns the model's output.

        Yields:
            Takes the model's output.

        Raises:
            InputError: The model draws.
        """
        outputs: list[Any] = []
        if self._watched:
            yield outputs.append
            return
        before = generator_states()
        yield outputs.append
        self._watched = True
        moved = differing(before, generator_states())
        # A discrete draw, such as one of two branches, is often the same twice.
        if not moved or (
            same_output(outputs[0], attributed(moved, again))
            and all(same_output(outputs[0], again()) for _ in range(_TIMES))
        ):
            self.verdicts.append(Verdict(DRAWS, HOLDS, "shown by the state of the generators"))
            return
        if self.request.parameters and not self.request.verdicts.calm:
            self._watched = False
            raise DisprovedError(runner, None, draws=True)
        raise drawing(bool(self.request.parameters))

    def passed(self, runner: Runner, done: FinishedPass) -> None:
        """Compare rows of a pass with reference rows, where that shows something new.

        Raises:
            DisprovedError: They differ.
        """
        number = self._wanted(runner, done)
        if not number:
            return
        chosen = chosen_rows(done.rows, number)
        assert self.unit is not None
        compared = _Comparison(self, runner, done, chosen)
        if not compared.holds(number):
            raise DisprovedError(runner, done, chosen)
        self.tried(done, chosen)
        self._note(done, runner.probe.speedups_in_use)

    def scored(self, runner: Runner, done: FinishedPass) -> None:
        """Compare two rows of a prediction with themselves alone, once for each set of speed-ups.

        What rows do to each other may show at x only, and not on the way to it. What one of the two
        reads of its neighbours, such as the largest number of all, may be its own.

        Raises:
            DisprovedError: They differ.
        """
        in_use = runner.probe.speedups_in_use
        shown = in_use, sizes_differ(done.rows)
        if (len(done.rows) == 1 and not in_use) or runner.calm or shown in self._scored:
            return
        assert self.unit is not None
        undrawn, chosen = replace(runner, samplers=(), weights=None), chosen_rows(done.rows, 2)
        reference, same = Reference(self.request, undrawn), self.judge(runner.probe, done)
        for row in {chosen[0], chosen[-1]}:
            single = self._single(reference, done, row)
            if single is None:
                return  # the passes to come say why no row runs alone
            if not same(row_of(done, row, runner.probe.variables), single):
                raise DisprovedError(undrawn, done, chosen)
        self._scored.add(shown)
        self.tried(done, (chosen[0], chosen[-1]))

    def _single(self, reference: Reference, done: FinishedPass, row: int) -> RowResult | None:
        """A row of a pass alone; ``None`` where it cannot run, at a second try either."""
        assert self.unit is not None
        try:
            return reference.row(done, row, self.unit)
        except Exception as error:  # the user's forward may raise anything for a single row
            try:
                reference.row(done, row, self.unit)
            except Exception:
                return None
            raise error

    def failed(self, runner: Runner, begun: FinishedPass, error: Exception) -> None:
        """See whether a pass that failed relied on something.

        Raises:
            DisprovedError: It did.
        """
        if isinstance(error, DisprovedError | NoPathError | NotFiniteError):
            return
        if len(begun.rows) > 1 or runner.probe.speedups_in_use:
            raise DisprovedError(runner, begun, (0,), error=error) from error

    def failed_prediction(self, runner: Runner, batch: Batch, error: Exception) -> None:
        """See whether a prediction that failed relied on something; as :meth:`failed`."""
        relied = batch.n_items > 1 or bool(runner.probe.speedups_in_use)
        # An InputError without a cause tells of a target variable or a setting.
        ours = isinstance(error, InputError) and error.__cause__ is None
        if isinstance(error, NotExactError) or (relied and not ours):
            raise DisprovedError(runner, None, error=error, batch=batch) from error

    def judge(self, probe: Probe, done: FinishedPass) -> Callable[[RowResult, RowResult], bool]:
        """A function that tells whether a row equals its reference row, but for rounding.

        Args:
            probe: Ran the pass.
            done: The pass, whose results give the scale of the rounding.
        """
        scale = float(done.scalars.abs().max()) if done.scalars.numel() else 0.0
        prediction = None if self._batch is None else self._batch[1]
        if isinstance(prediction, Tensor) and prediction.is_floating_point():
            scale = max(scale, float(prediction.abs().max()))
        tolerance, slope, rounding = tolerances(probe, done.scalars)

        def same(one: RowResult, other: RowResult) -> bool:
            if one.scalar.shape != other.scalar.shape:
                return False
            if not close(one.scalar, other.scalar, tolerance, scale):
                return False
            return all(
                same_slope(gradient, other.gradients[name], slope, rounding * scale)
                for name, gradient in one.gradients.items()
            )

        return same

    def _wanted(self, runner: Runner, done: FinishedPass) -> int:
        """Number of rows of a pass to compare."""
        in_use = runner.probe.speedups_in_use
        packed = len(done.rows) > 1
        if not packed and not in_use:
            return 0
        kinds = ("gradient",) if done.kind == "gradient" else ("value", "gradient")
        known = any((kind, in_use) in self._proven for kind in kinds)
        if known and (self._mixed or not packed or not sizes_differ(done.rows)):
            return 0
        return 1 if self._proven else 2

    def tried(self, done: FinishedPass, rows: Sequence[int]) -> None:
        """Take note of the items whose rows of a pass were compared."""
        for row in rows:
            assert self.unit is not None
            tried = self.unit.ids[int(done.rows.positions[row]) - self.unit.offset]
            if tried not in self.items:
                self.items.append(tried)

    def _note(self, done: FinishedPass, in_use: tuple[str, ...]) -> None:
        self._proven.add((done.kind, in_use))
        self._mixed = self._mixed or (len(done.rows) > 1 and sizes_differ(done.rows))
        self.verdicts.append(Verdict(ROWS, HOLDS, _SHOWN))
        self.verdicts += [Verdict(f"speed-up {name}", HOLDS, _SHOWN) for name in in_use]


class _Comparison:
    """Rows of a pass and the reference rows with which they are compared."""

    def __init__(
        self, proof: Proof, runner: Runner, done: FinishedPass, chosen: Sequence[int]
    ) -> None:
        assert proof.unit is not None
        self._runner, self._done, self._chosen = runner, done, chosen
        self._unit, self._weights = proof.unit, runner.weights
        self._judge = proof.judge(runner.probe, done)
        self._reference = Reference(proof.request, runner)

    def holds(self, number: int) -> bool:
        """Whether the last row equals itself alone and, of more, two equal themselves turned round.

        Args:
            number: 1 or 2.

        Raises:
            DisprovedError: A single row cannot be run, nor rows beside others than in the pass.
        """
        last = self._chosen[-1]
        try:
            single = self._reference.row(self._done, last, self._unit, self._weights)
        except (NotFiniteError, NoPathError):
            raise
        except Exception as error:  # the user's forward may raise anything for a single row
            return self._holds_in_company(error)
        if not self._judge(self._packed(self._done, last), single):
            return False
        order = turned_round(self._chosen)
        if number == 1 or len(order) == 1 or len(self._unit) == 1:
            return True
        values = replace(self._done, kind="value", gradients={})
        found = self._reference.in_one_pass(values, order, self._weights)
        pairs = zip(order, found, strict=True)
        return all(self._judge(self._packed(values, row), other) for row, other in pairs)

    def _packed(self, done: FinishedPass, row: int) -> RowResult:
        return row_of(done, row, self._runner.probe.variables)

    def _holds_in_company(self, error: Exception) -> bool:
        """Whether rows of a model that cannot run a single row are the same beside others."""
        last = self._chosen[-1]
        try:
            self._reference.row(self._done, last, self._unit, self._weights)
        except Exception:
            order = turned_round(self._chosen)
            # Other rows in another number, so that statistics of the batch are others, too.
            order = [*order, order[-1], order[-1]]
            try:
                found = self._reference.in_one_pass(self._done, order, self._weights)
            except Exception:
                raise DisprovedError(self._runner, self._done, self._chosen, error=error) from error
            pairs = zip(order, found, strict=True)
            return all(self._judge(self._packed(self._done, row), other) for row, other in pairs)
        raise error  # a second pass does not fail, so that the row is not the cause
