"""PyTorch Geometric (PyG): converts its ``Data`` to samples, and arguments to its ``Batch``.

``torch_geometric`` is imported only where a PyG batch is made.
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
    """Check that PyG is installed.

    Raises:
        InputError: PyG is not installed.
    """
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
    """Convert a PyG ``Data`` to a graph with the requested fields.

    The atoms keep their order. The molecule to draw is ``data.mol`` or is parsed from
    ``data.smiles``; it is ``None`` unless its atoms and bonds match those of the graph by index.

    Args:
        data: The PyG graph.
        fields: Names of the requested fields.
        atom_features: ``"labels"`` or a function, see :class:`salience_molgraph.MolGraph`.
        bond_types: Names of the bond types; the number of a type is its position here.

    Raises:
        InputError: The graph has no atoms, or a field is missing, has a wrong shape, type or index,
            or holds NaN or infinity.
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
    """Make a PyG batch of the named values, through which gradients flow.

    Args:
        values: Field name → value, including ``batch`` and ``n_molecules``.
        names: The fields that the model takes.
    """
    from torch_geometric.data import Batch

    n_molecules = int(values["n_molecules"])
    owner = values["batch"]
    batch = Batch(**{name: values[name] for name in names})
    batch.batch = owner
    batch.ptr = torch.cat([owner.new_zeros(1), owner.bincount(minlength=n_molecules).cumsum(0)])
    batch._num_graphs = n_molecules  # Batch.from_data_list sets it, num_graphs reads it
    return batch


def _n_atoms(data: Any) -> int:
    """Number of atoms: the length of ``x``, ``z`` or ``pos``, otherwise PyG's number of nodes.

    PyG does not use ``z`` for its number of nodes, and so misses atoms without bonds.
    """
    for name in ("x", "z", "pos"):
        if isinstance(getattr(data, name, None), Tensor):
            return len(getattr(data, name))
    return int(data.num_nodes or 0)


def _atoms(data: Any, mol: Chem.Mol | None, atom_features: str | AtomFeatures) -> Tensor:
    """Values of the field ``atoms``: int64 labels of shape (n,), or float features (n, C).

    Raises:
        InputError: ``atom_features`` is a function and there is no molecule, or there are no
            integer labels.
    """
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
    """The molecule of ``data`` if its atoms and bonds match the graph's by index, else None."""
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
