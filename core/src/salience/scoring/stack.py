"""Stacks: rows × variants in an order in which copies and sums need no index."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Stack:
    """All the rows, once for each of some variants, in the order (draw of weights, variant, row).

    Args:
        n_rows: Number of rows R.
        n_draws: Number of draws of weights among the rows; 1 where none are drawn.
        n_variants: Number of variants S.
    """

    n_rows: int
    n_draws: int
    n_variants: int

    def rows(self, device: torch.device) -> Tensor:
        """Index of the row of each pair, int64 of shape (S · R,)."""
        index = torch.arange(self.n_rows, device=device)
        if self.n_variants == 1:
            return index
        return self.apart(index, 0).unsqueeze(1).expand(-1, self.n_variants, -1).flatten()

    def variant(self, start: int, device: torch.device) -> Tensor:
        """Number of the variant of each pair, from ``start``, int64 of shape (S · R,)."""
        numbers = torch.arange(start, start + self.n_variants, device=device)
        shape = self.n_draws, self.n_variants, self.n_rows // self.n_draws
        return numbers[:, None].expand(shape).flatten()

    def apart(self, values: Tensor, row_axis: int) -> Tensor:
        """Split the axis of the rows, or of their elements, into (draw of weights, rest)."""
        return values.unflatten(row_axis, (self.n_draws, -1))  # type: ignore[no-untyped-call, no-any-return]

    def spread(self, per_variant: Tensor, ndim: int, row_axis: int) -> Tensor:
        """Reshape one number a variant to broadcast against (draw, variant, rest) of the values."""
        return per_variant.reshape([-1 if i == row_axis + 1 else 1 for i in range(ndim + 2)])
