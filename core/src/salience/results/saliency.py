"""The saliency of one target variable: values and standard errors for all items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from salience.data.grid import Grid
from salience.shown import ShortRepr


@dataclass(frozen=True)
class Saliency(ShortRepr):
    """Saliency of one target variable for all the items.

    Args:
        flat: Values; the first axis runs over items or, where items are ragged or padded, over the
            elements or real positions of all items together.
        flat_error: Standard error of each value over the draws, same shape; NaN for a single
            draw.
        counts: Number of elements or real positions of each item where items are ragged or padded,
            int64 of shape (B,); ``None`` where all items have one shape.
        flat_parts: Further figures of the draws, same shape as ``flat``: parts of the variance
            (``"parameters"``, ``"noise"``, ``"total"``) where draws are nested, and
            ``"top_share"`` where top places were counted.
        grid: How the positions of each item lie along the axes of its domain; ``None`` where they
            are the first axis of an item, and where all items have one shape.
        names: Names of the positions, where these are groups that were pooled: of those that all
            items have, or a tuple of names for each item; ``None`` where they have no names.
    """

    flat: Tensor
    flat_error: Tensor
    counts: Tensor | None = None
    flat_parts: Mapping[str, Tensor] = field(default_factory=dict)
    grid: Grid | None = None
    names: tuple[Any, ...] | None = None

    @property
    def values(self) -> Any:
        """A tensor of shape (B, …), or a list with one tensor per item where sizes differ."""
        return self.split(self.flat)

    @property
    def std_error(self) -> Any:
        """Standard error of :attr:`values`, of the same form; NaN for a single draw."""
        return self.split(self.flat_error)

    def select(self, positions: Tensor) -> Saliency:
        """The saliency of the items at ``positions`` (from 0), int64, copied."""
        rows = positions
        if self.counts is not None:
            # Element e of the i-th chosen item is the element e of its item in the whole.
            sizes = self.counts[positions]
            shift = (self.counts.cumsum(0) - self.counts)[positions] - (sizes.cumsum(0) - sizes)
            rows = torch.arange(int(sizes.sum()), device="cpu") + torch.repeat_interleave(
                shift, sizes
            )
        return Saliency(
            self.flat[rows],
            self.flat_error[rows],
            None if self.counts is None else self.counts[positions],
            {name: part[rows] for name, part in self.flat_parts.items()},
            grid=None if self.grid is None else self.grid.select(positions),
            names=self.names_at(positions),
        )

    def names_at(self, positions: Tensor) -> tuple[Any, ...] | None:
        """Names as in :attr:`names`, for the items at ``positions``."""
        if self.names is None or self.counts is None:
            return self.names
        return tuple(self.names[at] for at in positions.tolist())

    def per_value(self, column: Tensor) -> Tensor:
        """Give each value the entry of its item, broadcastable against :attr:`flat`.

        Args:
            column: One entry for each item, shape (B,).
        """
        own = column if self.counts is None else torch.repeat_interleave(column, self.counts)
        return own.reshape(-1, *[1] * (self.flat.ndim - 1))

    def split(self, flat: Tensor) -> Any:
        """Bring a tensor laid out like :attr:`flat` into the form of :attr:`values`."""
        if self.grid is not None:
            return self.grid.arrange(flat)
        return flat if self.counts is None else list(torch.split(flat, self.counts.tolist()))
