"""What reports draw of a molecule: a graph of atoms and bonds, as a chemist draws it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rdkit import Chem

from salience import Explanation, InputError
from salience_molgraph.pictures.cell import atom_names, bond_of_edge, variables
from salience_molgraph.pictures.structure import flatten
from salience_molgraph.pictures.words import Naming, captions

#: Directions of the wedge of a bond, from its first atom.
_WEDGES = {Chem.BondDir.BEGINWEDGE: 1, Chem.BondDir.BEGINDASH: -1}


def payload_of(explanation: Explanation, item: int) -> Mapping[str, Any] | None:
    """A molecule's atoms in the plane, and its bonds; ``None`` where a picture has to show it.

    Args:
        explanation: The explanation.
        item: Position of the molecule, from 0.
    """
    note = explanation.annotations[item] if explanation.annotations else {}
    mol: Chem.Mol | None = note.get("mol")
    try:
        chosen = variables(explanation, None)
    except InputError:  # of blocks, of the whole graph, or several of one kind
        return None
    has_one_axis = all(explanation[name].flat.ndim == 1 for name in chosen.values())
    if mol is None or "groups" in chosen or not has_one_axis:
        return None
    made = _shape(mol)
    made |= {"variable": chosen.get("atoms"), "edge_variable": chosen.get("bonds")}
    if "bonds" in chosen:
        made["edge_of"] = bond_of_edge(explanation, item, mol)
    made["name"] = str(captions(explanation, item, mol, Naming())[0])
    made["caption"] = [f"{key} {value}" for key, value in note.get("properties", {}).items()]
    return {key: value for key, value in made.items() if value is not None}


def _shape(mol: Chem.Mol) -> dict[str, Any]:
    """Positions and symbols of the atoms, and the bonds with their orders."""
    flat = flatten(mol)
    places = flat.GetConformer().GetPositions()
    atoms = [flat.GetAtomWithIdx(i) for i in range(flat.GetNumAtoms())]
    bonds = [flat.GetBondWithIdx(i) for i in range(flat.GetNumBonds())]
    return {
        "view": "graph",
        "x": places[:, 0],
        "y": -places[:, 1],  # the y axis of a page points down
        "symbols": [_symbol(atom) for atom in atoms],
        "words": list(atom_names(mol)),
        "edges": [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in bonds],
        "orders": [min(bond.GetBondTypeAsDouble(), 3.0) or 1.0 for bond in bonds],
        "wedges": [_WEDGES.get(bond.GetBondDir(), 0) for bond in bonds],
    }


def _symbol(atom: Chem.Atom) -> str:
    """What is written at an atom: ``"OH"``, ``"NH3+"``; nothing at a carbon of a skeleton."""
    charge, hydrogens = atom.GetFormalCharge(), atom.GetTotalNumHs()
    plain = charge == 0 and not atom.GetIsotope() and not atom.GetNumRadicalElectrons()
    if atom.GetSymbol() == "C" and plain and atom.GetDegree():
        return ""
    isotope = str(atom.GetIsotope()) if atom.GetIsotope() else ""
    h = "" if not hydrogens else "H" if hydrogens == 1 else f"H{hydrogens}"
    sign = "+" if charge > 0 else "−"
    size = str(abs(charge)) if abs(charge) > 1 else ""
    return f"{isotope}{atom.GetSymbol()}{h}{f'{size}{sign}' if charge else ''}"
