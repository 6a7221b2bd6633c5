"""Rows: what is known of each row of a forward pass, one column a field."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from salience.data.batch import Batch, RowSelection
from salience.shown import ShortRepr


@dataclass(frozen=True)
class Rows(ShortRepr):
    """The columns of R rows, on the device of the batch.

    Args:
        batch: The rows. Arguments that are target variables are ``None`` in it.
        items: Index in the predicted batch of each row's item, int64 of shape (R,).
        positions: Position in the data set of each row's item, int64 of shape (R,).
        keys: Key of each row's random numbers, int64 of shape (R,): that of its item and draw, or
            of its item alone where nothing is drawn.
        fixed: Values that the output variable keeps fixed, first axis R, or ``None``.
        draws: Index of each row's draw of weights, int64 of shape (R,), in ascending order, or
            ``None`` where no weights are drawn. The rows of each draw are the same items in the
            same order.
    """

    batch: Batch
    items: Tensor
    positions: Tensor
    keys: Tensor
    fixed: Tensor | None = None
    draws: Tensor | None = None

    def __len__(self) -> int:
        return self.batch.n_items

    @property
    def n_draws(self) -> int:
        """Number of draws of weights among the rows; 1 where none are drawn."""
        return 1 if self.draws is None else int(self.draws[-1] - self.draws[0]) + 1

    def take(self, selection: RowSelection) -> Rows:
        """Take the rows of a selection from :attr:`batch`, with all their columns."""
        if selection.is_identity:
            return replace(self, batch=selection.batch())
        index = selection.rows
        return Rows(
            selection.batch(),
            items=self.items[index],
            positions=self.positions[index],
            keys=self.keys[index],
            fixed=None if self.fixed is None else self.fixed[index],
            draws=None if self.draws is None else self.draws[index],
        )
