"""A few passes of a single item, before all others: what samplers can be asked for."""

from __future__ import annotations

import warnings
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from salience.engine.rows import Clean, Task, score_of
from salience.errors import InputError
from salience.model.probe import Values
from salience.samplers.base import ModelDraw
from salience.samplers.keyed import row_keys
from salience.scoring.score import Score
from salience.support.numerics import agree

# Weights of several draws share a forward pass while they hold so few numbers together.
_TOGETHER = 2**22


def trial(task: Task, clean: Clean) -> Task:
    """Let parameter samplers refuse the model or get to know it, by passes of its first item.

    Raises:
        InputError: Items of a batch influence each other, or a sampler cannot serve the model.
    """
    _refuse_batch_statistics(task)
    if task.parameters:
        return _try_parameters(task, clean)
    if task.weights is not None and task.draws.total > 1:
        return _try_together(task, clean)
    return task


def _refuse_batch_statistics(task: Task) -> None:
    model = task.probe.model
    if not isinstance(model, nn.Module) or (task.budget.fixed and task.budget.current == 1):
        return
    for name, module in model.named_modules():
        if isinstance(module, _BatchNorm) and module.running_mean is None:
            raise InputError(
                f"module {name!r} normalises by the statistics of its batch "
                f"(track_running_stats=False), so that items influence each other; let it keep "
                f"running statistics, or explain items one by one with max_rows=1"
            )


def _try_together(task: Task, clean: Clean) -> Task:
    """Whether small models may run with several draws of weights in one pass."""
    assert task.weights is not None
    most = _TOGETHER // max(1, task.weights.numbers())
    item = clean.pick(torch.zeros(1, dtype=torch.int64, device=clean.batch.device))
    if most < 2 or 2 * item.batch.size() > task.budget.current:
        return task
    draws = torch.arange(2)
    one = item.batch.repeat(1)
    apart = [score_of(task, item, one, None, draw) for draw in torch.split(draws, 1)]
    separate = torch.cat([score.value(x) for score, x in apart])
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            both, at = score_of(task, item, item.batch.repeat(2), None, draws)
            same = agree(both.value(at), separate)
        except Exception:  # whatever the user's forward does that has no batched form
            same = False
    # What vmap has no rule for, it does draw by draw, slowly, and warns.
    slow = any("performance drop" in str(warning.message) for warning in warned)
    return replace(task, together=most) if same and not slow else task


def _try_parameters(task: Task, clean: Clean) -> Task:
    first = torch.zeros(1, dtype=torch.int64, device=clean.batch.device)
    score, x = score_of(task, clean, clean.batch.pick(first), first)
    draw = ModelDraw(first, score.batch.all_rows(), task.probe.model)
    with torch.no_grad():
        ready = [
            s.trial(draw, lambda: task.probe(score.batch, x, score.fixed)) for s in task.parameters
        ]
    task = replace(task, parameters=ready)
    # Two draws of the item must come out the same in one pass as in a pass for each; they do not
    # where a tensor is flattened with the rows inside, say, and then each row runs alone.
    twice = clean.batch.pick(first.repeat(2))
    keys = row_keys(task.seed, clean.keys[:1], torch.arange(2)).to(first.device)
    both, at = score_of(task, clean, twice, keys)
    apart, _ = score_of(replace(task, alone=True), clean, twice, keys)
    same = _near(both.value(at), apart.value(at), clean) and _same_slopes(both, apart, at)
    return replace(task, alone=not same)


def _same_slopes(one: Score, other: Score, x: Values) -> bool:
    """Whether gradients differ by no more than rounding and a kink that it moves.

    Where other units are dropped they differ by much, even where a large constant or a mean over
    many positions hides it in the scores.
    """
    try:
        mine, yours = one.gradient(x)[1], other.gradient(x)[1]
    except InputError:  # no way by autograd: the scores have to do
        return True
    most = 0.2 if one.probe.is_half else 1e-2
    return all(bool((mine[n] - yours[n]).norm() <= most * yours[n].norm()) for n in x)


def _near(one: Tensor, other: Tensor, clean: Clean) -> bool:
    """Whether scores differ by no more than rounding in a batch of another size."""
    scale = float(clean.score.abs().max())
    if isinstance(clean.prediction, Tensor) and clean.prediction.is_floating_point():
        scale = max(scale, float(clean.prediction.abs().max()) / 100)
    return float((one - other).abs().max()) <= 3e-2 * scale
