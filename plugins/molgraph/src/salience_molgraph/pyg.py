"""PyTorch Geometric: its graphs as samples, and its batches as the argument of a model.

``torch_geometric`` is imported where a batch of it is made, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from importlib.util import find_spec
from typing import Any

import torch
from rdkit import Chem
from torch import Tensor

from salience import InputError
from salience_molgraph.fields import FIELDS
from salience_molgraph.graph import AtomFeatures, Graph, from_mol

#: Field → the attribute of ``Data`` that holds it, where the names differ.
_ATTRIBUTES = {"bond_type": "edge_type"}
_FROM_GRAPH = {"owner", "batch", "n_molecules", "mask", "adjacency", "edge_index"}


def check_installed() -> None:
    """Raise InputError where PyG is missing."""
    if find_spec("torch_geometric") is None:
        raise InputError(
            "form='pyg' needs PyTorch Geometric, which is not installed; "
            "run pip install salience-molgraph[pyg], or pass form='ragged' or form='dense'"
        )


def from_data(
    data: Any,
    fields: Collection[str],
    atom_features: str | AtomFeatures,
    bond_types: tuple[str, ...],
) -> Graph:
    """The graph of a PyG ``Data``, with those fields that are asked for.

    The atoms keep their order. The molecule to draw is ``data.mol`` or comes from ``data.smiles``,
    if its atoms and bonds are those of the graph, number by number.

    Raises:
        InputError: A field is missing, or has a wrong shape or a wrong type.
    """
    edges = getattr(data, "edge_index", None)
    n_atoms = _n_atoms(data)
    if n_atoms == 0:
        raise InputError("is a molecule without atoms; leave it out")
    if not isinstance(edges, Tensor) or edges.ndim != 2 or len(edges) != 2:
        raise InputError("has no edge_index of shape (2, bonds); pass Data with one")
    edges = edges.detach().cpu().long()
    if edges.numel() and not 0 <= int(edges.min()) <= int(edges.max()) < n_atoms:
        raise InputError(
            f"has an edge_index that names atom {int(edges.max())} of {n_atoms}; "
            f"number the atoms from 0 to {n_atoms - 1}"
        )
    mol = _molecule(data, n_atoms, edges)
    tensors = {"edge_index": edges}
    for name in fields:
        if name == "atoms":
            tensors[name] = _atoms(data, mol, atom_features)
        elif name == "bond_adjacency":
            kinds = _attribute(data, "bond_type", n_atoms, edges.shape[1]).long()
            if kinds.numel() and not 0 <= int(kinds.min()) <= int(kinds.max()) < len(bond_types):
                raise InputError(
                    f"has an edge_type beyond the {len(bond_types)} kinds of "
                    f"bond_types={bond_types}; number the kinds from 0, or name more of them"
                )
            tensors["bond_type"] = kinds
        elif name not in _FROM_GRAPH:
            tensors[name] = _attribute(data, name, n_atoms, edges.shape[1])
    return Graph(mol, str(getattr(data, "smiles", None) or ""), n_atoms, tensors)


def to_data(values: Mapping[str, Any], names: Collection[str]) -> Any:
    """A PyG batch of the named values; gradients flow through it.

    Args:
        values: Field name → value, with ``n_molecules`` among them.
        names: The fields that the model takes.
    """
    from torch_geometric.data import Batch

    n_molecules = int(values["n_molecules"])
    owner = values["batch"]
    batch = Batch(**{name: values[name] for name in names})
    batch.batch = owner
    batch.ptr = torch.cat([owner.new_zeros(1), owner.bincount(minlength=n_molecules).cumsum(0)])
    batch._num_graphs = n_molecules  # what Data.from_data_list sets, read by num_graphs
    return batch


def _n_atoms(data: Any) -> int:
    """Number of atoms, from an array of atoms where there is one.

    PyG itself does not count ``z``, and then misses atoms without bonds.
    """
    for name in ("x", "z", "pos"):
        if isinstance(getattr(data, name, None), Tensor):
            return len(getattr(data, name))
    return int(data.num_nodes or 0)


def _atoms(data: Any, mol: Chem.Mol | None, atom_features: str | AtomFeatures) -> Tensor:
    """What the field ``atoms`` means for this setting of ``atom_features``."""
    if not isinstance(atom_features, str):
        if mol is None:
            raise InputError(
                "has no molecule for atom_features to look at; give its Data a smiles whose atoms "
                "are in its own order, or name the field 'x' in place of 'atoms'"
            )
        return from_mol(mol, "", ("atoms",), atom_features, ()).tensors["atoms"]
    labels = data.z if getattr(data, "z", None) is not None else getattr(data, "x", None)
    if isinstance(labels, Tensor) and not labels.is_floating_point():
        labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
        if labels.ndim == 1:
            return labels.detach().cpu().long()
    raise InputError(
        "has neither integer z of shape (atoms,) nor integer x of shape (atoms, 1) for the field "
        "'atoms'; name the field 'x' in place of 'atoms' to pass x as it is"
    )


def _attribute(data: Any, name: str, n_atoms: int, n_bonds: int) -> Tensor:
    attribute = _ATTRIBUTES.get(name, name)
    axes = FIELDS[name].axes
    value = getattr(data, attribute, None)
    if not isinstance(value, Tensor):
        raise InputError(
            f"has no {attribute!r}; name in fields=(...) what the graphs hold and the model takes, "
            f"e.g. fields=('x', 'edge_index', 'batch')"
        )
    length = n_atoms if axes[0] == "atom" else n_bonds
    if value.ndim != len(axes) or len(value) != length:
        raise InputError(
            f"has {attribute!r} of shape {tuple(value.shape)}, expected the axes {axes} "
            f"with {length} along {axes[0]!r}; reshape it"
        )
    value = value.detach().cpu()
    if value.is_floating_point() and not value.isfinite().all():
        raise InputError(f"has {attribute!r} that is NaN or infinite; mend it")
    return value


def _molecule(data: Any, n_atoms: int, edges: Tensor) -> Chem.Mol | None:
    """The molecule whose atoms and bonds are those of the graph, number by number, if any."""
    mol, smiles = getattr(data, "mol", None), getattr(data, "smiles", None)
    if not isinstance(mol, Chem.Mol):
        mol = Chem.MolFromSmiles(smiles) if isinstance(smiles, str) else None
    if mol is None:
        return None
    mol = Chem.Mol(mol)
    if mol.GetNumAtoms() < n_atoms:
        mol = Chem.AddHs(mol)
    if mol.GetNumAtoms() != n_atoms:
        return None
    pairs = {(min(a, b), max(a, b)) for a, b in edges.T.tolist() if a != b}
    bonds = ((b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in mol.GetBonds())
    if pairs != {(min(a, b), max(a, b)) for a, b in bonds}:
        return None
    labels = getattr(data, "z", None)
    if isinstance(labels, Tensor) and labels.tolist() != [a.GetAtomicNum() for a in mol.GetAtoms()]:
        return None
    return mol
