"""Target variables: the variables that receive saliency, and where they are in the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from salience.data.batch import Batch
from salience.data.layout import ITEM, Layout
from salience.data.views import RowView
from salience.errors import InputError, an, brief, nearest
from salience.intake import integer
from salience.naming import names_of
from salience.shown import ShortRepr


@dataclass(frozen=True)
class Target(ShortRepr):
    """The user's reference to a target variable inside the model.

    Args:
        module: Path of the module, as in ``model.named_modules()``.
        at: ``"output"`` for what the module returns, ``"input"`` for what it is given.
        call: Index of the module's call in one forward pass, from 0.
        index: Where the module returns several values, the position or key of the variable; where
            the module takes several, the position or the name of the keyword argument.
        axes: Name of each axis of the variable; the domain's :attr:`Layout.inner` where ``None``.
    """

    module: str
    at: str = "output"
    call: int = 0
    index: int | str = 0
    axes: tuple[str, ...] | None = None

    _shows_defaults: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not isinstance(self.at, str) or self.at not in ("output", "input"):
            raise InputError(f"Target at={brief(self.at)} is neither 'output' nor 'input'")
        if not isinstance(self.module, str):
            raise InputError(f"Target module={brief(self.module)}; pass the path of a module")
        call = integer(self.call, "Target call")
        if call < 0:
            raise InputError(f"Target call={call} is negative; calls count from 0")
        object.__setattr__(self, "call", call)
        if not isinstance(self.index, str):
            object.__setattr__(self, "index", integer(self.index, "Target index"))
        if self.axes is not None:
            # A single string names one axis; it is not a sequence of one-letter names.
            axes = (self.axes,) if isinstance(self.axes, str) else self.axes
            object.__setattr__(self, "axes", names_of(axes, "Target axes"))

    @property
    def name(self) -> str:
        """Module path, then ``@input``, ``[index]`` and ``#call`` where not the defaults."""
        tail = "" if self.at == "output" else "@input"
        tail += "" if self.index == 0 else f"[{self.index}]"
        return f"{self.module}{tail}" + (f"#{self.call}" if self.call else "")


@dataclass(frozen=True)
class Variable(ShortRepr):
    """A target variable of a given model and layout.

    Exactly one of ``argument`` (for a model argument) and ``target`` (for a variable inside the
    model) is set.

    Args:
        name: Name of the target variable in results.
        axes: Name of each axis.
        mask: Name of the boolean argument that marks real positions, or ``None``.
        argument: Name of the model argument.
        target: Reference to the variable inside the model.
    """

    name: str
    axes: tuple[str, ...]
    mask: str | None = None
    argument: str | None = None
    target: Target | None = None


def view_of(variables: Sequence[Variable], name: str, batch: Batch) -> RowView:
    """How the axes of a target variable hang together with the items of a batch.

    Args:
        variables: The target variables.
        name: Name of one of them.
        batch: The items.
    """
    variable = next(v for v in variables if v.name == name)
    return RowView.of(batch, variable.axes, variable.mask)


def resolve(targets: Any, layout: Layout, model: Any) -> tuple[Variable, ...]:
    """Make the target variables from the user's ``target=``.

    Args:
        targets: ``"input"``, the name of a model argument, a module path, a :class:`Target`, or a
            sequence of these.
        layout: Layout of the domain.
        model: The model.

    Raises:
        InputError: There is no such argument or module, the same variable is named twice, or a
            variable has neither an item axis nor an element axis.
    """
    one = isinstance(targets, str | Target) or not isinstance(targets, Sequence)
    variables = tuple(_resolve(t, layout, model) for t in ([targets] if one else targets))
    names = [variable.name for variable in variables]
    if not names:
        raise InputError("target is empty; name at least one target variable")
    if len(set(names)) != len(names):
        raise InputError(f"target names a variable twice: {names}; name each once")
    layout.check_reduced(variable.axes for variable in variables)
    return variables


def _resolve(target: Any, layout: Layout, model: Any) -> Variable:
    if isinstance(target, int):
        raise InputError(
            f"target={target} is a number, but target names the variable that receives the "
            f"saliency; for the class to explain pass output=ClassScore({target})"
        )
    if isinstance(target, str):
        if target == "input" or target in layout.fields:
            name = layout.main if target == "input" else target
            spec = layout.fields[name]
            if not layout.has_rows(spec.axes):
                raise InputError(
                    f"target {target!r} is an argument that all items share, so that no item has a "
                    f"saliency of its own for it; name an argument with an item or element axis"
                )
            return Variable(target, spec.axes, spec.mask, argument=name)
        target = Target(target)
    if isinstance(target, type):
        raise InputError(f"{target.__name__} is a class; pass an object, {target.__name__}(...)")
    if not isinstance(target, Target):
        raise InputError(
            f"target is {an(type(target).__name__)}; pass 'input', a module path or a Target"
        )
    check_module(model, target.module, layout.shown)
    axes = target.axes if target.axes is not None else layout.inner
    if not layout.has_rows(axes):
        raise InputError(
            f"the axes {axes} of target {target.name!r} name neither {ITEM!r} nor one of the "
            f"element axes {layout.elements}; pass Target({target.module!r}, axes=(...))"
        )
    # A variable that lacks an axis of the mask has no padded positions.
    mask = layout.inner_mask
    if mask is not None and not set(layout.fields[mask].axes) <= set(axes):
        mask = None
    return Variable(target.name, axes, mask, target=target)


def check_module(model: Any, path: str, fields: Any = ()) -> None:
    """Raise InputError, with the nearest names, where the model has no module at ``path``.

    Args:
        model: The user's model.
        path: Path of the module, as in ``model.named_modules()``.
        fields: Further names to suggest in the error: the names of the model's arguments.
    """
    if not isinstance(model, nn.Module):
        raise InputError(
            f"cannot look for module {path!r}: the model is {an(type(model).__name__)}, "
            f"no torch.nn.Module; use target='input'"
        )
    names = [name for name, _ in model.named_modules() if name]
    if isinstance(model, torch.jit.ScriptModule):
        raise InputError(
            f"cannot look into module {path!r} of a scripted model (torch.jit); pass the model "
            f"that was scripted, or use target='input'"
        )
    if path not in names:
        raise InputError(
            f"the model has no module {path!r}; {nearest(path, [*names, *fields, 'input'])}"
        )
