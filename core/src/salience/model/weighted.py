"""Passes with several draws of weights: one draw after the other, or several at once by vmap."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from salience.data.batch import Batch
from salience.data.layout import Layout
from salience.model.passes import Values
from salience.model.targets import Variable


def row_axes(variables: tuple[Variable, ...], layout: Layout) -> dict[str, int]:
    """Target variable → position of the axis along which its rows are counted."""
    return {v.name: layout.row_axis(v.axes)[0] for v in variables}


def scalars_of_draws(
    one: Callable[[Batch, Values, Tensor | None, Values], Tensor],
    rows: Batch,
    values: Mapping[str, Tensor],
    fixed: Tensor | None,
    weights: Mapping[str, Tensor],
    axes: Mapping[str, int],
) -> Tensor:
    """The output variable of each row, shape (R,), where the rows have several draws of weights.

    Args:
        one: Computes the output variable of rows with one draw of weights from the rows, the values
            of the target variables, what the output variable keeps fixed, and the weights.
        rows: The same items once for each of D draws, one draw after the other.
        values: Target variable → its values.
        fixed: What the output variable keeps fixed, first axis R, or ``None``.
        weights: Name of a parameter or buffer → its values in D draws, shape (D, …).
        axes: Target variable → position of its row axis.
    """
    n_draws = _count(weights)
    if n_draws == 1:
        return one(rows, dict(values), fixed, _only(weights))
    group = rows.select(torch.arange(rows.n_items // n_draws, device=rows.device)).batch()
    apart = {
        name: value.unflatten(axes[name], (n_draws, -1))  # type: ignore[no-untyped-call]
        for name, value in values.items()
    }
    fixed = None if fixed is None else fixed[: group.n_items]

    def of_draw(values: Values, weights: Values) -> Tensor:
        return one(group, values, fixed, weights)

    scalars: Tensor = torch.vmap(of_draw, in_dims=(dict(axes), 0))(apart, dict(weights))
    return scalars.flatten()


def values_of_draws(
    one: Callable[[Values], Values], weights: Mapping[str, Tensor], axes: Mapping[str, int]
) -> Values:
    """The values that the target variables take with each of several draws of weights.

    Args:
        one: Computes target variable → its values for B items from one draw of weights.
        weights: Name of a parameter or buffer → its values in D draws, shape (D, …).
        axes: Target variable → position of its row axis.

    Returns:
        Target variable → its values for D × B rows, one draw after the other.
    """
    if _count(weights) == 1:
        return one(_only(weights))
    out_dims: Any = dict(axes)
    found: Values = torch.vmap(one, out_dims=out_dims)(dict(weights))
    return {name: value.flatten(axes[name], axes[name] + 1) for name, value in found.items()}


def run_with(
    replica: nn.Module, weights: Mapping[str, Tensor], args: Sequence[Any], kwargs: dict[str, Any]
) -> Any:
    """What the replica returns with other values of its parameters and buffers.

    Args:
        replica: The replica.
        weights: First name of a parameter or buffer → its value.
        args: Positional arguments of the forward.
        kwargs: Keyword arguments of the forward.
    """
    named = {place: weights[first] for place, first in _places(replica) if first in weights}
    return functional_call(replica, named, tuple(args), kwargs, tie_weights=False)


def _places(model: nn.Module) -> Iterator[tuple[str, str]]:
    """Each place that holds a parameter or buffer, and the first name of that tensor.

    A module that is registered under several names is one place, under the first of them:
    ``functional_call`` sets a tensor under each name that it gets and restores one after the other,
    so that a module under two names would keep the drawn tensor.
    """
    firsts: dict[int, str] = {}
    for path, module in model.named_modules():
        for own, tensor in (*module._parameters.items(), *module._buffers.items()):
            if tensor is not None:
                name = f"{path}.{own}" if path else own
                yield name, firsts.setdefault(id(tensor), name)


def _count(weights: Mapping[str, Tensor]) -> int:
    """Number of draws of weights."""
    return len(next(iter(weights.values())))


def _only(weights: Mapping[str, Tensor]) -> Values:
    """Name of a parameter or buffer → its values in the first draw."""
    return {name: value[0] for name, value in weights.items()}
