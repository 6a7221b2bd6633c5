"""Row views: which positions of a tensor belong to which row, and which of them are real.

A view answers for dense, padded and ragged data alike, so that a method that asks it is right on
all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor

from salience.data.batch import Batch, RowSelection
from salience.data.grid import Grid
from salience.data.layout import ITEM
from salience.shown import short

#: What there is one of for each axis: its length or its name.
Entry = TypeVar("Entry")


class RowView:
    """How the axes of a target variable hang together with R rows.

    Args:
        rows: The rows.
        axes: Name of each axis of the variable.
        mask: True at real positions, boolean with the axes of the variable, and length 1 along
            those that are not padded; ``None`` where every position is real.
        padded: Names of the padded axes.
    """

    def __init__(
        self,
        rows: RowSelection,
        axes: tuple[str, ...],
        mask: Tensor | None = None,
        padded: tuple[str, ...] = (),
    ) -> None:
        self.rows = rows
        self.axes = axes
        self.mask = mask
        self.padded = padded
        #: Position of the axis that counts rows, or the elements of all the rows.
        self.row_axis, self._row_axis_name = rows.source.layout.row_axis(axes)

    @staticmethod
    def of(batch: Batch, axes: tuple[str, ...], mask: str | None) -> RowView:
        """The view of a variable for all the items of a batch.

        Args:
            batch: The items, which are the rows.
            axes: Name of each axis of the variable.
            mask: Name of the boolean argument that marks real positions; ``None`` without one.
        """
        rows = batch.all_rows()
        if mask is None:
            return RowView(rows, axes)
        real: Tensor = batch.arguments[mask]
        own = batch.layout.fields[mask].axes
        order = [own.index(axis) for axis in axes if axis in own]
        shape = [real.shape[own.index(axis)] if axis in own else 1 for axis in axes]
        padded = tuple(axis for axis in axes if axis in own and axis != ITEM)
        return RowView(rows, axes, real.permute(order).reshape(shape), padded)

    def __repr__(self) -> str:
        padded = f", padded={short(self.padded)}" if self.padded else ""
        return f"RowView({len(self)} rows, axes={short(self.axes)}{padded})"

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def ragged(self) -> str | None:
        """Name of the axis that counts the elements of all the rows; ``None`` without one."""
        return None if self._row_axis_name == ITEM else self._row_axis_name

    @property
    def owner(self) -> Tensor:
        """Index of the row of each position along :attr:`row_axis`, int64."""
        return self.rows.owner(self._row_axis_name)

    @property
    def local(self) -> Tensor:
        """Index within its row of each position along :attr:`row_axis`, int64, from 0."""
        return self.rows.local(self._row_axis_name)

    @property
    def reduced(self) -> tuple[str, ...]:
        """Names of the axes over which the domain's layout sums saliency."""
        layout = self.rows.source.layout
        return tuple(axis for axis in self.axes if axis in (*layout.reduce, *layout.components))

    def dims(self, names: Sequence[str]) -> tuple[int, ...]:
        """Positions of the named axes; those that the variable lacks are left out."""
        return tuple(i for i, axis in enumerate(self.axes) if axis in names)

    def without_rows(self, shape: Sequence[Entry]) -> tuple[Entry, ...]:
        """Lengths or names of the variable's axes without the axis that counts rows or elements."""
        return tuple(length for i, length in enumerate(shape) if i != self.row_axis)

    def spread(self, per_row: Tensor) -> Tensor:
        """Give each position the value of its row.

        Args:
            per_row: Shape (R,); or R along :attr:`row_axis` and, along every other axis of the
                variable, its length or 1, as the reductions of this class return it.

        Returns:
            A tensor that broadcasts against the variable.
        """
        if per_row.ndim == 1:
            return self.rows.expand(per_row, self.axes)
        return per_row if self.ragged is None else per_row.index_select(self.row_axis, self.owner)

    def sum(self, values: Tensor, keep: Sequence[str] = ()) -> Tensor:
        """Sum of each row over its real positions.

        Args:
            values: Has the axes of the variable; along an axis that is not resolved, length 1.
            keep: Names of axes over which not to reduce.

        Returns:
            R along :attr:`row_axis`, the length of ``values`` along kept axes, otherwise 1;
            :meth:`spread` brings it back to the positions.
        """
        if self.mask is not None:
            values = torch.where(self.mask, values, 0)
        over = self._over(keep)
        values = values.sum(over, keepdim=True) if over else values
        if self.ragged is None:
            return values
        zeros = values.new_zeros(self._per_row(values))
        return zeros.index_add_(self.row_axis, self.owner, values)

    def mean(self, values: Tensor, keep: Sequence[str] = ()) -> Tensor:
        """Mean of each row over its real positions, as :meth:`sum`; NaN for a row without any."""
        total = self.sum(values, keep)
        return total / self.sum(values.new_ones(()).expand(values.shape), keep)

    def max(self, values: Tensor, keep: Sequence[str] = ()) -> Tensor:
        """Maximum of each row over its real positions, as :meth:`sum`; −∞ for a row without any."""
        if self.mask is not None:
            values = values.masked_fill(~self.mask, -torch.inf)
        over = self._over(keep)
        values = values.amax(over, keepdim=True) if over else values
        if self.ragged is None:
            return values
        low = values.new_full(self._per_row(values), -torch.inf)
        shape = [-1 if i == self.row_axis else 1 for i in range(values.ndim)]
        owner = self.owner.reshape(shape).expand(values.shape)
        return low.scatter_reduce_(self.row_axis, owner, values, "amax")

    def min(self, values: Tensor, keep: Sequence[str] = ()) -> Tensor:
        """Minimum of each row over its real positions, as :meth:`sum`; ∞ for a row without any."""
        return -self.max(-values, keep)

    def range(self, values: Tensor, keep: Sequence[str] = ()) -> Tensor:
        """Maximum − minimum of each row over its real positions, as :meth:`sum`."""
        return self.max(values, keep) - self.min(values, keep)

    def lengths(self, axis: str) -> Tensor | None:
        """Length of each row along an axis, without padding, int64 of shape (R,).

        Returns:
            For a padded axis the number of indexes with a real position, for an axis of elements
            their number; ``None`` where all the rows have the length of the variable.
        """
        if axis == self.ragged:
            return self.rows.counts[axis]
        place = self.place(axis)
        return None if place is None else self._real_along(axis).sum(1)

    def place(self, axis: str) -> Tensor | None:
        """Number of each index along a padded axis among those of its row with a real position.

        Returns:
            Counted from 0, int64 of shape (R, length of the axis); an index of padding has that of
            the real one before it. ``None`` where the axis is not padded.
        """
        if self.mask is None or axis not in self.padded:
            return None
        return (self._real_along(axis).cumsum(1) - 1).clamp_(min=0)

    def from_front(self, values: Tensor) -> Tensor:
        """Move values that stand for an item without padding to the real positions of each row.

        Args:
            values: Of the shape of the variable. Along a padded axis, the first values of a row
                belong to its first, second, … index with a real position.

        Returns:
            The values at their positions; at padding any values. Where padding comes last, nothing
            is moved.
        """
        for axis in self.padded:
            place, at = self.place(axis), self.axes.index(axis)
            assert place is not None
            front = torch.arange(place.shape[1], device=place.device)
            if bool(((place == front) | ~self._real_along(axis)).all()):
                continue
            shape = [1] * values.ndim
            shape[self.row_axis], shape[at] = place.shape
            index = (place if self.row_axis < at else place.T).reshape(shape)
            values = values.gather(at, index.expand(values.shape))
        return values

    def counts(self) -> Tensor | None:
        """Number of elements or real positions of each row, int64 of shape (R,).

        Returns:
            ``None`` where each row is one position: neither ragged nor padded.
        """
        if self.mask is not None:
            return self.mask.movedim(self.row_axis, 0).flatten(1).sum(1)
        return None if self.ragged is None else self.rows.counts[self.ragged]

    @property
    def inner_axes(self) -> tuple[str, ...]:
        """Names of the axes behind L, in values as :meth:`flat` returns them."""
        front = {self.axes[self.row_axis], *self.padded}
        return tuple(axis for axis in self.axes if axis not in front)

    @property
    def places(self) -> tuple[int, ...]:
        """Position of each padded axis among the axes of an item, in ascending order."""
        others = self.without_rows(self.axes)
        return tuple(others.index(axis) for axis in self.padded)

    def grid(self) -> Grid | None:
        """How L, in values as :meth:`flat` returns them, runs over the positions of each row.

        Axes over which the layout sums are left out, as in saliency.

        Returns:
            ``None`` where rows are one position each, where L takes the place of the first axis of
            an item, and where the real positions of a row do not fill a box.
        """
        front = self.padded if self.ragged is None else (self.ragged,)
        item = [axis for axis in self.axes if axis != ITEM and axis not in self.reduced]
        places = tuple(item.index(axis) for axis in front)
        if places in ((), (0,)):
            return None
        if self.mask is None:
            return Grid(self.rows.counts[front[0]][:, None].cpu(), places)
        lengths = torch.stack([self._real_along(axis).sum(1) for axis in front], 1)
        if not torch.equal(lengths.prod(1), self.counts()):  # type: ignore[arg-type]
            return None
        return Grid(lengths.cpu(), places)

    def flat(self, values: Tensor, n_draws: int) -> Tensor:
        """The values of these rows in several draws at their real positions.

        Args:
            values: The variable for D · R rows: these rows, once for each draw, draw after draw.
            n_draws: Number of draws D.

        Returns:
            Shape (D, L, …): an axis of L rows, or elements or real positions of all the rows, in
            the place of the row axis and the padded axes.
        """
        values = values.movedim(self.row_axis, 0)
        # Not −1, which a tensor without any element leaves open.
        values = values.reshape(n_draws, len(values) // n_draws, *values.shape[1:])
        if self.mask is None:
            return values
        padded = [1 + place for place in self.places]
        front = list(range(1, 1 + len(padded)))
        mask = self.mask.movedim(self.row_axis, 0).movedim(padded, front)
        mask = mask.reshape(mask.shape[: 1 + len(padded)])
        values = values.movedim([axis + 1 for axis in padded], [axis + 1 for axis in front])
        # Saliency of a calculator that does not resolve a padded axis has length 1 there.
        values = values.expand(n_draws, *mask.shape, *values.shape[2 + len(padded) :])
        return values[:, mask]

    def _real_along(self, axis: str) -> Tensor:
        """Whether a row has a real position at each index along a padded axis, shape (R, n)."""
        assert self.mask is not None
        at = 1 + self.without_rows(self.axes).index(axis)
        real = self.mask.movedim(self.row_axis, 0).movedim(at, 1)
        return real.flatten(2).any(2) if real.ndim > 2 else real

    def _over(self, keep: Sequence[str]) -> list[int]:
        """Positions of the axes over which a reduction goes, beside the axis of the rows."""
        return [i for i, axis in enumerate(self.axes) if i != self.row_axis and axis not in keep]

    def _per_row(self, values: Tensor) -> list[int]:
        return [len(self) if i == self.row_axis else n for i, n in enumerate(values.shape)]
