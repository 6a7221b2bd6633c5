"""Baselines: the point without information that path and perturbation methods start from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from salience.errors import InputError
from salience.probe import Values
from salience.score import Score


@dataclass(frozen=True)
class PerItem:
    """A baseline of its own for each item.

    Args:
        values: In the order of the data: a tensor of shape (B, …) or a sequence of one tensor an
            item, whose elements come first where items are ragged. Each broadcasts against the
            target variable of its item.
    """

    values: Tensor | Sequence[Tensor]


@dataclass(frozen=True)
class Mean:
    """The mean of the target variable over given data, as the baseline for every item.

    The mean goes over items, and where items are ragged or padded over their real elements.

    Args:
        data: Anything that the domain reads.
    """

    data: Any


def baseline_of(baseline: Any, score: Score, x: Values) -> Values:
    """The baseline for every row.

    Args:
        baseline: A number; a tensor that broadcasts against the target variable without its item
            or element axis; :class:`PerItem`; or a mapping target variable → one of these.
        score: Names axes and items.
        x: Target variable → values of all R rows.

    Raises:
        InputError: The baseline does not fit the target variable.
    """
    if isinstance(baseline, Mapping) and set(baseline) != set(x):
        raise InputError(
            f"the baseline names the target variables {sorted(baseline)}, but {sorted(x)} are "
            f"explained; name the same"
        )
    return {
        name: _one(baseline[name] if isinstance(baseline, Mapping) else baseline, name, score, v)
        for name, v in x.items()
    }


def _one(baseline: Any, name: str, score: Score, x: Tensor) -> Tensor:
    axes = score.axes[name]
    lead = score.batch.layout.lead(axes)
    assert lead is not None
    if isinstance(baseline, PerItem):
        rows = [torch.as_tensor(baseline.values[i]) for i in score.positions.tolist()]
        if lead[1] == "item":
            value = torch.stack([row.expand(_without(x.shape, lead[0])) for row in rows])
        else:
            sizes = score.batch.counts[lead[1]].tolist()
            inner = _without(x.shape, lead[0])
            value = torch.cat([r.expand(n, *inner) for r, n in zip(rows, sizes, strict=True)])
        return value.movedim(0, lead[0]).to(x)
    if isinstance(baseline, int | float):
        return torch.full_like(x, float(baseline))
    try:
        value = torch.as_tensor(baseline).to(x)
        return value.expand(_without(x.shape, lead[0])).unsqueeze(lead[0]).expand_as(x)
    except (RuntimeError, TypeError, ValueError) as error:
        raise InputError(
            f"the baseline for target variable {name!r} is {_describe(baseline)}, expected a "
            f"number or a tensor that broadcasts against {_without(x.shape, lead[0])}, the shape "
            f"without the {lead[1]} axis; for one baseline an item pass PerItem(...)"
        ) from error


def _without(shape: Sequence[int], position: int) -> tuple[int, ...]:
    return tuple(length for i, length in enumerate(shape) if i != position)


def _describe(value: Any) -> str:
    return f"of shape {tuple(value.shape)}" if hasattr(value, "shape") else repr(value)
