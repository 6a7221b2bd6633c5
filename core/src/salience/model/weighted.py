"""Passes with several draws of weights: one draw after the other, or several at once by vmap."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_module
from torch.overrides import TorchFunctionMode

from salience.data.batch import Batch
from salience.data.layout import Layout
from salience.errors import InputError
from salience.model.passes import Values
from salience.model.targets import Variable

#: A table or list of a module's, and the key or index of a weight in it.
_Place = tuple[Any, Any]


def row_axes(variables: tuple[Variable, ...], layout: Layout) -> dict[str, int]:
    """Target variable → position of the axis along which its rows are counted."""
    return {v.name: layout.row_axis(v.axes)[0] for v in variables}


def twice(
    row: Batch, values: Mapping[str, Tensor] | None, variables: tuple[Variable, ...]
) -> tuple[Batch, Values | None]:
    """Two rows like a single row, with the values of its target variables where there are any."""
    two = row.select(torch.zeros(2, dtype=torch.int64, device=row.device))
    if values is None:
        return two.batch(), None
    return two.batch(), {v.name: two.take(values[v.name], v.axes) for v in variables}


def scalars_of_draws(
    one: Callable[[Batch, Values, Tensor | None, Values], Tensor],
    rows: Batch,
    values: Mapping[str, Tensor],
    fixed: Tensor | None,
    weights: Mapping[str, Tensor],
    axes: Mapping[str, int],
    by_vmap: bool = True,
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
        by_vmap: Whether the draws run at once; else the pass runs one draw after the other.
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

    if by_vmap:
        scalars: Tensor = torch.vmap(of_draw, in_dims=(dict(axes), 0))(apart, dict(weights))
        return scalars.flatten()
    each = [
        of_draw(
            {name: value.select(axes[name], i) for name, value in apart.items()},
            {name: value[i] for name, value in weights.items()},
        )
        for i in range(n_draws)
    ]
    return torch.cat(each)


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


class Swapping:
    """Puts weights into all the places where the replica keeps them, and takes them out again.

    A tensor may lie in several places: one module under two names, one parameter in two modules,
    or a parameter in a list beside the layer that it belongs to. ``torch.func.functional_call``
    puts the wrong tensor back where one module has two names.

    Args:
        model: The replica.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._own: Values = {}
        self._places: dict[str, list[_Place]] = {}
        self._watched = False

    @property
    def by_vmap(self) -> bool:
        """Whether several draws may run at once: hooks of the user's on gradients are lost then."""
        tables = [torch_module._global_backward_hooks, torch_module._global_backward_pre_hooks]
        for module in self._model.modules():
            tables += [module._backward_hooks, module._backward_pre_hooks]
        return not any(tables)

    @contextmanager
    def weights(self, weights: Mapping[str, Tensor] | None) -> Iterator[None]:
        """Run the pass inside the context with other weights.

        Args:
            weights: First name of a parameter or buffer → the tensor in its place; ``None`` for
                the model's own.

        Raises:
            InputError: The first pass uses the model's own tensor in the place of a drawn one.
        """
        if weights is None:
            yield
            return
        if not self._places:
            self._find()
        before = [(table, key, table[key]) for name in weights for table, key in self._places[name]]
        try:
            for name, value in weights.items():
                for table, key in self._places[name]:
                    table[key] = value
            if self._watched:
                yield
                return
            with _RefusingOwn({id(self._own[name]): name for name in weights}):
                yield
            self._watched = True
        finally:
            for table, key, tensor in before:
                table[key] = tensor

    def _find(self) -> None:
        self._own = {**dict(self._model.named_parameters()), **dict(self._model.named_buffers())}
        names = {id(tensor): name for name, tensor in self._own.items()}
        for module in self._model.modules():
            for table, key, tensor in _held(module):
                if id(tensor) in names:
                    self._places.setdefault(names[id(tensor)], []).append((table, key))


def _held(module: nn.Module) -> Iterator[tuple[Any, Any, Tensor]]:
    """Each tensor of a module, with the table or list that holds it and its place there."""
    for table in (module._parameters, module._buffers):
        yield from ((table, key, tensor) for key, tensor in table.items() if tensor is not None)
    # The weights that a recurrent layer holds flat are collected anew when its parameters change.
    for value in () if isinstance(module, nn.RNNBase) else list(vars(module).values()):
        if isinstance(value, list):
            held = list(enumerate(value))
        elif isinstance(value, dict) and value is not module._parameters:
            held = list(value.items()) if value is not module._buffers else []
        else:
            continue
        yield from ((value, key, part) for key, part in held if isinstance(part, nn.Parameter))


class _RefusingOwn(TorchFunctionMode):
    """Refuses a pass that uses the model's own tensors where others were put in their places.

    Args:
        own: id of each such tensor → its name.
    """

    def __init__(self, own: Mapping[int, str]) -> None:
        super().__init__()
        self._own = own

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if not _reads_attribute(func):
            for value in (*args, *(kwargs or {}).values()):
                for part in value if isinstance(value, list | tuple) else (value,):
                    if id(part) in self._own:
                        raise InputError(
                            f"the model uses its parameter {self._own[id(part)]!r} by a reference "
                            f"that weights cannot be drawn for, such as in the closure of a "
                            f"function; let it read the parameter from its module"
                        )
        return func(*args, **(kwargs or {}))


def _reads_attribute(func: Any) -> bool:
    """Whether a torch function gets a tensor's shape, device or the like, and not its values."""
    attribute = getattr(getattr(func, "__self__", None), "__name__", "")
    return getattr(func, "__name__", "") == "__get__" and attribute not in _OF_VALUES


# Attributes of a tensor that are tensors of its values.
_OF_VALUES = {"T", "mT", "H", "mH", "data", "real", "imag"}


def _count(weights: Mapping[str, Tensor]) -> int:
    """Number of draws of weights."""
    return len(next(iter(weights.values())))


def _only(weights: Mapping[str, Tensor]) -> Values:
    """Name of a parameter or buffer → its values in the first draw."""
    return {name: value[0] for name, value in weights.items()}
