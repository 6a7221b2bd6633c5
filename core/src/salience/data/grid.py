"""Grids: how the positions of an item that follow each other lie along its axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from salience.shown import ShortRepr


@dataclass(frozen=True)
class Grid(ShortRepr):
    """How the positions of each of B items are arranged.

    Tensors of several items of different sizes have one axis L, along which all the positions of
    the first item are followed by those of the second, and the axes that all items share behind it.
    A grid brings the positions of an item back to the axes, and to the places, that its domain
    declares.

    Args:
        lengths: Length of each item along each of the P axes that L runs over, the last of them
            fastest, int64 of shape (B, P).
        places: Position of each of these axes among all the axes of an item.
    """

    lengths: Tensor
    places: tuple[int, ...]

    def arrange(self, flat: Tensor, axis: int = 0) -> list[Tensor]:
        """Split a tensor into items, each with the axes that its domain declares.

        Args:
            flat: A tensor with the axis L.
            axis: Position of L; the axes before it stay where they are.
        """
        sizes = self.lengths.prod(1).tolist()
        front = [axis + i for i in range(len(self.places))]
        places = [axis + place for place in self.places]
        parts = zip(torch.split(flat, sizes, axis), self.lengths.tolist(), strict=True)
        return [
            part.reshape(*part.shape[:axis], *shape, *part.shape[axis + 1 :]).movedim(front, places)
            for part, shape in parts
        ]

    def along(self) -> list[Tensor]:
        """For each of the P axes, the place along it of each position of L, int64."""
        grids = (
            torch.meshgrid(*map(torch.arange, lengths), indexing="ij")
            for lengths in self.lengths.tolist()
        )
        each = [torch.stack([places.flatten() for places in grid]) for grid in grids]
        return list(torch.cat(each, 1))

    def select(self, positions: Tensor) -> Grid:
        """The grid of the items at ``positions``, int64."""
        return Grid(self.lengths[positions], self.places)

    @staticmethod
    def join(grids: Sequence[Grid | None]) -> Grid | None:
        """The grid of the items of several batches; ``None`` where one of them has none."""
        kept = [grid for grid in grids if grid is not None]
        if len(kept) < len(grids):
            return None
        return Grid(torch.cat([grid.lengths for grid in kept]), kept[0].places)
