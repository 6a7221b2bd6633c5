"""Windows: which positions are replaced together, and how often each is replaced."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from salience.data.layout import ITEM
from salience.data.views import RowView
from salience.scoring.score import Part
from salience.support.numerics import real_dtype


@dataclass(frozen=True)
class Slide:
    """The windows of all R rows along one axis.

    Args:
        axis: Position of the axis among those of the target variable.
        window: Length of the window.
        step: Step of the window.
        length: Length of the axis in each row without padding, int64 of shape (R,).
        place: Number of each index along the axis among those that are no padding, int64 of shape
            (R, n), as :meth:`RowView.place` returns it. Windows hold consecutive ones of these.
    """

    axis: int
    window: int
    step: int
    length: Tensor
    place: Tensor

    def count(self) -> Tensor:
        """Number of windows of each row, shape (R,); 1 where the window is not shorter."""
        return (self._last() + self.step - 1) // self.step + 1

    def start(self, rows: Tensor, number: Tensor) -> Tensor:
        """Position where each window starts; the last window of a row ends at the border.

        Args:
            rows: Index of the row of each window, int64.
            number: Number of each window in its row, from 0, int64.
        """
        return torch.minimum(number * self.step, self._last()[rows])

    def cover(self) -> Tensor:
        """Number of windows of each row that cover each index along the axis, shape (R, n)."""
        count, size = self.count(), self.place.shape[1]
        row = torch.repeat_interleave(count)
        number = torch.arange(len(row), device=row.device) - (count.cumsum(0) - count)[row]
        start = self.start(row, number)
        steps = count.new_zeros(len(count), size + 1)
        one = torch.ones_like(start)
        steps.index_put_((row, start), one, accumulate=True)
        steps.index_put_((row, (start + self.window).clamp_(max=size)), -one, accumulate=True)
        return steps.cumsum(1).gather(1, self.place)

    def _last(self) -> Tensor:
        return (self.length - self.window).clamp_(min=0)


class WindowGrid:
    """Windows over one or more axes of a target variable whose items are not ragged.

    Args:
        slides: The windows along each axis that they slide along.
        row_axis: Position of the item axis.
        x: Values of the target variable for all R rows.
    """

    def __init__(self, slides: list[Slide], row_axis: int, x: Tensor) -> None:
        self._slides = slides
        self._row_axis = row_axis
        self._shape = x.shape
        self.count = torch.ones(x.shape[row_axis], dtype=torch.int64, device=x.device)
        lengths = [n if i == row_axis else 1 for i, n in enumerate(x.shape)]
        cover = x.new_ones(lengths, dtype=real_dtype(x))
        for slide in slides:
            self.count = self.count * slide.count()
            # A row without real positions is in no window; 1 in the place of 0 avoids a division by
            # 0.
            hits = slide.cover().clamp_(min=1)
            cover = cover * self._shaped(hits.to(cover.dtype), slide.axis)
        #: Number of windows that cover each position, broadcastable against ``x``.
        self.cover = cover

    def inside(self, part: Part) -> Tensor:
        """Mask that is true inside each pair's window, broadcastable against the pairs' values."""
        number, rows = part.variant, part.selection.rows
        result = torch.ones([1] * len(self._shape), dtype=torch.bool, device=number.device)
        for slide in reversed(self._slides):
            count = slide.count()[rows]
            start = slide.start(rows, number % count)[:, None]
            number = number // count
            along = slide.place[rows]
            hits = (along >= start) & (along < start + slide.window)
            result = result & self._shaped(hits, slide.axis)
        return result

    def _shaped(self, values: Tensor, axis: int) -> Tensor:
        """Reshape values (rows, length of the axis) to broadcast against the target variable."""
        shape = [1] * len(self._shape)
        shape[self._row_axis], shape[axis] = values.shape
        return (values if self._row_axis < axis else values.T).reshape(shape)


class ElementGroups:
    """Groups of the elements of ragged items, each of which is replaced as a window.

    Args:
        group: Number of each element's group within its item, int64.
        view: The rows of the target variable.
        count: Number of groups of each row, int64 of shape (R,).
        x: Values of the target variable for all R rows.
    """

    def __init__(self, group: Tensor, view: RowView, count: Tensor, x: Tensor) -> None:
        self._group = group
        self._axis = view.ragged or ITEM
        self._shape = [-1 if i == view.row_axis else 1 for i in range(x.ndim)]
        self.count = count
        #: Groups that each element is in: 1, broadcastable against ``x``.
        self.cover = x.new_ones(len(group), dtype=real_dtype(x)).reshape(self._shape)

    def inside(self, part: Part) -> Tensor:
        """Mask that is true for the elements in each pair's group, broadcastable like ``cover``."""
        group = self._group[part.selection.index(self._axis)]
        hit = group == part.variant[part.selection.owner(self._axis)]
        return hit.reshape(self._shape)
