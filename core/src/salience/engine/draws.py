"""Draws: rows of a batch with their noise and weights, and blocks of saliency."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from salience.calculators.base import Attribution
from salience.data.batch import Batch, RowSelection
from salience.data.views import RowView
from salience.engine.batching import PredictedBatch
from salience.engine.promises import attributed, noised
from salience.engine.request import Request
from salience.model.checks import NotFiniteError
from salience.model.probe import Values
from salience.plugins.faults import Asked, label
from salience.samplers.base import VariableDraw
from salience.samplers.keyed import Numbers, row_keys
from salience.scoring.rows import Rows
from salience.scoring.runner import Runner
from salience.scoring.score import Score
from salience.shown import ShortRepr
from salience.support.numerics import all_finite, at_least_float32


@dataclass(frozen=True)
class Block(ShortRepr):
    """Results of D consecutive draws of all the items of a batch.

    Args:
        draws: Target variable → saliency, shape (D, L, …): L items, or elements or real positions
            of all the items.
        delta: f(x') − f(baseline), where x' is x after noise, shape (D, B); NaN where the
            calculator has no baseline.
        gap: |Σ saliency − delta|, shape (D, B); NaN where the calculator has no baseline.
        drawn: Whether anything was drawn for each item, bool of shape (B,).
    """

    draws: Values
    delta: Tensor
    gap: Tensor
    drawn: Tensor
    converged: Tensor | None = None
    n_points: Tensor | None = None


def blocks(
    request: Request, runner: Runner, predicted: PredictedBatch, start: int, stop: int
) -> Iterator[Block]:
    """Compute the draws from ``start`` to ``stop`` − 1 of all the items of a batch.

    Args:
        request: The parts, the draws and the seed.
        runner: Runs the model.
        predicted: The batch.
        start: Number of the first draw.
        stop: Number of the draw after the last.

    Yields:
        Blocks of consecutive draws, each with as many draws as the budget allows.

    Raises:
        NotFiniteError: A value of the saliency is NaN or infinite.
    """
    size = max(1, predicted.rows.batch.size())
    while start < stop:
        room = min(max(1, runner.budget.current // size), stop - start)
        count = _count(request, start, room) if request.weights else room
        yield _block(request, runner, predicted, torch.arange(start, start + count))
        start += count


def _count(request: Request, start: int, room: int) -> int:
    """Number of draws in the next block, which starts at draw ``start``: at most ``room``.

    Where weights are drawn, a block holds whole groups of draws that share their weights, at most
    ``weight_draws_per_pass`` groups, or draws of a single group.
    """
    group = request.draws.group
    done = start % group
    if done or room < group:
        return min(room, group - done)
    return min(room // group, request.verdicts.weight_draws_per_pass) * group


def _block(request: Request, runner: Runner, predicted: PredictedBatch, draws: Tensor) -> Block:
    score, x = rows_of(request, runner, predicted, draws)
    views = {name: score.view(name) for name in x}
    drawn = _drawn(request, predicted, x, views)
    result = attributed(request.calculator, score, x)
    saliency = {}
    for name, view in views.items():
        # Draws are added up, squared and compared, for which 16 bits are too few.
        value = at_least_float32(result.saliency[name])
        saliency[name] = value if view.mask is None else value * view.mask
    delta, gap = _completeness(result, saliency, views)
    shape = (len(draws), len(predicted))
    by_draw = {}
    for name, value in saliency.items():
        view = predicted.view(name)
        inner = view.inner_axes
        over = [2 + inner.index(axis) for axis in inner if axis not in axes_of(request, view)]
        flat = view.flat(value, len(draws))
        by_draw[name] = flat.sum(over) if over else flat
    for name, values in by_draw.items():
        if not all_finite(values):
            raise _not_finite(request, name, values, predicted)
    return Block(
        by_draw,
        delta.reshape(shape),
        gap.reshape(shape),
        drawn=drawn,
        converged=None if result.converged is None else result.converged.reshape(shape),
        n_points=None if result.n_points is None else result.n_points.reshape(shape),
    )


def _drawn(
    request: Request, predicted: PredictedBatch, x: Values, views: dict[str, RowView]
) -> Tensor:
    """Whether anything was drawn for each item, bool of shape (B,): noise may be none.

    Args:
        request: The samplers.
        predicted: The batch of B items.
        x: Target variable → its values in the rows, after noise.
        views: Target variable → how its axes hang together with the rows.
    """
    if not request.noise or len(request.noise) < len(request.samplers):
        return torch.ones_like(predicted.score, dtype=torch.bool)
    changes = []
    for variable in predicted.variables:
        view = views[variable.name]
        copies = predicted.rows.batch.repeat(len(view) // len(predicted))
        changed = x[variable.name] != copies.take(predicted.x[variable.name], variable.axes)
        changes.append(view.max(changed.float()).flatten())
    found: Tensor = torch.stack(changes).amax(0).reshape(-1, len(predicted)).amax(0) > 0
    return found


def axes_of(request: Request, view: RowView) -> tuple[str, ...]:
    """Names of the axes behind L in the draws of a block.

    The axes that together are one variable are summed in each draw where values add up.
    """
    components = request.settings.domain.layout.components if request.calculator.additive else ()
    return tuple(axis for axis in view.inner_axes if axis not in components)


def _not_finite(
    request: Request, name: str, values: Tensor, predicted: PredictedBatch
) -> NotFiniteError:
    position = int((~values.isfinite()).nonzero()[0, 1])
    counts = predicted.view(name).counts()
    if counts is not None:
        position = int((counts.cumsum(0) <= position).sum())
    asked = Asked("calculators", request.calculator)
    by = f" by the {label(asked.kind, asked.part)}" if asked.foreign else ""
    return NotFiniteError(f"the saliency for {name!r}{by}", int(predicted.rows.positions[position]))


def _completeness(
    result: Attribution, saliency: Values, views: dict[str, RowView]
) -> tuple[Tensor, Tensor]:
    if result.baseline_score is None:
        nothing = torch.full_like(result.score, torch.nan)
        return nothing, nothing
    delta = result.score - result.baseline_score
    total = sum(views[name].sum(values).flatten() for name, values in saliency.items())
    return delta, (total - delta).abs()


def rows_of(
    request: Request, runner: Runner, predicted: PredictedBatch, draws: Tensor
) -> tuple[Score, Values]:
    """Make the rows of a block: draws of all the items of a batch.

    Args:
        request: The samplers, the draws and the seed.
        runner: Runs the model.
        predicted: The batch of B items.
        draws: Number of each draw, int64 of shape (D,), in ascending order.

    Returns:
        Two results: the score of the rows; target variable → its values in the rows, after noise.
    """
    copies = predicted.rows.batch.repeat(len(draws))
    if not request.samplers:
        return score_of(request, runner, predicted, copies)
    rows = predicted.rows
    outer = draws // request.draws.group
    keys = row_keys(request.seed, rows.keys, outer.to(rows.keys.device))
    score, x = score_of(request, runner, predicted, copies, keys, outer)
    for i, sampler in enumerate(request.noise):
        numbered, sign = draws, None
        if sampler.antithetic:
            numbered = draws // 2
            sign = (1 - 2 * (draws % 2)).repeat_interleave(len(rows)).to(rows.keys.device)
        own = row_keys(request.seed, rows.keys, numbered.to(rows.keys.device))
        for j, (name, value) in enumerate(x.items()):
            # Noise has negative stream numbers. Dropout calls have those from 1 up, so noise and
            # dropout never get the same random numbers.
            view = score.view(name)
            numbers = Numbers(own, view, tuple(value.shape), stream=-1 - (i * len(x) + j))
            turned = None if sign is None else view.spread(sign)
            x[name] = noised(sampler, value, VariableDraw(numbers, turned))
    return score, x


def score_of(
    request: Request,
    runner: Runner,
    predicted: PredictedBatch,
    selection: RowSelection,
    keys: Tensor | None = None,
    draws: Tensor | None = None,
) -> tuple[Score, Values]:
    """Make the score of R rows, and the values of the target variables before noise.

    Args:
        request: The samplers.
        runner: Runs the model.
        predicted: The batch of items.
        selection: The rows: all the items in order, once for each of D draws.
        keys: Key of each row's draw, int64 of shape (R,); the items' own where ``None``.
        draws: Number of the parameters' draw that each of the D draws has, in ascending order,
            int64 of shape (D,); where ``None``, the rows run with the model's own weights.

    Returns:
        Two results: the score; target variable → its values in the rows. These are the clean values
        or, for target variables inside a model with drawn weights, the values that the drawn
        weights give.
    """
    x = {v.name: selection.take(predicted.x[v.name], v.axes) for v in predicted.variables}
    reusable = None
    if selection.is_identity:
        # A calculator or sampler of a plugin may write to these tensors in place.
        x = {name: value.clone() for name, value in x.items()}
        reusable = None if request.samplers else predicted.reusable
    if reusable is not None:
        reusable.start = dict(x)
    rows = predicted.rows.take(selection)
    if keys is not None:
        rows = replace(rows, keys=keys)
    if request.verdicts.moves_targets and keys is not None:
        x = _under_parameters(runner, predicted, selection, rows)
    if runner.source is None or draws is None:
        return Score(rows, runner, reusable), x
    weights = runner.source.draw(range(int(draws[0]), int(draws[-1]) + 1))
    each = (draws - draws[0]).repeat_interleave(len(predicted)).to(rows.keys.device)
    rows, runner = replace(rows, draws=each), replace(runner, weights=weights)
    if runner.probe.has_inner_targets:
        x = _moved(runner, predicted, rows)
    return Score(rows, runner), x


def _under_parameters(
    runner: Runner, predicted: PredictedBatch, selection: RowSelection, rows: Rows
) -> Values:
    """The values that target variables take in each row under the parameter samplers.

    Args:
        runner: Runs the model.
        predicted: The batch of items.
        selection: The rows of the batch.
        rows: These rows, with the keys of their draws.
    """
    full = _with_arguments(predicted)
    every = full.repeat(1) if selection.is_identity else full.select(selection.rows)
    return runner.target_values(replace(rows, batch=every.batch()))


def _with_arguments(predicted: PredictedBatch) -> Batch:
    """The batch with all arguments, those that are target variables among them."""
    batch, variables = predicted.rows.batch, predicted.variables
    own = {v.argument: predicted.x[v.name] for v in variables if v.argument is not None}
    return replace(batch, arguments={**batch.arguments, **own})


def _moved(runner: Runner, predicted: PredictedBatch, rows: Rows) -> Values:
    """The values that target variables take in each row with the weights of the row's draw.

    Args:
        runner: Runs the model, with the draws of weights.
        predicted: The batch of B items.
        rows: All the items, or some of them in order, once for each of the draws.
    """
    assert runner.weights is not None and rows.draws is not None
    batch, variables = predicted.rows.batch, predicted.variables
    full = _with_arguments(predicted)
    moved = runner.probe.values_with_weights(full, runner.weights[:])
    n_draws = int(rows.draws[-1]) + 1
    repeated = batch.repeat(n_draws).batch()
    here = torch.arange(len(rows), device=rows.draws.device) % len(predicted)
    selection = repeated.select(rows.draws * len(predicted) + here)
    return {v.name: selection.take(moved[v.name], v.axes) for v in variables}
