"""Molecules, graphs of PyG and their visualizer keep what salience relies on."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from salience.testing import parametrize_checks
from salience_molgraph import MoleculePlot, MolGraph

geometric = pytest.importorskip("torch_geometric")
SMILES = ["CCO", "c1ccccc1C(=O)O", "[Xe]", "CC(=O)[O-].[Na+]", "C#N"]
RAGGED = MolGraph(fields=("atoms", "edge_index", "owner", "bond_type"))


class Ragged(nn.Module):
    """A message step by bond type, and a sum over atoms."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.message = nn.Embedding(119, 4), nn.Linear(4, 16)
        self.out = nn.Sequential(nn.Tanh(), nn.Dropout(0.5), nn.Linear(4, 1))
        self.double()

    def forward(self, atoms, edge_index, owner, bond_type):
        state = self.embed(atoms)
        start, end = edge_index
        sent = self.message(state).unflatten(-1, (4, 4))[start, bond_type]
        state = torch.tanh(state.index_add(0, end, sent))
        return self.out(state.new_zeros(int(owner.max()) + 1, 4).index_add(0, owner, state))


class Dense(Ragged):
    """The same of padded arrays."""

    def forward(self, atoms, adjacency, mask):
        state = self.embed(atoms)
        sent = self.message(state).unflatten(-1, (4, 4))
        state = torch.tanh(state + torch.einsum("btij,bitc->bjc", adjacency.to(sent.dtype), sent))
        return self.out((state * mask[..., None]).sum(1))


class Pyg(nn.Module):
    """A layer of PyG, of one batch."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.out = geometric.nn.GCNConv(3, 4), nn.Linear(4, 1)
        self.double()

    def forward(self, data):
        hidden = torch.tanh(self.conv(data.x, data.edge_index))
        return self.out(geometric.nn.global_add_pool(hidden, data.batch))


def graphs(n_tables: int = 0) -> list:
    """Graphs of several sizes, with a table of each that PyG stacks."""
    generator = torch.Generator().manual_seed(0)
    made = []
    for n_atoms, n_pairs in ((5, 4), (3, 3), (1, 0), (4, 2)):
        ends = torch.randint(n_atoms, (2, n_pairs), generator=generator)
        x = torch.randn(n_atoms, 3, generator=generator, dtype=torch.float64)
        table = {"y": torch.randn(1, n_tables, generator=generator)} if n_tables else {}
        made.append(
            geometric.data.Data(x=x, edge_index=torch.cat([ends, ends.flip(0)], 1), **table)
        )
    return made


@parametrize_checks(RAGGED, data=SMILES, model=Ragged())
def test_ragged_molecules_conform(check):
    check()


@parametrize_checks(
    MolGraph("dense", fields=("atoms", "bond_adjacency", "mask")), data=SMILES, model=Dense()
)
def test_padded_molecules_conform(check):
    check()


UNDRAWN = "these graphs carry no molecule, which the visualizer says"


@parametrize_checks(
    MolGraph("pyg", target="input"),
    data=graphs(),
    model=Pyg(),
    xfail={
        "pictures_are_drawn": UNDRAWN,
        "text_is_escaped": UNDRAWN,
        "loaded_explanations_are_drawn": UNDRAWN,
    },
)
def test_graphs_of_pyg_conform(check):
    check()


@parametrize_checks(MolGraph("pyg"), data=graphs(n_tables=2))
def test_graphs_of_pyg_with_tables_conform(check):
    check()


@parametrize_checks(MoleculePlot(), data=SMILES, model=Ragged(), domain=RAGGED)
def test_the_visualizer_conforms(check):
    check()
