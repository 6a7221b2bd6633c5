"""Collation of graphs into the arguments of one batch, concatenated or padded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from salience import Layout
from salience_molgraph.fields import N_ATOMS, NODE
from salience_molgraph.graph import Graph


def ragged(graphs: Sequence[Graph], layout: Layout) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Concatenate the atoms and the bonds of all molecules.

    Returns:
        The arguments by field name, and the numbers of atoms (``"atom"``) and of directed bonds
        (``"bond"``) of each molecule, int64 of shape (B,).
    """
    n_atoms = torch.tensor([graph.n_atoms for graph in graphs], dtype=torch.int64)
    n_bonds = torch.tensor([graph.n_bonds for graph in graphs], dtype=torch.int64)
    first_atom = n_atoms.cumsum(0) - n_atoms
    arguments: dict[str, Any] = {}
    for name in _own(layout):
        if name in ("owner", "batch"):
            arguments[name] = torch.arange(len(graphs)).repeat_interleave(n_atoms)
        elif name == "n_molecules":
            arguments[name] = len(graphs)
        elif name == "edge_index":
            arguments[name] = _join(graphs, name, 1) + first_atom.repeat_interleave(n_bonds)
        else:
            arguments[name] = _join(graphs, name, 0)
    return arguments, {"atom": n_atoms, "bond": n_bonds}


def dense(graphs: Sequence[Graph], layout: Layout, n_bond_types: int) -> dict[str, Tensor]:
    """Pad all molecules with zeros to the largest molecule of the batch.

    Returns:
        The arguments by field name.
    """
    n_atoms = torch.tensor([graph.n_atoms for graph in graphs], dtype=torch.int64)
    longest = int(n_atoms.max())
    mask = torch.arange(longest) < n_atoms[:, None]
    arguments: dict[str, Tensor] = {}
    for name in _own(layout):
        if name == "mask":
            arguments[name] = mask
        elif name in ("adjacency", "bond_adjacency"):
            arguments[name] = _adjacency(graphs, longest, name, n_bond_types)
        else:
            values = _join(graphs, name, 0)
            padded = values.new_zeros(len(graphs), longest, *values.shape[1:])
            padded[mask] = values
            arguments[name] = padded
    return arguments


def _own(layout: Layout) -> list[str]:
    """Names of the fields of the molecules, without those of the atoms that are explained."""
    return [name for name in layout.fields if name not in (NODE, N_ATOMS)]


def _adjacency(graphs: Sequence[Graph], longest: int, name: str, n_bond_types: int) -> Tensor:
    n_bonds = torch.tensor([graph.n_bonds for graph in graphs], dtype=torch.int64)
    item = torch.arange(len(graphs)).repeat_interleave(n_bonds)
    start, end = _join(graphs, "edge_index", 1)
    if name == "adjacency":
        adjacency = torch.zeros(len(graphs), longest, longest)
        adjacency[item, start, end] = 1.0
        return adjacency
    adjacency = torch.zeros(len(graphs), n_bond_types, longest, longest)
    adjacency[item, _join(graphs, "bond_type", 0), start, end] = 1.0
    return adjacency


def _join(graphs: Sequence[Graph], name: str, axis: int) -> Tensor:
    return torch.cat([graph.tensors[name] for graph in graphs], axis)
