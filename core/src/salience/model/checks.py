"""Checks of models, target variables and passes, and the errors that these checks raise."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from salience.data.batch import Batch
from salience.errors import InputError, an, brief
from salience.model.backward import is_recomputing
from salience.model.outputs import Output, Tap
from salience.model.targets import Variable, check_module
from salience.support.numerics import all_finite, at_least_float32
from salience.support.raised import is_raised_by_user, is_to_be_worded


def check_not_quantised(modules: Iterable[nn.Module]) -> None:
    """Raise InputError where a model holds modules that compute in whole numbers."""
    for module in modules:
        kind = getattr(type(module), "__module__", "")
        if kind.startswith(("torch.ao.nn", "torch.nn.")) and ".quantized" in kind:
            raise InputError(
                f"the model holds a quantised {type(module).__name__} ({kind}), which computes in "
                f"whole numbers and has no gradient; pass the model as it was before quantisation"
            )


def check_value(
    variable: Variable, value: Any, batch: Batch, *, needs_gradient: bool = True
) -> None:
    """Raise InputError where the value of a target variable cannot receive saliency.

    The value must be a floating-point tensor of finite numbers with the axes of the variable and
    the length of the batch along its row axis.

    Args:
        variable: The target variable.
        value: Its value in a pass of the batch.
        batch: The items.
        needs_gradient: Whether it must have a gradient; if not, it may hold integers.
    """
    if not isinstance(value, Tensor):
        raise InputError(
            f"target variable {variable.name!r} is {an(type(value).__name__)}, expected a tensor; "
            f"pass Target(..., index=...) to pick one"
        )
    if value.is_complex():
        raise InputError(
            f"target variable {variable.name!r} is complex ({value.dtype}), but saliency is of "
            f"real numbers; explain the real variable that it is computed from"
        )
    if needs_gradient and not value.is_floating_point():
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


def check_output(output: Output, model: Any) -> None:
    """Raise InputError where an output variable taps a module that cannot be read.

    Args:
        output: The output variable.
        model: The user's model.
    """
    if isinstance(output, Tap):
        check_module(model, output.module)
    elif any(isinstance(part, Tap) for part in _inside(output)):
        raise InputError(
            f"{type(output).__name__} holds a Tap, which would get the model's output in place of "
            f"its module's; pass the Tap itself, with reduce=... for a function of what it reads"
        )


def _inside(output: Output) -> Iterator[Output]:
    """The output variables that one holds in its attributes, and those that they hold."""
    names = {*getattr(output, "__dict__", ()), *getattr(output, "__dataclass_fields__", ())}
    for part in tree_leaves([getattr(output, name) for name in names]):
        if isinstance(part, Output):
            yield part
            yield from _inside(part)


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
    try:
        scalars: Tensor = variable(output, fixed)
    except Exception as error:
        if not is_to_be_worded(error):
            raise
        form = f"shape {tuple(output.shape)}" if isinstance(output, Tensor) else None
        raise InputError(
            f"the output variable cannot be read from the model's output "
            f"({form or type(output).__name__}): {type(error).__name__}: {brief(error)}; pass an "
            f"output that fits it"
        ) from error
    if isinstance(scalars, Tensor) and not scalars.is_floating_point():
        if scalars.is_complex():
            raise InputError(
                f"the output variable is complex ({scalars.dtype}), expected one real number an "
                f"item; pass a function of what is read, e.g. output=lambda out: out[:, 0].abs()"
            )
        scalars = scalars.to(torch.get_default_dtype())
    elif isinstance(scalars, Tensor) and scalars.dtype.itemsize < 2:
        raise InputError(
            f"the output variable is of {scalars.dtype}, expected numbers of 16 bits or more; "
            f"pass a function of what is read, e.g. output=lambda out: out[:, 0].float()"
        )
    check_scalars(scalars, n_rows)
    return at_least_float32(scalars)


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

    def __reduce__(self) -> tuple[type[NotFiniteError], tuple[str, int], dict[str, Any]]:
        return type(self), (self.what, self.item), self.__dict__  # for copies, with their notes


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


def dependent(name: str) -> InputError:
    """The error for a target variable that is computed from another one.

    Args:
        name: Name of the target variable.
    """
    return InputError(
        f"target variable {name!r} is computed from another of the target variables, so that it "
        f"would hide the effect of that one; explain them one by one, in a call each"
    )


@contextmanager
def refusing(batch: Batch, fitting: int | None = None) -> Iterator[None]:
    """Make errors of a forward pass inside the context say on what data it failed.

    Args:
        batch: The items or rows of the pass.
        fitting: Number of rows of an earlier pass that the model took, if there was one.

    Raises:
        InputError: The forward pass failed, other than for want of memory.
    """
    try:
        yield
    except Exception as error:
        if is_recomputing(error) or not is_to_be_worded(error):
            raise
        raise InputError(_failed(error, batch, fitting)) from error


# What Python says of a call whose arguments are not those of the function.
_WRONG_ARGUMENTS = re.compile(r"forward\(\) (missing|takes|got) .*argument")
# What exports say of other shapes, those of later and of earlier versions of torch, and traces.
_FIXED_SHAPES = ("Guard failed", "Expected input at", "TorchScript")


def _failed(error: Exception, batch: Batch, fitting: int | None) -> str:
    """The message for a forward pass that raised an error on a batch."""
    shapes = ", ".join(
        f"{name} {tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}"
        for name in batch.layout.shown
        if isinstance(value := batch.arguments[name], Tensor)
    )
    text, rows = str(error), batch.n_items
    if any(words in text for words in _FIXED_SHAPES):
        return (
            f"the model is an export or a trace of fixed shapes and cannot take {rows} rows at "
            f"once ({text.strip().splitlines()[-1]}); pass the model that it was made from, "
            f"or export it with dynamic_shapes"
        )
    if isinstance(error, TypeError) and _WRONG_ARGUMENTS.search(text):
        return (
            f"the model's forward does not take what the domain passes, {shapes}: {brief(error)}; "
            f"name the arguments of forward in the domain's settings, or wrap the model"
        )
    if is_raised_by_user(error):
        kind = type(error).__name__
        return f"the model cannot be run on this data ({shapes}): it raised {kind}: {brief(error)}"
    if fitting is not None and fitting != batch.n_items:
        return (
            f"the model took {fitting} and cannot take {batch.n_items} rows at once ({shapes}: "
            f"{brief(error)}); let its forward take any number of rows, or pass max_rows=1 where "
            f"it takes one"
        )
    return (
        f"the model cannot be run on this data ({shapes}); pass items of the shape that the model "
        f"expects, and let its forward take any number of items: {brief(error)}"
    )
