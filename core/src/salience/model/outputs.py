"""Output variables: the scalar per item that is explained.

A choice that depends on the prediction for the clean item, such as the predicted class, is made
once from that prediction and stays fixed at noisy or interpolated points.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from salience.errors import InputError, brief, nearest
from salience.intake import array, integer_array
from salience.plugins.parts import parse, placeholder
from salience.support.settings import CheckedSettings


class Output(CheckedSettings, ABC):
    """An output variable: a function that reads one scalar per row from the model's output."""

    def check(self, n_items: int, more: bool = False) -> None:
        """Raise InputError where this output variable does not fit the number of items.

        Args:
            n_items: Number of items in the data set, or in the part of a stream read so far.
            more: Whether further items may follow, as in a stream.
        """

    def fix(self, output: Any, positions: Tensor) -> Tensor | None:
        """Values that stay fixed while an item is explained, first axis B, or ``None``.

        Args:
            output: The model's output for the clean items.
            positions: Position of each item in the data set, int64 of shape (B,).
        """
        return None

    @abstractmethod
    def __call__(self, output: Any, fixed: Tensor | None) -> Tensor:
        """The output variable of each row, shape (R,).

        Args:
            output: The model's output for the rows.
            fixed: What :meth:`fix` returned, with one entry per row (first axis R).
        """


@dataclass(frozen=True)
class Predicted(Output):
    """The score of the class that is predicted for the clean item.

    The model must return one score per class, shape (B, K) with K > 1.
    """

    def fix(self, output: Any, positions: Tensor) -> Tensor:
        """The predicted class of each item, int64 of shape (B,)."""
        return _scores(output, "Predicted").argmax(1)

    def __call__(self, output: Any, fixed: Tensor | None) -> Tensor:
        """The score of each row's fixed class, shape (R,)."""
        selection: Tensor = output.gather(1, _kept(fixed, self)[:, None])[:, 0]
        return selection


@dataclass(frozen=True)
class ClassScore(Output):
    """The score of one class for all items, from a model output of shape (B, K).

    Args:
        index: Index of the class, from 0.
    """

    index: int

    def fix(self, output: Any, positions: Tensor) -> None:
        """Check that the model scores the class, and keep nothing: the class is a parameter."""
        classes = _scores(output, "ClassScore").shape[1]
        if not 0 <= self.index < classes:
            raise InputError(
                f"class index {self.index} is out of range: the model scores {classes} classes; "
                f"pass 0 to {classes - 1}"
            )

    def __call__(self, output: Any, fixed: Tensor | None) -> Tensor:
        """The score of the class in each row, shape (R,)."""
        selection: Tensor = output[:, self.index]
        return selection


@dataclass(frozen=True)
class CrossEntropy(Output):
    """The cross entropy −log softmax(output)[label] of each item, from scores of shape (B, K).

    Args:
        labels: Class index of each item, in order; where ``None``, the class predicted for it.
    """

    per_item: ClassVar[tuple[str, ...]] = ("labels",)

    labels: Sequence[int] | Tensor | None = None

    def check(self, n_items: int, more: bool = False) -> None:
        """Raise InputError unless ``labels`` holds one whole number per item."""
        if self.labels is None:
            return
        labels = array(self.labels, "CrossEntropy(labels=...)", "whole numbers")
        if more and labels.ndim == 1:
            n_items = max(n_items, len(labels))
        if labels.ndim == 1 and (got := len(labels)) != n_items:
            raise InputError(f"CrossEntropy got {got} labels for {n_items} items; pass one an item")
        if labels.shape != (n_items,):
            raise InputError(
                f"the labels of CrossEntropy have shape {tuple(labels.shape)}, expected one whole "
                f"number an item, ({n_items},)"
            )
        integer_array(labels, "CrossEntropy(labels=...)")

    def fix(self, output: Any, positions: Tensor) -> Tensor:
        """The label of each item, int64 of shape (B,); a wrong one is found at the first batch."""
        scores = _scores(output, "CrossEntropy")
        if self.labels is None:
            return scores.argmax(1)
        labels = integer_array(self.labels, "CrossEntropy(labels=...)").to(scores.device)
        wrong = (labels < 0) | (labels >= scores.shape[1])
        if wrong.any():
            first = int(wrong.nonzero()[0, 0])
            raise InputError(
                f"label {int(labels[first])} of item {first} is out of range: the model scores "
                f"{scores.shape[1]} classes; pass 0 to {scores.shape[1] - 1}"
            )
        return labels[positions]

    def __call__(self, output: Any, fixed: Tensor | None) -> Tensor:
        """The cross entropy of each row's fixed label, shape (R,)."""
        return torch.nn.functional.cross_entropy(output, _kept(fixed, self), reduction="none")


@dataclass(frozen=True)
class Value(Output):
    """The predicted value, from a model output of shape (B,), (B, 1) or, with ``index``, (B, K).

    Args:
        index: Index of the value among K, from 0; ``None`` where the model returns one value.
    """

    index: int | None = None

    def fix(self, output: Any, positions: Tensor) -> None:
        """Check the shape of the model's output; nothing needs to stay fixed."""
        if not isinstance(output, Tensor) or output.ndim not in (1, 2):
            raise InputError(
                f"Value() needs a model output of shape (B,) or (B, K), got {_form(output)}; "
                f"pass a function of the output instead, e.g. output=lambda out: out[0][:, 3]"
            )
        width = output.shape[1] if output.ndim == 2 else 1
        if self.index is None and width != 1:
            raise InputError(
                f"Value() needs one value an item, but the model returns {width}; "
                f"pass output=Value(index) with an index from 0 to {width - 1}"
            )
        if self.index is not None and not 0 <= self.index < width:
            raise InputError(
                f"value index {self.index} is out of range: the model returns {width} values an "
                f"item; pass 0 to {width - 1}"
            )

    def __call__(self, output: Any, fixed: Tensor | None) -> Tensor:
        """The value in each row, shape (R,)."""
        column: Tensor = output if output.ndim == 1 else output[:, self.index or 0]
        return column


@dataclass(frozen=True)
class Custom(Output):
    """An output variable computed by the user's function.

    Args:
        function: Takes the model's output; returns one scalar per item, shape (B,).
    """

    function: Callable[[Any], Tensor]

    def __call__(self, output: Any, fixed: Tensor | None) -> Tensor:
        """The function's value for each row, shape (R,)."""
        return self.function(output)


@dataclass(frozen=True)
class Tap(Output):
    """The output of a module inside the model, reduced to one scalar per item.

    Args:
        module: Path of the module.
        call: Index of the module's call in one forward pass, from 0.
        reduce: Function of the module's output that returns shape (B,); where ``None``, the sum
            over all axes but the first.
    """

    module: str
    call: int = 0
    reduce: Callable[[Any], Tensor] | None = None

    def __call__(self, output: Any, fixed: Tensor | None) -> Tensor:
        """The reduced output of the module in each row, shape (R,)."""
        if self.reduce is not None:
            return self.reduce(output)
        if not isinstance(output, Tensor) or output.ndim == 0:
            raise InputError(
                f"module {self.module!r} returns {_form(output)}, of which Tap cannot take the "
                f"sum per item; pass Tap({self.module!r}, reduce=...)"
            )
        return output.flatten(1).sum(1) if output.ndim > 1 else output


_NAMED: dict[str, type[Output]] = {
    "predicted": Predicted,
    "class": ClassScore,
    "cross_entropy": CrossEntropy,
    "value": Value,
    "tap": Tap,
}


def make_output(spec: Any) -> Output:
    """Make the output variable from the user's ``output=``.

    Args:
        spec: An :class:`Output`; ``"predicted"``, ``"value"``, ``"cross_entropy"``, ``"class:3"``;
            a config mapping; or a function of the model's output.

    Raises:
        InputError: The name or a parameter is unknown, or ``spec`` has no such form.
    """
    if isinstance(spec, Output):
        return spec
    known = ", ".join(_NAMED)
    if isinstance(spec, Mapping):
        parameters = dict(spec)
        name = parameters.pop("name", "")
        if not isinstance(name, str) or not name:
            raise InputError(f"the output {brief(spec)} has no 'name'; known are: {known}")
    elif isinstance(spec, str):
        name, _, rest = spec.partition(":")
        if rest.removeprefix("-").isdecimal() and len(rest) < 20:
            parameters = {"index": int(rest)}
        else:
            name, parameters = parse(spec)
    elif callable(spec) and not isinstance(spec, type):
        return Custom(spec)
    elif isinstance(spec, type):
        raise InputError(f"{spec.__name__} is a class; pass an object, {spec.__name__}(...)")
    else:
        hint = f", for a class ClassScore({spec})" if isinstance(spec, int) else ""
        forms = "a name, an object such as Value() or a function"
        raise InputError(f"output is {brief(spec)}; pass {forms}{hint}")
    if name not in _NAMED:
        raise InputError(f"unknown output {name!r}; {nearest(name, _NAMED)}")
    try:
        return _NAMED[name](**parameters)
    except TypeError as error:
        what = f"output {name!r} cannot be made of {brief(parameters)}"
        raise InputError(f"{what}: {brief(error)}") from error


def output_config(output: Output) -> dict[str, Any]:
    """Name and parameters of an output variable, from which :func:`make_output` makes it again."""
    names = {cls: name for name, cls in _NAMED.items()}
    name = names.get(type(output), placeholder(type(output).__qualname__))
    own = [f.name for f in fields(output)] if is_dataclass(output) else list(vars(output))
    return {"name": name} | {field: getattr(output, field) for field in own}


def _scores(output: Any, name: str) -> Tensor:
    if not isinstance(output, Tensor) or output.ndim != 2 or output.shape[1] < 2:
        raise InputError(
            f"{name} needs one score a class, a model output of shape (B, K) with K > 1, got "
            f"{_form(output)}; for regression pass output='value', else a function of the "
            f"output that returns one scalar an item"
        )
    return output


def _kept(fixed: Tensor | None, output: Output) -> Tensor:
    if fixed is None:
        raise InputError(
            f"{type(output).__name__} was given nothing of what it keeps fixed; let the output "
            f"around it return self.inner.fix(output, positions) from its own fix"
        )
    return fixed


def _form(output: Any) -> str:
    return f"shape {tuple(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
