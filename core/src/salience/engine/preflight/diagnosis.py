"""Diagnosis: why rows differ from reference rows, and which slower way serves; it takes a while."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from salience.data.batch import Batch
from salience.engine.preflight.choice import turned_round
from salience.engine.preflight.disproved import DisprovedError
from salience.engine.preflight.fallbacks import keeps_state, one_by_one, without
from salience.engine.preflight.proof import Proof
from salience.engine.preflight.reference import Reference, RowResult, probe_of, row_of
from salience.engine.promises import collated
from salience.engine.request import Verdicts
from salience.errors import InputError, brief
from salience.model.checks import NotFiniteError
from salience.model.folding import NotExactError
from salience.model.outputs import Custom, Tap
from salience.results.preflight import FALLBACK, Verdict
from salience.scoring.precision import placed
from salience.scoring.runner import FinishedPass, Runner
from salience.support.notices import tell

MASKS = "masks of dropout fall on their rows"


def diagnosed(found: DisprovedError, proof: Proof) -> Verdicts:
    """The verdicts by which the computation goes on after a pass was not believed.

    Args:
        found: The pass.
        proof: Holds the request, and gets the verdict.

    Raises:
        InputError: No slower way serves.
        Exception: What the pass raised, where it would raise it in any way.
    """
    if isinstance(found.error, NotExactError):
        return without(proof, ("folding",), "more than a normalisation reads a convolution")
    if found.draws:
        return replace(proof.request.verdicts, calm=True)
    if found.done is None:
        return _Prediction(found, proof).settle()
    return _Pass(found, found.done, proof).settle()


class _Pass:
    """The diagnosis of a pass with values or gradients."""

    def __init__(self, found: DisprovedError, done: FinishedPass, proof: Proof) -> None:
        assert proof.unit is not None
        self._found, self._done, self._proof, self._unit = found, done, proof, proof.unit
        self._runner, self._weights = found.runner, found.runner.weights
        self._reference = Reference(proof.request, found.runner)
        self._judge = proof.judge(found.runner.probe, done)

    def settle(self) -> Verdicts:
        """Tell the causes apart, the cheapest way out first."""
        try:
            singles = self._singles(self._reference)
            again = self._singles(self._reference)
        except NotFiniteError:
            raise
        except Exception as error:  # the user's forward may raise anything for a single row
            raise self._not_alone(error) from error
        self._proof.tried(self._done, self._found.rows)
        if not self._same(singles, again):
            raise keeps_state()
        in_use = self._runner.probe.speedups_in_use
        apart = self._turned(self._reference, singles)
        if apart and self._packed(self._reference, singles):
            if not in_use:
                raise self._found.error or keeps_state()
            return self._without_speedups(in_use, singles)
        if self._weights is not None and self._done.rows.n_draws > 1 and self._by_draw(singles):
            verdict = Verdict("draws of weights share a pass", FALLBACK, "one draw a pass")
            self._proof.verdicts.append(verdict)
            return replace(self._proof.request.verdicts, weight_draws_per_pass=1)
        if self._runner.samplers and self._clean():
            return self._rows_alone()
        self._check_output()
        return one_by_one(self._proof, self._reads_padding(singles))

    def _singles(self, reference: Reference) -> list[RowResult]:
        return [
            reference.row(self._done, row, self._unit, self._weights) for row in self._found.rows
        ]

    def _same(self, some: Sequence[RowResult], others: Sequence[RowResult]) -> bool:
        return all(self._judge(one, other) for one, other in zip(some, others, strict=True))

    def _packed(self, reference: Reference, singles: Sequence[RowResult]) -> bool:
        """Whether all rows in one pass of a replica give what each gives alone."""
        try:
            done = reference.all_rows(self._done, self._weights)
        except Exception:  # the user's forward may raise anything for several rows
            return False
        return self._same(self._of(done), singles)

    def _turned(self, reference: Reference, singles: Sequence[RowResult]) -> bool:
        """Whether rows in another order in one pass give what each gives alone."""
        order = turned_round(self._found.rows)
        values = replace(self._done, kind="value", gradients={})
        try:
            found = reference.in_one_pass(values, order, self._weights)
        except Exception:  # the user's forward may raise anything for several rows
            return False
        known = dict(zip(self._found.rows, singles, strict=True))
        return all(
            self._judge(one, replace(known[row], gradients={}))
            for row, one in zip(order, found, strict=True)
            if row in known
        )

    def _of(self, done: FinishedPass) -> list[RowResult]:
        variables = self._reference.probe.variables
        return [row_of(done, row, variables) for row in self._found.rows]

    def _without_speedups(self, in_use: tuple[str, ...], singles: Sequence[RowResult]) -> Verdicts:
        for name in in_use:
            left = tuple(other for other in in_use if other != name)
            if not left:
                break
            reference = Reference(self._proof.request, self._runner)
            probe = probe_of(self._proof.request, self._runner.probe.device, left)
            position = int(self._done.rows.positions[0]) - self._unit.offset
            domain = self._proof.request.settings.domain
            batch = collated(domain, self._unit.samples[position : position + 1])
            probe.use_speedups(left, placed(batch, probe))
            reference.probe, reference.runner = probe, replace(reference.runner, probe=probe)
            if self._packed(reference, singles):
                return without(self._proof, (name,), "a row comes out otherwise with it")
        return without(self._proof, in_use, "a row comes out otherwise with it")

    def _by_draw(self, singles: Sequence[RowResult]) -> bool:
        """Whether each draw of weights in a pass of its own gives what each row gives alone."""
        draws = self._done.rows.draws
        assert draws is not None and self._weights is not None
        parts = []
        try:
            for draw in sorted(set(draws.tolist())):
                index = (draws == draw).nonzero()[:, 0]
                selection = self._done.rows.batch.select(index)
                axes = self._runner.axes
                x = {n: selection.take(v, axes[n]) for n, v in self._done.x.items()}
                rows = replace(self._done.rows.take(selection), draws=torch.zeros_like(index))
                stacked = {n: v[draw : draw + 1] for n, v in self._weights.stacked.items()}
                weights = replace(self._weights, stacked=stacked)
                part = self._reference.all_rows(replace(self._done, rows=rows, x=x), weights)
                parts.append((index.tolist(), part))
        except Exception:  # the user's forward may raise anything
            return False
        variables = self._reference.probe.variables
        found = [
            row_of(part, index.index(row), variables)
            for row in self._found.rows
            for index, part in parts
            if row in index
        ]
        return self._same(found, singles)

    def _clean(self) -> bool:
        """Whether rows may share a pass where no parameter sampler draws."""
        reference = Reference(self._proof.request, replace(self._runner, samplers=()))
        if self._runner.calm:
            return False
        try:
            singles = self._singles(reference)
            return self._turned(reference, singles) and self._packed(reference, singles)
        except Exception:  # the user's forward may raise anything for a single row
            return False

    def _rows_alone(self) -> Verdicts:
        self._proof.verdicts.append(Verdict(MASKS, FALLBACK, "each row runs in a pass of its own"))
        tell(
            "The rows of this model cannot be told apart in its dropout, so that each draw of each "
            "item runs in a pass of its own, which takes longer."
        )
        return replace(self._proof.request.verdicts, one_row_per_pass=True)

    def _reads_padding(self, singles: Sequence[RowResult]) -> bool:
        try:
            padded = [
                self._reference.padded_row(self._done, row, self._weights)
                for row in self._found.rows
            ]
        except Exception:  # the user's forward may raise anything
            return False
        return not self._same(padded, singles)

    def _check_output(self) -> None:
        """Raise InputError where the model keeps rows apart, but not the user's output function."""
        output, probe = self._proof.request.settings.output, self._reference.probe
        own = isinstance(output, Custom) or (isinstance(output, Tap) and output.reduce is not None)
        if not own or self._weights is not None or self._runner.samplers:
            return
        rows = self._done.rows
        try:
            packed = probe.output(rows.batch, self._done.x)
            for row in self._found.rows:
                selection = rows.batch.select(torch.tensor([row], device=rows.keys.device))
                axes = self._runner.axes
                x = {n: selection.take(v, axes[n]) for n, v in self._done.x.items()}
                single = probe.output(selection.batch(), x)
                for one, other in zip(packed, single, strict=True):
                    fits = len(one) == len(rows) and len(other) == 1
                    if not fits or not torch.allclose(one[row : row + 1], other, 1e-3, 1e-4):
                        return
        except Exception:  # the user's forward may raise anything
            return
        raise InputError(
            "the output function gives a row another value beside other rows, as one over labels "
            "of fixed length does; let it read each row of the model's output by itself, or pass "
            "output=salience.CrossEntropy(labels)"
        )

    def _not_alone(self, error: Exception) -> Exception:
        """The error where a single row cannot be run: what the pass itself raised, if it did."""
        self._check_output()
        if self._found.error is not None and not self._done.scalars.numel():
            return self._found.error
        return InputError(
            f"rows that share a pass influence each other in this model, and it cannot run a "
            f"single row ({brief(error)}); let each row of its output depend on that row alone, "
            f"such as by running statistics in batch normalisations"
        )


class _Prediction:
    """The diagnosis of a prediction that failed."""

    def __init__(self, found: DisprovedError, proof: Proof) -> None:
        assert found.batch is not None and found.error is not None and proof.unit is not None
        self._batch, self._error, self._runner = found.batch, found.error, found.runner
        self._proof, self._unit = proof, proof.unit

    def settle(self) -> Verdicts:
        """Find the way in which the prediction does not fail."""
        reference = Reference(self._proof.request, self._runner)
        in_use = self._runner.probe.speedups_in_use
        if self._runs(reference.runner, [self._batch]):
            if not in_use:
                raise self._error  # a second pass does not fail, so that packing is not the cause
            for name in in_use:
                left = tuple(other for other in in_use if other != name)
                probe = probe_of(self._proof.request, self._runner.probe.device, left)
                row = self._batch.select(torch.zeros(1, dtype=torch.int64)).batch()
                probe.use_speedups(left, placed(row, probe))
                if self._runs(replace(reference.runner, probe=probe), [self._batch]):
                    return without(self._proof, (name,), "the model fails with it")
            return without(self._proof, in_use, "the model fails with it")
        domain = self._proof.request.settings.domain
        ends = (self._unit.samples[:1], self._unit.samples[len(self._unit) - 1 :])
        separable = self._batch.n_items > 1 and self._runs(
            reference.runner, [collated(domain, one) for one in ends]
        )
        if not separable:
            raise self._error
        return one_by_one(self._proof, padding=False)

    def _runs(self, runner: Runner, batches: Sequence[Batch]) -> bool:
        try:
            for batch in batches:
                runner.predict(placed(batch, runner.probe), graph=False)
        except Exception:  # the user's forward may raise anything
            return False
        return True
