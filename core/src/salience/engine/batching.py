"""Batching: from samples to batches within the budget, and their predictions."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from salience.data.batch import Batch
from salience.data.views import RowView
from salience.engine.promises import collated, sizes_of
from salience.engine.request import Request
from salience.engine.units import Unit
from salience.errors import InputError
from salience.model.checks import NotFiniteError
from salience.model.probe import Values
from salience.model.targets import Variable, view_of
from salience.scoring.budget import Budget, fitting
from salience.scoring.precision import placed
from salience.scoring.reusable import ReusablePass
from salience.scoring.rows import Rows
from salience.scoring.runner import FinishedPass, Runner
from salience.shown import ShortRepr
from salience.support.memory import elapsed, out_of_memory, too_large
from salience.support.numerics import all_finite


@dataclass(frozen=True)
class PredictedBatch(ShortRepr):
    """A batch of B items, or a selection from it, with the results of the pass that predicted it.

    Args:
        rows: The items; their keys are those of the items alone.
        variables: The target variables.
        x: Target variable → its values for the clean items.
        prediction: The model's output for all the items of the predicted batch, also after
            :meth:`select`; f(x) where the output is not a tensor with first axis B.
        score: f(x) of each item, shape (B,); 0 for items that are not explained.
        reusable: The forward pass that predicted the batch, with its graph where it was kept;
            ``None`` after :meth:`select`.
    """

    rows: Rows
    variables: tuple[Variable, ...]
    x: Values
    prediction: Any
    score: Tensor
    reusable: ReusablePass | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def view(self, name: str) -> RowView:
        """How the axes of a target variable hang together with the items."""
        return view_of(self.variables, name, self.rows.batch)

    def select(self, items: Tensor) -> PredictedBatch:
        """Select items by their index in this batch, int64 of shape (R,)."""
        selection = self.rows.batch.select(items)
        return replace(
            self,
            rows=self.rows.take(selection),
            x={v.name: selection.take(self.x[v.name], v.axes) for v in self.variables},
            score=self.score[items],
            reusable=None,
        )


def batches(runner: Runner, unit: Unit, request: Request) -> Iterator[PredictedBatch]:
    """Collate the items of a unit into batches within the budget and predict each.

    Args:
        runner: Runs the model; its budget adapts to the items.
        unit: The items, which are explained.
        request: Whether the graph of the prediction can serve the gradient.

    Yields:
        Batches of consecutive items.

    Raises:
        InputError: The model or the output variable does not fit the items, a value is not finite,
            or a single item exceeds the budget or the memory.
    """
    # Without samplers, the gradient at x is taken by the graph of this pass, which saves a pass.
    graph = request.calculator.gradient_at_x and not request.samplers
    return _predicted(runner, unit, request, graph=graph, explained=True)


def unexplained(runner: Runner, unit: Unit, request: Request) -> Iterator[PredictedBatch]:
    """As :func:`batches`, for items that are only read, such as those whose mean is a baseline.

    The output variable is not read: it may need labels, which only the explained items have.
    """
    return _predicted(runner, unit, request, graph=False, explained=False)


def sample_row(runner: Runner, unit: Unit, request: Request) -> tuple[Batch, Unit]:
    """A single item on the runner's device, and its unit.

    It is the largest item where items are ragged, since a large item shows best what counts its
    elements; otherwise the first, as it lies in the first batch, padding included.
    """
    domain, probe = request.settings.domain, runner.probe
    if domain.layout.elements:
        sizes = sizes_of(domain, unit.samples)
        at = sizes.index(max(sizes))
        batch = collated(domain, unit.samples[at : at + 1])
    else:
        at, (_, _, full) = 0, next(_collated(runner, unit, request))
        batch = full.select(torch.zeros(1, dtype=torch.int64)).batch()
    return placed(batch, probe), unit.part(at, at + 1)


def predict_row(runner: Runner, row: Batch, unit: Unit) -> PredictedBatch:
    """Predict what :func:`sample_row` returned."""
    return _predict(runner, row, unit, graph=False, explained=True)


def _predicted(
    runner: Runner, unit: Unit, request: Request, *, graph: bool, explained: bool
) -> Iterator[PredictedBatch]:
    done = 0
    while done < len(unit):
        for start, stop, batch in _collated(runner, unit.part(done, len(unit)), request):
            runner.check_stop()
            _settle_speedups(runner, batch, request)
            part = unit.part(done + start, done + stop)
            try:
                predicted = _predict(runner, batch, part, graph=graph, explained=explained)
            except RuntimeError as error:
                if not out_of_memory(error):
                    raise
                if stop - start == 1:
                    raise too_large(batch.size()) from error
                runner.budget.halve()
                done += start
                break
            yield predicted
        else:
            return


def _collated(runner: Runner, unit: Unit, request: Request) -> Iterator[tuple[int, int, Batch]]:
    """Yield the first and the last index (exclusive) of each batch, and the batch."""
    domain, budget, sizes = request.settings.domain, runner.budget, None
    if domain.layout.elements:
        sizes = sizes_of(domain, unit.samples)
        _check_sizes(sizes, budget, unit.offset)
        budget.begin(sum(sizes) / len(sizes))
    start = 0
    while start < len(unit):
        stop = fitting(start, len(unit), sizes, budget.current)
        if request.verdicts.one_item_per_batch:
            stop = start + 1
        batch = collated(domain, unit.samples[start:stop])
        widened = sizes is None and budget.widen(batch.numbers() // batch.n_items)
        if widened and not request.verdicts.one_item_per_batch:
            continue
        yield start, stop, batch
        start = stop


def _settle_speedups(runner: Runner, batch: Batch, request: Request) -> None:
    probe = runner.probe
    if not probe.speedups_settled:
        row = batch.select(torch.zeros(1, dtype=torch.int64)).batch()
        probe.use_speedups(request.verdicts.speedups, placed(row, probe))


def _predict(
    runner: Runner, batch: Batch, unit: Unit, *, graph: bool, explained: bool
) -> PredictedBatch:
    probe = runner.probe
    batch = placed(batch, probe)
    positions = torch.arange(unit.offset, unit.offset + len(unit), device=probe.device)
    began = time.perf_counter()
    try:
        x, output, leaves = _run(runner, batch, graph)
        fixed, score = None, torch.zeros(batch.n_items)
        if explained:
            fixed = probe.fix(_detached(output), positions)
            with torch.set_grad_enabled(graph):
                score = probe.read(output, fixed, batch.n_items)
        if not all_finite(score):
            raise NotFiniteError("the model's output", int((~score.isfinite()).nonzero()[0, 0]))
    except NotFiniteError as error:
        raise NotFiniteError(error.what, unit.offset + error.item) from None
    seconds = elapsed(began, probe.device)
    leaves = {name: leaves[name] for name in x} if score.requires_grad else {}
    output = _detached(output)
    rows = Rows(
        batch.without([v.argument for v in probe.variables if v.argument is not None]),
        items=torch.arange(batch.n_items, device=batch.device),
        positions=positions,
        keys=unit.keys().to(batch.device),
        fixed=fixed,
    )
    if runner.observer is not None:
        runner.observer.predicted(rows, output)
        if explained and not graph:  # with a graph it is shown as the pass of the gradient
            done = FinishedPass("value", rows, x, scalars=score.detach(), gradients={})
            runner.observer.scored(runner, done)
    return PredictedBatch(
        rows,
        variables=probe.variables,
        x=x,
        prediction=output if _has_items(output, score) else score.detach(),
        score=score.detach(),
        reusable=ReusablePass(score, leaves=leaves, seconds=seconds, start=x),
    )


def _run(runner: Runner, batch: Batch, graph: bool) -> tuple[Values, Any, Values]:
    observer = runner.observer
    if observer is None:
        return runner.predict(batch, graph)
    with observer.watching_draws(runner, lambda: runner.predict(batch, False)[1]) as take:
        try:
            found = runner.predict(batch, graph)
        except Exception as error:  # the user's forward may raise anything
            if not isinstance(error, NotFiniteError) and not out_of_memory(error):
                observer.failed_prediction(runner, batch, error)
            raise
        take(_detached(found[1]))
    return found


def _has_items(output: Any, score: Tensor) -> bool:
    return isinstance(output, Tensor) and output.shape[:1] == score.shape


def _detached(output: Any) -> Any:
    return tree_map(lambda part: part.detach() if isinstance(part, Tensor) else part, output)


def _check_sizes(sizes: list[int], budget: Budget, offset: int) -> None:
    if not budget.fixed:
        return
    for item, size in enumerate(sizes):
        if size > budget.current:
            raise InputError(
                f"item {offset + item} has {size} elements, more than max_rows={budget.current} "
                f"allows in one forward pass; raise max_rows to {size} or more, or leave the item "
                f"out"
            )
