"""Baselines: values without information, which a method compares with those of the item."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

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
    if isinstance(baseline, PerItem):
        return _of_items(baseline, name, score, x)
    inner = view.without_rows(x.shape)
    value = _as_values(array(baseline, f"the baseline for target variable {name!r}", _EXPECTED), x)
    try:
        return value.expand(inner).unsqueeze(view.row_axis).expand_as(x)
    except (RuntimeError, TypeError, ValueError) as error:
        raise InputError(
            f"the baseline for target variable {name!r} is {_form(baseline)}, expected a "
            f"number or a tensor that broadcasts against {inner}, the shape without the "
            f"{view.ragged or 'item'} axis; for one baseline an item pass PerItem(...)"
        ) from error


def _of_items(baseline: PerItem, name: str, score: Score, x: Tensor) -> Tensor:
    """The baselines of the items of all rows, each at the real positions of its row.

    Args:
        baseline: The baselines of all items.
        name: Name of the target variable.
        score: The score, which gives the axes of the variable and the item of each row.
        x: Values of the variable.
    """
    view, items = score.view(name), score.positions.tolist()
    own = [list(x.shape) for _ in items]
    for at, axis in enumerate(view.axes):
        lengths = view.lengths(axis)
        for shape, length in zip(own, [] if lengths is None else lengths.tolist(), strict=False):
            shape[at] = length
    if view.ragged is not None:
        rows = [_row(baseline, name, i, shape, x) for i, shape in zip(items, own, strict=True)]
        return torch.cat(rows, view.row_axis)
    value = torch.zeros_like(x)
    for row, (item, shape) in enumerate(zip(items, own, strict=True)):
        del shape[view.row_axis]
        front = value.select(view.row_axis, row)[tuple(slice(n) for n in shape)]
        front.copy_(_row(baseline, name, item, shape, x))
    return view.from_front(value)


def _row(baseline: PerItem, name: str, item: int, shape: list[int], like: Tensor) -> Tensor:
    """The baseline of one item, expanded to its shape.

    Args:
        baseline: The baselines of all items.
        name: Name of the target variable, for the error message.
        item: Position of the item in the data set.
        shape: Shape of the target variable for this item alone, without padding.
        like: A tensor whose dtype and device the result takes.
    """
    row = _as_values(baseline.values[item], like)
    try:
        return row.expand(shape)
    except RuntimeError as error:
        raise InputError(
            f"the baseline of item {item} for target variable {name!r} has shape "
            f"{tuple(row.shape)}, expected one that broadcasts against {tuple(shape)}"
        ) from error


def _as_values(baseline: Tensor, like: Tensor) -> Tensor:
    """The baseline in the dtype and on the device of the values, none of them changed.

    Raises:
        InputError: A number is not one of the dtype, such as a half among integers; or truth values
            stand for numbers.
    """
    made = baseline.to(like)
    kind = str(like.dtype).removeprefix("torch.")
    if baseline.dtype == torch.bool and like.dtype != torch.bool:
        raise InputError(f"a baseline holds truth values, but the target variable holds {kind}")
    if not like.is_floating_point() and bool((made.double() != baseline.to(made.device)).any()):
        raise InputError(
            f"a baseline holds numbers that are none of {kind}, the type of the target variable; "
            f"pass such numbers, or data of floating-point numbers"
        )
    return made


def _form(value: Any) -> str:
    return f"of shape {tuple(value.shape)}" if hasattr(value, "shape") else repr(value)
