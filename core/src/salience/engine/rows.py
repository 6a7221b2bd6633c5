"""The engine: items × draws × path points are rows, packed into forward passes under one budget."""

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
    """What is to be computed for every item.

    Args:
        probe: Runs the model.
        domain: Collates the samples.
        calculator: Makes saliency of a draw.
        noise: Noise samplers, applied one after the other.
        parameters: Parameter samplers, all active at once.
        draws: How many draws an item gets, and how they hang together.
        seed: Seed of all draws.
        budget: Bounds every forward pass.
        weights: Draws weights in the place of the model's own, or ``None``.
        one_row_per_pass: Whether each row needs a forward pass of its own.
        weight_draws_per_pass: How many draws of weights may share a forward pass.
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
        """Whether nothing moves x or the model."""
        return not self.noise and not self.parameters and self.weights is None


@dataclass(frozen=True)
class PredictedBatch:
    """A batch of items with its prediction.

    Args:
        batch: The collated items.
        positions: Position of each item in the data set.
        keys: Key of each item.
        x: Target variable → values.
        axes: Target variable → names of its axes.
        padding: Target variable → its real positions, only where padded.
        prediction: The model's output.
        score: f(x), shape (B,).
        fixed: What the output variable keeps fixed.
        items: Which item of the batch that was predicted each is, int64 of shape (B,).
        reusable: The forward pass that predicted, with its graph where that was kept; ``None`` for
            some of the items of a batch.
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
        """Some of the items, int64 of shape (R,)."""
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
    """Some draws of all the items of a batch.

    Args:
        draws: Target variable → saliency, shape (D, L, …): L items or real elements.
        delta: f(x') − f(baseline), shape (D, B); NaN without baseline.
        gap: |Σ saliency − delta|, shape (D, B); NaN without baseline.
    """

    draws: Values
    delta: Tensor
    gap: Tensor


def batches(
    worker: Worker, samples: Sequence[Any], keys: Tensor, explained: bool = True, offset: int = 0
) -> Iterator[PredictedBatch]:
    """Collate the samples into batches within the budget and predict each.

    Args:
        worker: What is to be computed.
        samples: What the domain read.
        keys: Key of each item.
        explained: Whether these items are explained; of others, such as the data of a mean, the
            output variable is not read, since it may know the explained items only.
        offset: Position of the first item in the whole data set.

    Raises:
        InputError: What a domain, the model or the output variable cannot serve.
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
            predicted = _predicted(worker, batch, positions, keys[start:stop], explained)
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
    """The draws from ``start`` to ``stop`` of one batch, as many at once as the budget holds."""
    while start < stop:
        room = max(1, worker.budget.current // max(1, predicted.batch.size()))
        count = _count(worker, start, min(room, stop - start))
        yield _block(worker, predicted, torch.arange(start, start + count))
        start += count


def _count(worker: Worker, start: int, room: int) -> int:
    """Draws of the next block, where there is room for so many."""
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
    """The score of these draws of all items, and the point that noise moved them to."""
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
            # Streams of noise lie apart from those of dropout calls, which count up from 1.
            stream, axes = -1 - (i * len(x) + j), score.axes[name]
            numbers = Numbers(own, rows, axes, tuple(value.shape), stream)
            turned = None if sign is None else rows.expand(sign, axes)
            x[name] = sampler(value, VariableDraw(numbers, masks.get(name), turned))
    return score, x


def _predicted(
    worker: Worker, batch: Batch, positions: Tensor, keys: Tensor, explained: bool
) -> PredictedBatch:
    probe = worker.probe
    batch = batch.to(probe.device, probe.dtype)
    # Where nothing moves x or the model, this pass serves for the gradient as well.
    graph = explained and worker.calculator.gradient_at_x and worker.deterministic
    began = time.perf_counter()
    try:
        x, output, leaves = probe.predicted(batch, graph)
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
        {
            v.name: p
            for v in probe.variables
            if (p := Padding.of(v.axes, v.mask, batch)) is not None
        },
        output if isinstance(output, Tensor) and output.shape[:1] == score.shape else score,
        score.detach(),
        fixed,
        torch.arange(batch.n_items, device=batch.device),
        ReusablePass(
            score, {name: leaves[name] for name in x} if score.requires_grad else {}, seconds
        ),
    )


def _paddings(variables: Sequence[Variable], batch: Batch) -> dict[str, Padding]:
    """Target variable → its real positions, only where padded."""
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
    """The score of rows, each an item with a draw's key, and their clean point.

    Args:
        worker: What is to be computed.
        predicted: The items.
        selection: The rows: all the items, again for each draw.
        keys: Key of each row.
        draws: Number of each draw of the parameters, in order; weights are the model's own where
            ``None``.
    """
    x = {n: selection.take(value, predicted.axes[n]) for n, value in predicted.x.items()}
    if selection.is_identity:
        # Somebody's part may write to them.
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
    """The target variables of rows, as the drawn weights before them make them."""
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
    """Saliency of D × B rows as (D, L, …); padding is left out."""
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
    """End of the longest run of items from ``start`` that fits; at least one."""
    if sizes is None:
        return min(start + room, end)
    stop, held = start, 0
    while stop < end and (stop == start or held + sizes[stop] <= room):
        held += sizes[stop]
        stop += 1
    return stop


def counts(predicted: PredictedBatch, name: str) -> Tensor | None:
    """Elements of each item in a target variable, int64 of shape (B,); None where all alike."""
    if name in predicted.padding:
        return predicted.padding[name].counts().cpu()
    row_axis = predicted.batch.layout.row_axis(predicted.axes[name])
    assert row_axis is not None
    return None if row_axis[1] == ITEM else predicted.batch.counts[row_axis[1]].cpu()


def sums(predicted: PredictedBatch) -> dict[str, tuple[Tensor, int]]:
    """Sum of each target variable over items, or real elements, and how many they are."""
    values = {name: _by_draw(value, predicted, name, 1)[0] for name, value in predicted.x.items()}
    return {name: (value.sum(0), len(value)) for name, value in values.items()}


def rest(predicted: PredictedBatch, name: str) -> tuple[str, ...]:
    """Names of the axes of a target variable behind the items or elements."""
    axes = predicted.axes[name]
    row_axis = predicted.batch.layout.row_axis(axes)
    assert row_axis is not None
    gone = {row_axis[0], *(predicted.padding[name].axes if name in predicted.padding else ())}
    return tuple(axis for i, axis in enumerate(axes) if i not in gone)
