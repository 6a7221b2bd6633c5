"""Checks of target variables and passes, and the errors that these checks raise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from salience.data.batch import Batch
from salience.errors import InputError, brief
from salience.model.outputs import Output
from salience.model.targets import Variable
from salience.support.memory import out_of_memory
from salience.support.numerics import all_finite


def check_value(variable: Variable, value: Any, batch: Batch) -> None:
    """Raise InputError where the value of a target variable cannot receive saliency.

    The value must be a floating-point tensor of finite numbers with the axes of the variable and
    the length of the batch along its row axis.

    Args:
        variable: The target variable.
        value: Its value in a pass of the batch.
        batch: The items.
    """
    if not isinstance(value, Tensor):
        raise InputError(
            f"target variable {variable.name!r} is a {type(value).__name__}, expected a tensor; "
            f"pass Target(..., index=...) to pick one"
        )
    if not value.is_floating_point():
        raise InputError(
            f"target variable {variable.name!r} holds integers ({value.dtype}), which have no "
            f"gradient; pass floats, or explain the output of the embedding that reads them, "
            f"e.g. target='embed'"
        )
    if value.ndim != len(variable.axes):
        raise InputError(
            f"target variable {variable.name!r} has shape {tuple(value.shape)}, but its axes are "
            f"{variable.axes}; pass Target(..., axes=(...)) with a name for each axis"
        )
    row_axis = batch.layout.row_axis(variable.axes)
    expected = batch.n_items if row_axis[1] == "item" else int(batch.counts[row_axis[1]].sum())
    if value.shape[row_axis[0]] != expected:
        raise InputError(
            f"target variable {variable.name!r} has shape {tuple(value.shape)} with axes "
            f"{variable.axes}, expected {expected} along {row_axis[1]!r}; "
            f"pass Target(..., axes=(...))"
        )
    if not all_finite(value):
        where = int((~value.isfinite()).nonzero()[0, row_axis[0]])
        item = int(batch.all_rows().owner(row_axis[1])[where])
        raise NotFiniteError(f"target variable {variable.name!r}", item)


def scalars_of(
    variable: Output, output: Any, fixed: Tensor | None, n_rows: int, *, half: bool
) -> Tensor:
    """The output variable of each row, shape (R,), from the model's output.

    Args:
        variable: The output variable.
        output: The model's output for the rows, or that of a :class:`Tap`'s module.
        fixed: What the output variable keeps fixed, first axis R, or ``None``.
        n_rows: Number of rows R.
        half: Whether passes run under autocast to 16-bit numbers.

    Raises:
        InputError: The output variable is not one scalar per row.
    """
    if half:
        # Some output variables take differences of large numbers, which need float32.
        output = tree_map(_widened, output)
    scalars: Tensor = variable(output, fixed)
    if isinstance(scalars, Tensor) and not scalars.is_floating_point():
        scalars = scalars.to(torch.get_default_dtype())
    check_scalars(scalars, n_rows)
    return scalars


def _widened(value: Any) -> Any:
    half = isinstance(value, Tensor) and value.dtype == torch.bfloat16
    return value.float() if half else value


def check_scalars(scalars: Any, n_rows: int) -> None:
    """Raise InputError unless an output variable is a tensor with one scalar per row.

    Args:
        scalars: What the output variable returned.
        n_rows: Number of rows of the pass.
    """
    if not isinstance(scalars, Tensor) or scalars.shape != (n_rows,):
        got = tuple(scalars.shape) if isinstance(scalars, Tensor) else type(scalars).__name__
        raise InputError(
            f"the output variable has shape {got}, expected one scalar an item, ({n_rows},); "
            f"let the model keep the item axis (no mean over the batch) or pass another output"
        )


class NotFiniteError(InputError):
    """Raised for values that hold NaN or infinity.

    Args:
        what: Name of the values, for the message.
        item: Index in the batch of the item that they belong to.
    """

    def __init__(self, what: str, item: int) -> None:
        self.what = what
        self.item = item
        super().__init__(
            f"{what} of item {item} holds NaN or infinity; expected finite numbers: remove or "
            f"repair this item, or look for overflow in the model"
        )


def missed(what: str, call: int, met: int) -> InputError:
    """The error for a variable inside the model that a forward pass did not reach.

    Args:
        what: Name of the variable, for the message.
        call: The call of its module that was asked for, from 0.
        met: Number of calls of the module in the forward pass.
    """
    if met == 0:
        return InputError(
            f"{what} was not met: its module is not called in a forward pass; "
            f"pass a module that the forward uses"
        )
    return InputError(
        f"{what} was not met: call {call} was asked for, but its module is called {met} "
        f"time{'s' if met > 1 else ''} in a forward pass; pass a call from 0 to {met - 1}"
    )


@contextmanager
def refusing(batch: Batch) -> Iterator[None]:
    """Make errors of a forward pass inside the context say that the model does not fit the data.

    Args:
        batch: The items or rows of the pass.

    Raises:
        InputError: The forward pass failed, other than for want of memory.
    """
    try:
        yield
    except (RuntimeError, TypeError, IndexError, ValueError) as error:
        if isinstance(error, InputError) or out_of_memory(error):
            raise
        raise InputError(f"{_cannot_run(batch)}: {brief(error)}") from error


def _cannot_run(batch: Batch) -> str:
    """Start of the message for a model that cannot be run on a batch, with the tensors' shapes."""
    shapes = ", ".join(
        f"{name} {tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}"
        for name, value in batch.arguments.items()
        if isinstance(value, Tensor)
    )
    return (
        f"the model cannot be run on this data ({shapes}); "
        f"pass items of the shape that the model expects"
    )
