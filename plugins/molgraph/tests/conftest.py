"""Small models of molecules whose saliency is known or can be compared between forms."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

SMILES = ["CCO", "c1ccccc1C(=O)O", "[Xe]", "CC(=O)[O-].[Na+]", "C[N+](C)(C)CC([O-])=O", "C#N"]


class Ragged(nn.Module):
    """Two message steps by bond type, a sum over atoms, an MLP; float64."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.embed = nn.Embedding(119, 6)
        self.message = nn.Linear(6, 4 * 6)
        self.out = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, 1))
        self.double()
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator).double() * 0.4

    def forward(
        self, atoms: Tensor, edge_index: Tensor, owner: Tensor, bond_type: Tensor
    ) -> Tensor:
        state = self.embed(atoms)
        start, end = edge_index
        row = torch.arange(len(start))
        for _ in range(2):
            sent = self.message(state).view(-1, 4, 6)[start][row, bond_type]
            state = torch.tanh(state + torch.zeros_like(state).index_add(0, end, sent))
        total = state.new_zeros(int(owner.max()) + 1, 6).index_add(0, owner, state)
        return self.out(total)


class Dense(Ragged):
    """The same function of padded arrays."""

    def forward(self, atoms: Tensor, adjacency: Tensor, mask: Tensor) -> Tensor:  # type: ignore[override]
        state = self.embed(atoms)
        real = mask[..., None].to(state.dtype)
        for _ in range(2):
            sent = self.message(state).unflatten(-1, (4, 6))
            state = torch.tanh(state + torch.einsum("btij,bitc->bjc", adjacency, sent))
        return self.out((state * real).sum(1))


class Pyg(Ragged):
    """The same function of a PyG batch."""

    def forward(self, data):  # type: ignore[no-untyped-def, override]
        assert data.num_graphs == len(data.ptr) - 1 == int(data.batch.max()) + 1
        return super().forward(data.x[:, 0], data.edge_index, data.batch, data.edge_attr[:, 0])


@pytest.fixture
def smiles() -> list[str]:
    return list(SMILES)


@pytest.fixture
def ragged() -> nn.Module:
    return Ragged()


@pytest.fixture
def dense(ragged: nn.Module) -> nn.Module:
    model = Dense()
    model.load_state_dict(ragged.state_dict())
    return model


@pytest.fixture
def pyg(ragged: nn.Module) -> nn.Module:
    model = Pyg()
    model.load_state_dict(ragged.state_dict())
    return model
