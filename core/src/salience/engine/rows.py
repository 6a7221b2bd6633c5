"""Rows: batches of items and blocks of draws, packed into forward passes within one budget."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from salience.calculators.base import Attribution, Calculator
from salience.data.batch import Batch, RowSelection
from salience.data.domain import Domain
from salience.data.layout import ITEM
from salience.data.padding import Padding
from salience.errors import InputError
from salience.model.checks import NotFiniteError
from salience.model.probe import Probe, Values
from salience.model.targets import Variable
from salience.samplers.base import NoiseSampler, ParameterSampler, VariableDraw
from salience.samplers.design import Draws
from salience.samplers.keyed import Numbers, row_keys
from salience.samplers.weight_source import Weights, WeightSource
from salience.scoring.budget import Budget
from salience.scoring.score import ReusablePass, Score
from salience.support.memory import elapsed, out_of_memory, too_large
from salience.support.numerics import all_finite


@dataclass(frozen=True)
class Worker:
    """Settings and state with which the engine explains items: the replica, parts and budget.

    Args:
        probe: Holds the replica of the model and runs the forward passes.
        domain: Collates the samples.
        calculator: Computes the saliency of rows.
        noise: Noise samplers, applied one after the other.
        parameters: Parameter samplers, all active in each forward pass.
        draws: Number of draws of an item, and which of them share parameters.
        seed: Seed of all draws.
        budget: Limits the size of every forward pass.
        weights: Source of drawn weights, which replace the model's own; ``None`` where the model
            keeps its own.
        one_row_per_pass: Whether each row needs a forward pass of its own.
        weight_draws_per_pass: Largest number of draws of weights in one forward pass.
    """

    probe: Probe
    domain: Domain
    calculator: Calculator
    noise: Sequence[NoiseSampler]
    parameters: Sequence[ParameterSampler]
    draws: Draws
    seed: int
    budget: Budget
    weights: WeightSource | None = None
    one_row_per_pass: bool = False
    weight_draws_per_pass: int = 1

    @property
    def deterministic(self) -> bool:
        """Whether no sampler takes part, so that neither x nor the model varies."""
        return not self.noise and not self.parameters and self.weights is None


@dataclass(frozen=True)
class PredictedBatch:
    """A batch of items, or a selection from it, with the results of the pass that predicted it.

    Args:
        batch: The collated items. Arguments that are target variables are ``None`` in it.
        positions: Position of each item in the data set, int64 of shape (B,).
        keys: Key of each item, from which the keys of its draws are made, int64 of shape (B,).
        x: Target variable → its values for the clean items.
        axes: Target variable → names of its axes.
        padding: Target variable → its real positions; padded target variables only.
        prediction: The model's output for all the items of the predicted batch, also after
            :meth:`select`; f(x) where the output is not a tensor with first axis B.
        score: f(x) of each item, shape (B,); 0 for items that are not explained.
        fixed: Values that the output variable keeps fixed, first axis B, or ``None``.
        items: Index of each item in the predicted batch, int64 of shape (B,).
        reusable: The forward pass that predicted the batch, with its graph where it was kept;
            ``None`` after :meth:`select`.
    """

    batch: Batch
    positions: Tensor
    keys: Tensor
    x: Values
    axes: dict[str, tuple[str, ...]]
    padding: dict[str, Padding]
    prediction: Any
    score: Tensor
    fixed: Tensor | None
    items: Tensor
    reusable: ReusablePass | None = None

    def select(self, items: Tensor) -> PredictedBatch:
        """Select items by their index in this batch, int64 of shape (R,)."""
        selection, own = self.batch.select(items), items.cpu()
        return PredictedBatch(
            selection.batch(),
            self.positions[own],
            self.keys[own],
            {name: selection.take(value, self.axes[name]) for name, value in self.x.items()},
            self.axes,
            {name: replace(p, mask=p.select(items)) for name, p in self.padding.items()},
            self.prediction,
            self.score[items],
            None if self.fixed is None else self.fixed[items],
            self.items[items],
        )


@dataclass(frozen=True)
class Block:
    """Results of D consecutive draws of all the items of a batch.

    Args:
        draws: Target variable → saliency, shape (D, L, …): L items, or elements or real positions
            of all the items.
        delta: f(x') − f(baseline), where x' is x after noise, shape (D, B); NaN where the
            calculator has no baseline.
        gap: |Σ saliency − delta|, shape (D, B); NaN where the calculator has no baseline.
    """

    draws: Values
    delta: Tensor
    gap: Tensor


def batches(
    worker: Worker, samples: Sequence[Any], keys: Tensor, explained: bool = True, offset: int = 0
) -> Iterator[PredictedBatch]:
    """Collate the samples into batches within the budget and predict each.

    Args:
        worker: Runs the model; its budget adapts to the items.
        samples: The samples that :meth:`Domain.read` returned, one per item.
        keys: Key of each item, from which its random numbers are made, int64 of shape (number of
            samples,).
        explained: Whether these items are explained. The output variable of other items, such as
            those whose mean is a baseline, is not read: it may need labels, which only the
            explained items have.
        offset: Position of the first item in the whole data set.

    Yields:
        Batches of consecutive items.

    Raises:
        InputError: The model or the output variable does not fit the items, a value is not finite,
            or a single item exceeds the budget or the memory.
    """
    sizes = None
    if worker.domain.layout.elements:
        sizes = [worker.domain.size(sample) for sample in samples]
        _check_sizes(sizes, worker.budget)
        worker.budget.begin(sum(sizes) / len(sizes))
    start = 0
    while start < len(samples):
        stop = _fitting(start, len(samples), sizes, worker.budget.current)
        positions = torch.arange(offset + start, offset + stop)
        batch = worker.domain.collate(samples[start:stop])
        if sizes is None and worker.budget.widen(batch.numbers() // batch.n_items):
            continue
        try:
            predicted = _predict(worker, batch, positions, keys[start:stop], explained)
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            if stop - start == 1:
                raise too_large(batch.size()) from error
            worker.budget.halve()
            continue
        yield predicted
        start = stop


def blocks(worker: Worker, predicted: PredictedBatch, start: int, stop: int) -> Iterator[Block]:
    """Compute the draws from ``start`` to ``stop`` − 1 of all the items of a batch.

    Args:
        worker: Settings and state of the computation.
        predicted: The batch.
        start: Number of the first draw.
        stop: Number of the draw after the last.

    Yields:
        Blocks of consecutive draws, each with as many draws as the budget allows.
    """
    while start < stop:
        room = max(1, worker.budget.current // max(1, predicted.batch.size()))
        count = _count(worker, start, min(room, stop - start))
        yield _block(worker, predicted, torch.arange(start, start + count))
        start += count


def _count(worker: Worker, start: int, room: int) -> int:
    """Number of draws in the next block, which starts at draw ``start``: at most ``room``.

    Where weights are drawn, a block holds whole groups of draws that share their weights, at most
    ``weight_draws_per_pass`` groups, or draws of a single group.
    """
    if worker.weights is None:
        return room
    group = worker.draws.group
    done = start % group
    if done or room < group:
        return min(room, group - done)
    return min(room // group, worker.weight_draws_per_pass) * group


def _block(worker: Worker, predicted: PredictedBatch, draws: Tensor) -> Block:
    copies = predicted.batch.repeat(len(draws))
    score, x = _rows(worker, predicted, draws, copies)
    result = worker.calculator(score, x)
    saliency = {name: result.saliency[name] for name in x}
    for name, padding in predicted.padding.items():
        saliency[name] = saliency[name] * padding.select(copies.rows)
    delta, gap = _completeness(result, saliency, score)
    shape = (len(draws), len(predicted.positions))
    by_draw = {n: _by_draw(v, predicted, n, len(draws)) for n, v in saliency.items()}
    return Block(by_draw, delta.reshape(shape), gap.reshape(shape))


def _rows(
    worker: Worker, predicted: PredictedBatch, draws: Tensor, copies: RowSelection
) -> tuple[Score, Values]:
    """Make the rows of a block: draws of all the items of a batch.

    Args:
        worker: Settings and state of the computation.
        predicted: The batch of B items.
        draws: Number of each draw, int64 of shape (D,).
        copies: The items selected once for each draw: R = D · B rows.

    Returns:
        Two results: the score of the rows; target variable → its values in the rows, after noise.
    """
    if worker.deterministic:
        return score_of(worker, predicted, copies, None)
    device, outer = predicted.batch.device, draws // worker.draws.group
    keys = row_keys(worker.seed, predicted.keys, outer).to(device)
    score, x = score_of(worker, predicted, copies, keys, outer)
    rows = score.batch.all_rows()
    masks = {name: padding.select(copies.rows) for name, padding in predicted.padding.items()}
    for i, sampler in enumerate(worker.noise):
        numbered, sign = draws, None
        if sampler.antithetic:
            numbered = draws // 2
            sign = (1 - 2 * (draws % 2)).repeat_interleave(len(predicted.keys)).to(device)
        own = row_keys(worker.seed, predicted.keys, numbered).to(device)
        for j, (name, value) in enumerate(x.items()):
            # Noise has negative stream numbers. Dropout calls have those from 1 up, so noise and
            # dropout never get the same random numbers.
            stream, axes = -1 - (i * len(x) + j), score.axes[name]
            numbers = Numbers(own, rows, axes, tuple(value.shape), stream)
            turned = None if sign is None else rows.expand(sign, axes)
            x[name] = sampler(value, VariableDraw(numbers, masks.get(name), turned))
    return score, x


def _predict(
    worker: Worker, batch: Batch, positions: Tensor, keys: Tensor, explained: bool
) -> PredictedBatch:
    probe = worker.probe
    batch = batch.to(probe.device, probe.dtype)
    # Without samplers, the gradient at x is taken by the graph of this pass, which saves a pass.
    graph = explained and worker.calculator.gradient_at_x and worker.deterministic
    began = time.perf_counter()
    try:
        x, output, leaves = probe.predict(batch, graph)
        fixed, score = None, torch.zeros(batch.n_items)
        if explained:
            fixed = probe.fix(_detached(output), positions.to(probe.device))
            with torch.set_grad_enabled(graph):
                score = probe.read(output, fixed, batch.n_items)
        if not all_finite(score):
            raise NotFiniteError("the model's output", int((~score.isfinite()).nonzero()[0, 0]))
    except NotFiniteError as error:
        raise NotFiniteError(error.what, int(positions[error.item])) from None
    seconds = elapsed(began, probe.device)
    output = _detached(output)
    return PredictedBatch(
        batch.without([v.argument for v in probe.variables if v.argument is not None]),
        positions,
        keys,
        x,
        {v.name: v.axes for v in probe.variables},
        _paddings(probe.variables, batch),
        output if isinstance(output, Tensor) and output.shape[:1] == score.shape else score,
        score.detach(),
        fixed,
        torch.arange(batch.n_items, device=batch.device),
        ReusablePass(
            score, {name: leaves[name] for name in x} if score.requires_grad else {}, seconds
        ),
    )


def _paddings(variables: Sequence[Variable], batch: Batch) -> dict[str, Padding]:
    """Target variable → its real positions; padded target variables only."""
    found = {v.name: Padding.of(v.axes, v.mask, batch) for v in variables}
    return {name: padding for name, padding in found.items() if padding is not None}


def _detached(output: Any) -> Any:
    return tree_map(lambda part: part.detach() if isinstance(part, Tensor) else part, output)


def score_of(
    worker: Worker,
    predicted: PredictedBatch,
    selection: RowSelection,
    keys: Tensor | None,
    draws: Tensor | None = None,
) -> tuple[Score, Values]:
    """Make the score of R rows, and the values of the target variables before noise.

    Args:
        worker: Settings and state of the computation.
        predicted: The batch of items.
        selection: The rows: all the items in order, once for each of D draws.
        keys: Key of each row's draw, int64 of shape (R,); ``None`` where neither noise nor a
            parameter sampler needs keys.
        draws: Number of the parameters' draw that each of the D draws has, in ascending order,
            int64 of shape (D,); where ``None``, the rows run with the model's own weights.

    Returns:
        Two results: the score; target variable → its values in the rows. These are the clean values
        or, for target variables inside a model with drawn weights, the values that the drawn
        weights give.
    """
    x = {n: selection.take(value, predicted.axes[n]) for n, value in predicted.x.items()}
    if selection.is_identity:
        # A calculator or sampler of a plugin may write to these tensors in place.
        x = {name: value.clone() for name, value in x.items()}
    score = Score(
        worker.probe,
        selection.batch(),
        keys,
        predicted.positions.to(selection.rows.device)[selection.rows],
        None if predicted.fixed is None else predicted.fixed[selection.rows],
        worker.parameters,
        worker.budget,
        worker.one_row_per_pass,
        predicted.items[selection.rows],
        predicted.reusable if selection.is_identity and worker.deterministic else None,
        dict(x),
    )
    if worker.weights is None or draws is None:
        return score, x
    weights = worker.weights.draw(range(int(draws[0]), int(draws[-1]) + 1))
    each = (draws - draws[0]).repeat_interleave(len(predicted.keys)).to(selection.rows.device)
    if worker.probe.has_inner_targets:
        x = _moved(worker, predicted, selection, weights, each)
    return replace(score, weights=weights, draws=each), x


def _moved(
    worker: Worker,
    predicted: PredictedBatch,
    selection: RowSelection,
    weights: Weights,
    draws: Tensor,
) -> Values:
    """The values that target variables take in each row with the weights of the row's draw.

    Args:
        worker: Runs the model.
        predicted: The batch of B items.
        selection: The R rows, selected from the batch.
        weights: The draws of weights.
        draws: Index in ``weights`` of each row's draw, int64 of shape (R,).
    """
    own = {
        v.argument: predicted.x[v.name] for v in worker.probe.variables if v.argument is not None
    }
    full = replace(predicted.batch, arguments={**predicted.batch.arguments, **own})
    moved = worker.probe.values_with_weights(full, weights[:])
    rows = (
        predicted.batch.repeat(int(draws[-1]) + 1)
        .batch()
        .select(draws * len(predicted.keys) + selection.rows)
    )
    return {name: rows.take(value, predicted.axes[name]) for name, value in moved.items()}


def _completeness(result: Attribution, saliency: Values, score: Score) -> tuple[Tensor, Tensor]:
    if result.baseline_score is None:
        nothing = torch.full_like(result.score, torch.nan)
        return nothing, nothing
    delta = result.score - result.baseline_score
    rows = score.batch.all_rows()
    total = sum(rows.sum(values, score.axes[name]) for name, values in saliency.items())
    return delta, (total - delta).abs()


def _by_draw(values: Tensor, predicted: PredictedBatch, name: str, n_draws: int) -> Tensor:
    """Reshape values of D × B rows, draw by draw, to shape (D, L, …), without padded positions."""
    row_axis = predicted.batch.layout.row_axis(predicted.axes[name])
    assert row_axis is not None
    values = values.movedim(row_axis[0], 0)
    values = values.reshape(n_draws, -1, *values.shape[1:])
    padding = predicted.padding.get(name)
    return values if padding is None else padding.real(values)


def _check_sizes(sizes: list[int], budget: Budget) -> None:
    if not budget.fixed:
        return
    for item, size in enumerate(sizes):
        if size > budget.current:
            raise InputError(
                f"item {item} has {size} elements, more than max_rows={budget.current} allows in "
                f"one forward pass; raise max_rows to {size} or more, or leave the item out"
            )


def _fitting(start: int, end: int, sizes: list[int] | None, room: int) -> int:
    """End (exclusive) of the longest run of items that fits into one pass; at least one item.

    Args:
        start: Index of the first item of the run.
        end: Number of items in all.
        sizes: Size of each item; 1 for each where ``None``.
        room: Largest sum of the sizes.
    """
    if sizes is None:
        return min(start + room, end)
    stop, held = start, 0
    while stop < end and (stop == start or held + sizes[stop] <= room):
        held += sizes[stop]
        stop += 1
    return stop


def counts(predicted: PredictedBatch, name: str) -> Tensor | None:
    """Number of elements or real positions of each item in a target variable.

    Returns:
        An int64 tensor of shape (B,) on the CPU; ``None`` where the target variable counts items
        and is not padded.
    """
    if name in predicted.padding:
        return predicted.padding[name].counts().cpu()
    row_axis = predicted.batch.layout.row_axis(predicted.axes[name])
    assert row_axis is not None
    return None if row_axis[1] == ITEM else predicted.batch.counts[row_axis[1]].cpu()


def sums(predicted: PredictedBatch) -> dict[str, tuple[Tensor, int]]:
    """Sum of each target variable over the items of a batch, or their elements or real positions.

    Returns:
        Target variable → (sum, of the shape behind L; number L of items, elements or positions).
    """
    values = {name: _by_draw(value, predicted, name, 1)[0] for name, value in predicted.x.items()}
    return {name: (value.sum(0), len(value)) for name, value in values.items()}


def rest(predicted: PredictedBatch, name: str) -> tuple[str, ...]:
    """Names of the axes that a target variable has behind L, in saliency of shape (D, L, …)."""
    axes = predicted.axes[name]
    row_axis = predicted.batch.layout.row_axis(axes)
    assert row_axis is not None
    gone = {row_axis[0], *(predicted.padding[name].axes if name in predicted.padding else ())}
    return tuple(axis for i, axis in enumerate(axes) if i not in gone)
