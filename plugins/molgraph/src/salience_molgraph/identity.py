"""The proof that a molecule and a PyG graph are the same, atom by atom and bond by bond.

A picture puts the saliency of the graph's atom i on the molecule's atom i, so that a molecule in
another order, or another molecule, must not be drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from rdkit import Chem
from torch import Tensor

from salience import InputError
from salience_molgraph.graph import AtomFeatures, from_mol
from salience_molgraph.reading import as_written

#: Attributes that hold atomic numbers.
_NUMBERS = ("z", "atomic_numbers", "atomic_number", "atomic_num")
#: Numbers of bond types: RDKit's own, which PyG's from_smiles uses, and those of OGB.
_RDKIT = {"SINGLE": 1, "DOUBLE": 2, "TRIPLE": 3, "AROMATIC": 12}
_OGB = {"SINGLE": 0, "DOUBLE": 1, "TRIPLE": 2, "AROMATIC": 3}


def molecule_of(
    data: Any, n_atoms: int, edges: Tensor, atom_features: str | AtomFeatures
) -> tuple[Chem.Mol | None, str]:
    """The molecule that a PyG graph carries, where it is proven to be the graph's.

    Args:
        data: The graph; its molecule is ``data.mol`` or is parsed from ``data.smiles``.
        n_atoms: Number of atoms of the graph.
        edges: Its ``edge_index``.
        atom_features: The function that made ``x`` from molecules, or ``"labels"``.

    Returns:
        A copy of the molecule, and an empty text; or ``None`` and why there is no molecule.
    """
    mol, smiles = getattr(data, "mol", None), getattr(data, "smiles", None)
    if not isinstance(mol, Chem.Mol):
        if not isinstance(smiles, str):
            return None, ""
        mol = Chem.MolFromSmiles(smiles)
        if mol is None:
            return None, f"its smiles {smiles!r} cannot be parsed"
        written = Chem.MolFromSmiles(smiles, as_written())
        if written is not None and written.GetNumAtoms() == n_atoms:
            mol = written  # the hydrogens that the string names are atoms of the graph
    mol = Chem.Mol(mol)
    if mol.GetNumAtoms() < n_atoms:
        mol.UpdatePropertyCache(strict=False)
        mol = Chem.AddHs(mol)
    problem = (
        _other_skeleton(mol, n_atoms, edges)
        or _other_elements(mol, data, atom_features)
        or _other_bonds(mol, data, edges)
    )
    return (None, problem) if problem else (mol, "")


def _other_skeleton(mol: Chem.Mol, n_atoms: int, edges: Tensor) -> str:
    if mol.GetNumAtoms() != n_atoms:
        return f"its molecule has {mol.GetNumAtoms()} atoms and its graph {n_atoms}"
    pairs = {(min(a, b), max(a, b)) for a, b in edges.T.tolist() if a != b}
    bonds = ((b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in mol.GetBonds())
    if pairs != {(min(a, b), max(a, b)) for a, b in bonds}:
        return "its molecule and its graph have bonds between other atoms"
    return ""


def _other_elements(mol: Chem.Mol, data: Any, atom_features: str | AtomFeatures) -> str:
    """Why the elements of the graph are not proven to be those of the molecule; empty if so."""
    numbers = np.array([atom.GetAtomicNum() for atom in mol.GetAtoms()], dtype=float)
    for name in _NUMBERS:
        value = getattr(data, name, None)
        if isinstance(value, Tensor) and value.numel() == len(numbers):
            same = np.array_equal(_array(value).reshape(-1), numbers)
            return "" if same else f"its molecule and its {name} name other elements"
    x = getattr(data, "x", None)
    if isinstance(x, Tensor) and len(x) == len(numbers):
        columns = _array(x).reshape(len(numbers), -1).T
        if any(np.array_equal(column, numbers) for column in columns):
            return ""
        if len(columns) and _is_encoding(columns[0], numbers):
            return ""
        if not isinstance(atom_features, str) and _made_by(atom_features, mol, x):
            return ""
    return "its graph does not prove which elements its atoms are; give its Data their numbers as z"


def _is_encoding(column: np.ndarray[Any, Any], numbers: np.ndarray[Any, Any]) -> bool:
    """Whether a column holds atomic numbers from 0, as OGB's, or scaled by a factor."""
    if np.array_equal(column, numbers - 1):
        return True
    scale = column[0] / numbers[0] if numbers[0] else 0.0
    usual = len(set(numbers)) > 1 or any(np.isclose(scale, s) for s in (0.1, 0.01))
    return bool(scale > 0 and usual and np.allclose(column, scale * numbers, rtol=1e-5, atol=0))


def _made_by(atom_features: AtomFeatures, mol: Chem.Mol, x: Tensor) -> bool:
    try:
        made = from_mol(mol, "", ("x",), atom_features, ()).tensors["x"]
    except InputError:
        return False
    return made.shape == x.shape and np.allclose(_array(made), _array(x), rtol=1e-5)


def _other_bonds(mol: Chem.Mol, data: Any, edges: Tensor) -> str:
    """Why the types of bonds contradict the molecule; empty where they do not."""
    kinds = {}
    for bond in mol.GetBonds():
        pair = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        kinds[min(pair), max(pair)] = str(bond.GetBondType())
    ends = [(min(a, b), max(a, b)) for a, b in edges.T.tolist()]
    real = [i for i, pair in enumerate(ends) if pair in kinds]
    for name in ("edge_type", "edge_attr"):
        value = getattr(data, name, None)
        if not isinstance(value, Tensor) or len(value) != len(ends) or not real:
            continue
        rows = _array(value).reshape(len(ends), -1)[real]
        if rows.shape[1] and not _may_encode(rows, [kinds[ends[i]] for i in real]):
            return f"its molecule and its {name} have other types of bonds"
    return ""


def _may_encode(rows: np.ndarray[Any, Any], kinds: Sequence[str]) -> bool:
    """Whether rows of bond features can be those of bonds of these types.

    Where the first column holds numbers of a known encoding, they are to be right; otherwise bonds
    with equal features are to be of equal type, unless all the bonds have equal features.
    """
    if (rows == rows[0]).all():
        return True
    first = set(rows[:, 0])
    known = [e for e in (_RDKIT, _OGB) if len(first) > 1 and first <= set(e.values())]
    if known:
        return any(list(rows[:, 0]) == [code.get(kind) for kind in kinds] for code in known)
    found: dict[bytes, str] = {}
    return all(found.setdefault(r.tobytes(), k) == k for r, k in zip(rows, kinds, strict=True))


def _array(value: Tensor) -> np.ndarray[Any, Any]:
    return value.detach().cpu().to(torch.float64).numpy()
