"""Padding: which positions of a target variable are real."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from salience.data.batch import Batch


@dataclass(frozen=True)
class Padding:
    """The real positions of a padded target variable, whose first axis counts items.

    Args:
        mask: True at real positions, boolean of shape (B, …): as many axes as the variable, with
            length 1 along axes that are not padded.
        axes: Positions of the padded axes among the axes of the variable.
    """

    mask: Tensor
    axes: tuple[int, ...]

    @staticmethod
    def of(axes: tuple[str, ...], mask: str | None, batch: Batch) -> Padding | None:
        """The padding of a tensor in a batch, or ``None`` where the tensor has no mask.

        Args:
            axes: Name of each axis of the tensor.
            mask: Name of the boolean argument of the batch that marks real positions, or ``None``.
            batch: The items.
        """
        if mask is None:
            return None
        real: Tensor = batch.arguments[mask]
        own = batch.layout.fields[mask].axes
        order = [own.index(axis) for axis in axes if axis in own]
        shape = [real.shape[own.index(axis)] if axis in own else 1 for axis in axes]
        padded = tuple(i for i, axis in enumerate(axes) if i > 0 and axis in own)
        return Padding(real.permute(order).reshape(shape).bool(), padded)

    def select(self, rows: Tensor) -> Tensor:
        """The mask of each row, shape (R, …), from the item of each row, int64 of shape (R,)."""
        return self.mask.index_select(0, rows)

    def counts(self) -> Tensor:
        """Number of real positions of each item, int64 of shape (B,)."""
        return self.mask.flatten(1).sum(1)

    def real(self, values: Tensor) -> Tensor:
        """The values at the real positions of all items, one item after the other.

        Args:
            values: Shape (D, B, …): the axes of the variable after an axis of D draws.

        Returns:
            Shape (D, E, …): an axis of all E real positions replaces the item axis and the padded
            axes.
        """
        front = list(range(1, 1 + len(self.axes)))
        mask = self.mask.movedim(self.axes, front).flatten(1 + len(self.axes))[..., 0]
        values = values.movedim([axis + 1 for axis in self.axes], [axis + 1 for axis in front])
        # Saliency of a calculator that does not resolve a padded axis has length 1 there.
        values = values.expand(len(values), *mask.shape, *values.shape[2 + len(self.axes) :])
        return values[:, mask]
