"""Baselines: values without information, which a method compares with those of the item."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from salience.data.per_item import Mean, PerItem
from salience.errors import InputError
from salience.intake import array, finite
from salience.model.probe import Values
from salience.scoring.score import Score

_EXPECTED = "a number or a tensor of real numbers"


def check_baseline(baseline: Any, n_items: int, more: bool) -> None:
    """Raise InputError where a baseline is not finite, or not one value per item.

    Args:
        baseline: A baseline in any form that :func:`baseline_of` takes.
        n_items: Number of items in the data set, or in the part of a stream read so far.
        more: Whether further items may follow, for which the baseline may hold further values.
    """
    for one in baseline.values() if isinstance(baseline, Mapping) else (baseline,):
        if not isinstance(one, PerItem | Mean):
            finite(array(one, "the baseline", _EXPECTED), "the baseline")
        if not isinstance(one, PerItem) or (more and len(one.values) > n_items):
            continue
        if len(one.values) != n_items:
            raise InputError(
                f"PerItem(...) holds {len(one.values)} baselines for {n_items} items; "
                f"pass one an item"
            )


def baseline_of(baseline: Any, score: Score, x: Values) -> Values:
    """The baseline for every row.

    Args:
        baseline: A number; a tensor that broadcasts against the target variable without its item
            or element axis; :class:`PerItem`; or a mapping target variable → one of these.
        score: The score, which gives the axes of each target variable and the item of each row.
        x: Target variable → values of all R rows.

    Returns:
        Target variable → its baseline, of the shape and dtype of its values in ``x``; at padding
        the values in ``x`` themselves.

    Raises:
        InputError: The baseline does not fit the target variable.
    """
    if isinstance(baseline, Mapping) and set(baseline) != set(x):
        raise InputError(
            f"the baseline names the target variables {sorted(baseline)}, but {sorted(x)} are "
            f"explained; name the same"
        )
    found = {
        name: _one(baseline[name] if isinstance(baseline, Mapping) else baseline, name, score, v)
        for name, v in x.items()
    }
    # Padding is not part of an item: it stays as it is.
    masks = {name: score.view(name).mask for name in x}
    return {
        name: value if (mask := masks[name]) is None else torch.where(mask, value, x[name])
        for name, value in found.items()
    }


def _one(baseline: Any, name: str, score: Score, x: Tensor) -> Tensor:
    view = score.view(name)
    inner = view.without_rows(x.shape)
    if isinstance(baseline, PerItem):
        items = score.positions.tolist()
        if view.ragged is None:
            padded = view.mask is not None
            value = torch.stack([_row(baseline, name, i, inner, padded, x) for i in items])
        else:
            shapes = [(size, *inner) for size in view.rows.counts[view.ragged].tolist()]
            rows = zip(items, shapes, strict=True)
            value = torch.cat([_row(baseline, name, i, shape, False, x) for i, shape in rows])
        return value.movedim(0, view.row_axis)
    if isinstance(baseline, int | float):
        return torch.full_like(x, float(baseline))
    value = array(baseline, f"the baseline for target variable {name!r}", _EXPECTED).to(x)
    try:
        return value.expand(inner).unsqueeze(view.row_axis).expand_as(x)
    except (RuntimeError, TypeError, ValueError) as error:
        raise InputError(
            f"the baseline for target variable {name!r} is {_form(baseline)}, expected a "
            f"number or a tensor that broadcasts against {inner}, the shape without the "
            f"{view.ragged or 'item'} axis; for one baseline an item pass PerItem(...)"
        ) from error


def _row(
    baseline: PerItem, name: str, item: int, shape: tuple[int, ...], padded: bool, like: Tensor
) -> Tensor:
    """The baseline of one item, expanded to a shape.

    Args:
        baseline: The baselines of all items.
        name: Name of the target variable, for the error message.
        item: Position of the item in the data set.
        shape: Shape of the target variable for this item alone.
        padded: Whether to fill a shorter baseline up with zeros behind its last position.
        like: A tensor whose dtype and device the result takes.
    """
    row = baseline.values[item].to(like)
    if padded and row.ndim == len(shape):
        short = [want - own if own > 1 else 0 for own, want in zip(row.shape, shape, strict=True)]
        row = pad(row, [n for missing in reversed(short) for n in (0, max(missing, 0))])
    try:
        return row.expand(shape)
    except RuntimeError as error:
        raise InputError(
            f"the baseline of item {item} for target variable {name!r} has shape "
            f"{tuple(row.shape)}, expected one that broadcasts against {shape}"
        ) from error


def _form(value: Any) -> str:
    return f"of shape {tuple(value.shape)}" if hasattr(value, "shape") else repr(value)
