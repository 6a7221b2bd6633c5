"""Small networks that several test modules explain."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Atoms(nn.Module):
    """Ragged: the sum over atoms of a function of their number and their neighbours'."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.out = nn.Embedding(120, 4), nn.Linear(4, 1)

    def of(self, h: Tensor, edge_index: Tensor, owner: Tensor) -> Tensor:
        """The output, from the embedded atoms."""
        h = h.index_add(0, edge_index[1], h[edge_index[0]]).tanh()
        return h.new_zeros(int(owner.max()) + 1, 1).index_add(0, owner, self.out(h))

    def forward(self, atoms: Tensor, edge_index: Tensor, owner: Tensor) -> Tensor:
        return self.of(self.embed(atoms), edge_index, owner)


class Two(nn.Module):
    """A table with numeric and categorical columns."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.out = nn.Embedding(5, 3), nn.Linear(4, 2)

    def forward(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        return self.out(torch.cat([numeric, self.embed(categorical).flatten(1)], 1))
