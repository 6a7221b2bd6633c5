"""Padding: which positions of a target variable are real."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from salience.data.batch import Batch
from salience.model.targets import Variable


@dataclass(frozen=True)
class Padding:
    """The real positions of a padded target variable, whose first axis counts items.

    Args:
        mask: True at real positions; length 1 along axes that are not padded.
        axes: Positions of the padded axes.
    """

    mask: Tensor
    axes: tuple[int, ...]

    @staticmethod
    def of(variable: Variable, batch: Batch) -> Padding | None:
        """The padding of a variable in a batch, ``None`` where it has none."""
        if variable.mask is None:
            return None
        mask: Tensor = batch.arguments[variable.mask]
        own = batch.layout.fields[variable.mask].axes
        order = [own.index(axis) for axis in variable.axes if axis in own]
        shape = [mask.shape[own.index(axis)] if axis in own else 1 for axis in variable.axes]
        padded = tuple(i for i, axis in enumerate(variable.axes) if i > 0 and axis in own)
        return Padding(mask.permute(order).reshape(shape).bool(), padded)

    def pick(self, rows: Tensor) -> Tensor:
        """The mask of these items."""
        return self.mask.index_select(0, rows)

    def counts(self) -> Tensor:
        """Real positions of each item, int64 of shape (B,)."""
        return self.mask.flatten(1).sum(1)

    def real(self, values: Tensor) -> Tensor:
        """The real positions of all items, one item after the other.

        Args:
            values: Shape (D, B, …), the axes of the variable behind the draws.

        Returns:
            Shape (D, E, …) with E real positions; the padded axes are gone.
        """
        front = list(range(1, 1 + len(self.axes)))
        mask = self.mask.movedim(self.axes, front).flatten(1 + len(self.axes))[..., 0]
        values = values.movedim([axis + 1 for axis in self.axes], [axis + 1 for axis in front])
        # A method that does not resolve a padded axis has length 1 there.
        values = values.expand(len(values), *mask.shape, *values.shape[2 + len(self.axes) :])
        return values[:, mask]
