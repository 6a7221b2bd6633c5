"""The worker: explains units of items on one device."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Event
from typing import Any, TypeVar

import torch
from torch import nn

from salience.engine.batching import PredictedBatch, batches
from salience.engine.collecting.collect import collected
from salience.engine.endless import check_room
from salience.engine.preflight.diagnosis import diagnosed
from salience.engine.preflight.disproved import DisprovedError
from salience.engine.preflight.proof import Proof
from salience.engine.preflight.reference import probe_of
from salience.engine.request import Request
from salience.engine.units import Unit, UnitResult, join
from salience.errors import InputError
from salience.results.preflight import Preflight
from salience.samplers.weight_source import WeightSource
from salience.scoring.budget import Budget
from salience.scoring.runner import Runner
from salience.shown import ShortRepr
from salience.support.interrupts import answered
from salience.support.isolation import isolated
from salience.support.notices import Hearing

#: What some work returns.
Result = TypeVar("Result")


def _silent(draws: int) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class Worker(ShortRepr):
    """A request with all that computes it on one device: replica, budget and weights.

    A worker serves one thread at a time. Pickled, it is its request, and it is built anew where it
    is unpickled, on the first device of the request.

    Args:
        request: What is to be computed.
        runner: Runs the model within the budget.
        report: Called with the number of draws, summed over items, after each block.
    """

    request: Request
    runner: Runner
    report: Callable[[int], object] = _silent

    @staticmethod
    def of(
        request: Request,
        device: torch.device | None = None,
        report: Callable[[int], object] = _silent,
    ) -> Worker:
        """Build a worker.

        Args:
            request: What is to be computed.
            device: Device to run on; the request's first where ``None``.
            report: As in :class:`Worker`.

        Raises:
            InputError: The target variables do not fit the model.
        """
        settings = request.settings
        probe = probe_of(request, device or settings.devices[0])
        model = probe.model
        known = isinstance(model, nn.Module)
        n_weights = sum(p.numel() for p in model.parameters()) if known else 0
        budget = Budget(settings.max_rows, n_weights)
        runner = Runner(probe, budget, observer=Proof(request))
        return Worker(request, runner, report).having(request)

    @property
    def proof(self) -> Proof:
        """What was shown about the model."""
        assert isinstance(self.runner.observer, Proof)
        return self.runner.observer

    @property
    def stop(self) -> Event:
        """Set where all workers of the request are to end at their next pass."""
        return self.runner.stop

    @property
    def partial(self) -> bool:
        """Whether a KeyboardInterrupt ends the computation with the batches that are finished."""
        return self.request.partial

    def having(self, request: Request) -> Worker:
        """This worker for the same model, with another calculator or other verdicts."""
        model = self.runner.probe.model
        weights = request.weights if request.verdicts.samplers is not None else []
        runner = replace(
            self.runner,
            samplers=request.parameters,
            one_row_per_pass=request.verdicts.one_row_per_pass,
            calm=request.verdicts.calm,
            source=WeightSource(weights, model, request.seed) if weights else None,
        )
        self.proof.request = request
        return replace(self, request=request, runner=runner)

    def on(self, device: torch.device | None) -> Worker:
        """A further worker of the same request, on another device; both stop together."""
        other = Worker.of(self.request, device, self.report)
        return replace(other, runner=replace(other.runner, stop=self.runner.stop))

    def explain(self, unit: Unit) -> UnitResult:
        """Compute and collect the draws of the items of a unit.

        Raises:
            InputError: The model or a part does not fit the items.
            KeyboardInterrupt: The computation was interrupted; where the request is partial, only
                if no batch was finished.
        """
        with isolated(), Hearing() as hearing:
            done, preflight = self.proven(unit, lambda worker: worker._collected(unit))
        n_items = sum(len(part.items.ids) for part in done)
        notices = tuple(hearing.sentences)
        found = join(done, complete=n_items == len(unit), notices=notices)
        return replace(found, preflight=preflight)

    def lost(self, unit: Unit, reason: str) -> UnitResult:
        """Raise InputError: an explanation of all items cannot do without those of a unit."""
        first, last = unit.offset, unit.offset + len(unit) - 1
        raise InputError(
            f"the process that explained items {first} to {last} died ({reason}); explain them in "
            f"this process to see why"
        )

    def proven(self, unit: Unit, work: Callable[[Worker], Result]) -> tuple[Result, Preflight]:
        """Do some work with this worker; where its passes are not believed, in a slower way.

        Args:
            unit: The items that the work is about.
            work: Called with this worker, and again with one that goes by other verdicts.

        Raises:
            InputError: No way serves.
        """
        worker = self
        if self.proof.request.verdicts != self.request.verdicts:
            worker = self.rebuilt(self.proof.request)
        while True:
            self.proof.unit = unit
            try:
                return work(worker), self.proof.report()
            except DisprovedError as found:
                verdicts = diagnosed(found, self.proof)
            worker = worker.rebuilt(replace(worker.request, verdicts=verdicts))

    def _collected(self, unit: Unit) -> list[UnitResult]:
        done: list[UnitResult] = []
        n_items = 0
        try:
            for predicted in batches(self.runner, unit, self.request):
                part = unit.part(n_items, n_items + len(predicted))
                self._check_room(predicted, len(unit))
                done.append(collected(self.request, self.runner, predicted, part, self.report))
                n_items += len(predicted)
        except KeyboardInterrupt:
            if not self.request.partial or not done:
                raise
            answered()
        return done

    def _check_room(self, predicted: PredictedBatch, n_items: int) -> None:
        """Raise InputError where draws that are kept do not fit into memory.

        A draw of saliency is as large as the target variables; draws that are aggregated need no
        memory of their own.
        """
        if self.request.aggregator is None and self.request.calculator.needs_gradient:
            of_batch = sum(x.numel() * x.element_size() for x in predicted.x.values())
            check_room(of_batch / len(predicted), self.request.draws, n_items)

    def rebuilt(self, request: Request) -> Worker:
        """A worker for another request of the same model, with a new replica.

        Args:
            request: What is to be computed.
        """
        made, proof = Worker.of(request, self.runner.probe.device, self.report), self.proof
        proof.request = request
        runner = replace(made.runner, stop=self.runner.stop, observer=proof)
        return replace(made, runner=runner)

    def __reduce__(self) -> Any:
        return _unpickled, (self.request.pickled(),)


def _unpickled(request: bytes) -> Worker:
    return Worker.of(pickle.loads(request))
