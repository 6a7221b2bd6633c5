"""A batch of items, and the selection of its items as rows, in any order and number."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from salience.data.layout import ITEM, Field, Layout
from salience.errors import InputError, nearest
from salience.shown import ShortRepr

_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Batch(ShortRepr):
    """Collated items: the arguments of one forward pass.

    Args:
        arguments: Argument name → tensor, named as in ``layout.fields``; an ``int`` for an argument
            whose :class:`Field` says that it holds a number of items or elements.
        layout: How each argument is indexed.
        n_items: Number of items B.
        counts: Element axis → number of elements of each item, int64 of shape (B,). The elements
            of one item stand together, in the order of the items. Further entries, to which a
            :class:`Field` refers, hold what each item adds to the integers of the items behind it:
            shape (B,), or (B, …) with a length for each further axis of the argument, or 1.
        annotations: What a visualizer needs to draw each item (an image, a molecule), one mapping
            per item; empty where it needs nothing.
        device: Where the tensors are.

    Raises:
        InputError: An argument is missing, unknown, or does not have the axes that it declares.
    """

    arguments: Mapping[str, Any]
    layout: Layout
    n_items: int
    counts: Mapping[str, Tensor] = field(default_factory=dict)
    annotations: Sequence[Mapping[str, Any]] = ()
    device: torch.device = _CPU

    def __post_init__(self) -> None:
        lengths = {ITEM: self.n_items}
        for axis in self.layout.elements:
            if axis not in self.counts:
                raise InputError(
                    f"the batch lacks counts[{axis!r}], the number of elements of each item; "
                    f"pass an int64 tensor of shape ({self.n_items},)"
                )
            lengths[axis] = int(self.counts[axis].sum())
        if set(self.arguments) != set(self.layout.fields):
            raise InputError(
                f"the batch has the arguments {sorted(self.arguments)}, "
                f"but its layout declares {sorted(self.layout.fields)}; make them the same"
            )
        for name in self.layout.masks:
            mask = self.arguments[name]
            if isinstance(mask, Tensor) and mask.dtype != torch.bool:
                raise InputError(
                    f"argument {name!r} is a mask of {str(mask.dtype).removeprefix('torch.')}; "
                    f"collate it as a boolean tensor that is true at real positions"
                )
        for name, spec in self.layout.fields.items():
            if isinstance(self.arguments[name], np.ndarray):
                raise InputError(
                    f"argument {name!r} is an array of numpy; let collate make a tensor of it, "
                    f"as torch.from_numpy does"
                )
            if spec.counts is None and isinstance(self.arguments[name], Tensor):
                _check_axes(name, self.arguments[name], spec, lengths)
            if spec.refers_to not in (None, ITEM, *self.counts):
                raise InputError(
                    f"argument {name!r} refers to {spec.refers_to!r}, of which the batch has no "
                    f"counts; {nearest(spec.refers_to, [ITEM, *self.counts])}"
                )

    def to(self, device: torch.device, dtype: torch.dtype | None) -> Batch:
        """Copy of the batch on a device, with floating-point arguments in ``dtype`` where given.

        Tensors are detached, so that no backward pass enters the caller's graph.
        """

        def move(value: Any) -> Any:
            if not isinstance(value, Tensor):
                return value
            if value.is_inference():  # a tensor made in inference mode has no gradient
                value = value.clone()
            value = value.detach().to(device, dtype if value.is_floating_point() else None)
            # Rows are selected from it many times, which is slow where it is not contiguous.
            return value.contiguous()

        return replace(
            self,
            arguments={name: move(value) for name, value in self.arguments.items()},
            counts={axis: value.to(device) for axis, value in self.counts.items()},
            device=device,
        )

    def select(self, items: Tensor) -> RowSelection:
        """Select rows of this batch by item index, in any order and number, int64 of shape (R,)."""
        return RowSelection(self, items)

    def repeat(self, times: int) -> RowSelection:
        """Select all the items in order, ``times`` times over: R = times · B rows."""
        rows = torch.arange(self.n_items, device=self.device)
        return RowSelection(self, rows.repeat(times) if times > 1 else rows, is_identity=times == 1)

    def all_rows(self) -> RowSelection:
        """Select all the items, each once and in order."""
        return self.repeat(1)

    def sizes(self) -> Tensor:
        """Size of each item in the budget's unit, int64 of shape (B,).

        The size is the number of elements along the first ragged axis, 1 where no axis is ragged.
        """
        if not self.layout.elements:
            return torch.ones(self.n_items, dtype=torch.int64, device=self.device)
        return self.counts[self.layout.elements[0]]

    def size(self) -> int:
        """Size of the batch in the budget's unit: the sum of :meth:`sizes`."""
        return int(self.sizes().sum()) if self.layout.elements else self.n_items

    def numbers(self) -> int:
        """Number of values in all the argument tensors together."""
        return sum(v.numel() for v in self.arguments.values() if isinstance(v, Tensor))

    def without(self, names: Collection[str]) -> Batch:
        """Copy of the batch whose named arguments are ``None``, to be replaced by other values."""
        arguments = {k: None if k in names else v for k, v in self.arguments.items()}
        return replace(self, arguments=arguments)


class RowSelection:
    """Rows selected from a batch; each row takes all the elements of its item with it.

    This class holds everything that depends on which tensor position belongs to which row.

    Args:
        source: The batch from which rows are selected.
        rows: Index in ``source`` of the item of each row, int64 of shape (R,).
        is_identity: Whether the rows are all the items, each once and in order.
    """

    def __init__(self, source: Batch, rows: Tensor, is_identity: bool = False) -> None:
        self.source = source
        self.rows = rows
        self.is_identity = is_identity
        self.counts = (
            source.counts if is_identity else {a: count[rows] for a, count in source.counts.items()}
        )
        self._owners: dict[str, Tensor] = {}
        self._indexes: dict[str, Tensor] = {ITEM: rows}

    def __repr__(self) -> str:
        return f"RowSelection({len(self)} rows of {self.source.n_items} items)"

    def __len__(self) -> int:
        return int(self.rows.shape[0])

    def owner(self, axis: str) -> Tensor:
        """Index of the row that each position along ``axis`` belongs to, int64."""
        if axis not in self._owners:
            count = torch.arange(len(self), device=self.rows.device)
            if axis != ITEM:
                count = torch.repeat_interleave(count, self.counts[axis])
            self._owners[axis] = count
        return self._owners[axis]

    def local(self, axis: str) -> Tensor:
        """Index of each position along ``axis`` within its row, int64, from 0."""
        owner = self.owner(axis)
        if axis == ITEM:
            return torch.zeros_like(owner)
        return torch.arange(len(owner), device=owner.device) - _starts(self.counts[axis])[owner]

    def index(self, axis: str) -> Tensor:
        """Position in the source batch of each position along ``axis`` of the rows, int64."""
        if axis not in self._indexes:
            starts = _starts(self.source.counts[axis])[self.rows]
            self._indexes[axis] = starts[self.owner(axis)] + self.local(axis)
        return self._indexes[axis]

    def take(self, tensor: Tensor, axes: tuple[str, ...]) -> Tensor:
        """Take the selected rows of a tensor that is indexed like the source batch.

        Args:
            tensor: Indexed like the batch from which the rows were selected.
            axes: Name of each axis of ``tensor``.

        Returns:
            The selected rows. Do not write to the result: it may be ``tensor`` itself.
        """
        if self.is_identity or not self.source.layout.has_rows(axes):
            return tensor
        row_axis = self.source.layout.row_axis(axes)
        return tensor.index_select(row_axis[0], self.index(row_axis[1]))

    def expand(self, values: Tensor, axes: tuple[str, ...]) -> Tensor:
        """Reshape one value per row, so that it broadcasts against a tensor of these rows.

        Args:
            values: Shape (R,); or (R, …) with a length, or 1, for each of the other axes.
            axes: Name of each axis of the tensor.

        Raises:
            InputError: The axes include neither the item axis nor an element axis.
        """
        position, axis = self.source.layout.row_axis(axes)
        if axis != ITEM:
            values = values[self.owner(axis)]
        if values.ndim > 1:
            return values.movedim(0, position)
        shape = [1] * len(axes)
        shape[position] = -1
        return values.reshape(shape)

    def add_to(self, total: Tensor, values: Tensor, axes: tuple[str, ...]) -> None:
        """Add ``values`` of these rows, in place, to the positions of ``total`` they come from.

        Args:
            total: Indexed like the source batch.
            values: Indexed like the rows.
            axes: Name of each axis of both tensors.

        Raises:
            InputError: The axes include neither the item axis nor an element axis.
        """
        row_axis = self.source.layout.row_axis(axes)
        total.index_add_(row_axis[0], self.index(row_axis[1]), values)

    def batch(self) -> Batch:
        """The selected rows as a batch of their own, without annotations."""
        if self.is_identity:
            return replace(self.source, annotations=())
        arguments = {
            name: self._argument(self.source.arguments[name], spec)
            for name, spec in self.source.layout.fields.items()
        }
        return Batch(
            arguments, self.source.layout, len(self), self.counts, device=self.source.device
        )

    def _argument(self, value: Any, spec: Field) -> Any:
        if spec.counts is not None:
            return len(self) if spec.counts == ITEM else int(self.counts[spec.counts].sum())
        if not isinstance(value, Tensor):
            return value
        taken = self.take(value, spec.axes)
        if spec.refers_to is None:
            return taken
        if spec.refers_to == ITEM:
            shift = self.owner(ITEM) - self.rows
        else:
            old = _starts(self.source.counts[spec.refers_to])[self.rows]
            shift = _starts(self.counts[spec.refers_to]) - old
        return taken + self.expand(shift, spec.axes).to(taken.dtype)


def _starts(counts: Tensor) -> Tensor:
    """Position of the first element of each item."""
    return counts.cumsum(0) - counts


def _check_axes(name: str, value: Tensor, spec: Field, lengths: Mapping[str, int]) -> None:
    expected = ", ".join(spec.axes) or "no axes"
    if value.ndim != len(spec.axes):
        raise InputError(
            f"argument {name!r} has shape {tuple(value.shape)}, but its axes are ({expected}); "
            f"pass data with {len(spec.axes)} axes"
        )
    for axis, length in zip(spec.axes, value.shape, strict=True):
        if axis in lengths and length != lengths[axis]:
            raise InputError(
                f"argument {name!r} has shape {tuple(value.shape)} with axes ({expected}), but "
                f"the batch has {lengths[axis]} along {axis!r}; make the lengths agree"
            )
