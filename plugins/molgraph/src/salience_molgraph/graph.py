"""The sample of the domain of molecules: one molecule as tensors, in its own atom order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from rdkit import Chem
from torch import Tensor

from salience import InputError

#: A function of a molecule that returns one row of features for each atom, float of shape (n, C).
AtomFeatures = Callable[[Chem.Mol], Any]


@dataclass(frozen=True)
class Graph:
    """One molecule as tensors.

    Args:
        mol: A copy of the user's molecule; ``None`` for a PyG graph without a molecule.
        name: Title or SMILES.
        n_atoms: Number of atoms n.
        tensors: Field name → values on the CPU; ``edge_index``, int64 of shape (2, D), is always
            there and holds both directions of each bond.
        data: PyG's ``Data`` for a model that takes PyG's own batch, else ``None``.
        problem: Why there is no molecule to draw; empty where there is one, or none was given.
        has_own_edges: Whether the directed bonds are in an order of the user's, and not as
            :func:`from_mol` makes them: all bonds of the molecule, then all of them turned.
        properties: Measured values and other columns that the molecule carries along.
        node: The atom whose output is explained, where the model returns one row an atom.
        id: The label of the molecule in an index or a column of ids, where there is one.
    """

    mol: Chem.Mol | None
    name: str
    n_atoms: int
    tensors: Mapping[str, Tensor]
    data: Any = None
    problem: str = ""
    node: int = 0
    has_own_edges: bool = True
    properties: Mapping[str, Any] = field(default_factory=dict)
    id: Any = None

    def note(self, *, has_bonds: bool) -> dict[str, Any]:
        """What pictures need of it: ``mol``, ``name``, ``problem`` and, where there are any, more.

        Args:
            has_bonds: Whether the model reads values of bonds, which then may be explained.
        """
        found: dict[str, Any] = {"mol": self.mol, "name": self.name, "problem": self.problem}
        if has_bonds and self.has_own_edges and self.mol is not None and self.edges is not None:
            found["edges"] = self.edges
        if self.properties:
            found["properties"] = dict(self.properties)
        return found

    @property
    def edges(self) -> Tensor | None:
        """The two atoms of each directed bond, int64 of shape (2, D); ``None`` if it has none."""
        if "edge_index" in self.tensors:
            return self.tensors["edge_index"]
        found: Tensor | None = getattr(self.data, "edge_index", None)
        return found

    @property
    def n_bonds(self) -> int:
        """Number of directed bonds D."""
        return int(self.tensors["edge_index"].shape[1])


def from_mol(
    mol: Chem.Mol,
    name: str,
    fields: Collection[str],
    atom_features: str | AtomFeatures,
    bond_types: tuple[str, ...],
) -> Graph:
    """Convert a molecule to a graph with the requested fields.

    Args:
        mol: The molecule, which the graph keeps without a copy.
        name: Title or SMILES.
        fields: Names of the requested fields.
        atom_features: ``"labels"`` or a function, see :class:`salience_molgraph.MolGraph`.
        bond_types: Names of the bond types; a bond's type is given as its position in this tuple.

    Raises:
        InputError: A requested field needs coordinates, which the molecule lacks, or a bond
            type, which is not in ``bond_types``; or ``atom_features`` returns a wrong shape or
            values that are not finite.
    """
    # Indexed access: RDKit's iterators over atoms and bonds take twice the time.
    atoms = [mol.GetAtomWithIdx(i) for i in range(mol.GetNumAtoms())]
    links = [mol.GetBondWithIdx(i) for i in range(mol.GetNumBonds())]
    ends = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in links]
    bonds = torch.tensor(ends, dtype=torch.int64).reshape(-1, 2).T
    tensors = {"edge_index": torch.cat([bonds, bonds.flip(0)], 1)}
    labels = torch.tensor([atom.GetAtomicNum() for atom in atoms], dtype=torch.int64)
    if "z" in fields:
        tensors["z"] = labels
    if "atoms" in fields or "x" in fields:
        if isinstance(atom_features, str):
            tensors |= {"atoms": labels, "x": labels[:, None]}
        else:
            tensors |= dict.fromkeys(("atoms", "x"), _features(mol, atom_features))
    if "pos" in fields:
        if mol.GetNumConformers() == 0:
            raise InputError(
                "has no coordinates for the field 'pos'; give molecules with a conformer "
                "(an SDF file, or rdkit.Chem.AllChem.EmbedMolecule)"
            )
        tensors["pos"] = torch.from_numpy(np.array(mol.GetConformer().GetPositions()))
    if not {"bond_type", "edge_attr", "bond_adjacency"}.isdisjoint(fields):
        kinds = torch.tensor([_kind(bond, bond_types) for bond in links], dtype=torch.int64)
        tensors["bond_type"] = kinds.repeat(2)
        tensors["edge_attr"] = tensors["bond_type"][:, None]
    return Graph(mol, name, len(labels), tensors, has_own_edges=False)


def _kind(bond: Chem.Bond, bond_types: tuple[str, ...]) -> int:
    kind = str(bond.GetBondType())
    if kind not in bond_types:
        raise InputError(
            f"has a bond of the kind {kind} between atoms {bond.GetBeginAtomIdx()} and "
            f"{bond.GetEndAtomIdx()}, and bond_types={bond_types} does not number it; "
            f"add it there or leave this item out"
        )
    return bond_types.index(kind)


def _features(mol: Chem.Mol, function: AtomFeatures) -> Tensor:
    features = torch.as_tensor(np.asarray(function(mol)))
    if features.ndim != 2 or len(features) != mol.GetNumAtoms():
        raise InputError(
            f"got atom features of shape {tuple(features.shape)}, expected one row for each of "
            f"its {mol.GetNumAtoms()} atoms, ({mol.GetNumAtoms()}, C); mend atom_features"
        )
    if not features.is_floating_point():
        features = features.to(torch.get_default_dtype())
    if not features.isfinite().all():
        raise InputError("got atom features that are NaN or infinite; mend atom_features")
    return features
