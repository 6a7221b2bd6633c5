"""Molecules in files: RDKit's JSON, and beside it what that JSON omits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rdkit import Chem
from rdkit.Chem import rdMolInterchange

from salience.errors import InputError

_MAP = "molAtomMapNumber"
#: Entries that may be there beside ``"mol"``.
BESIDE = ("atoms", "bonds", "map")


def to_json(mol: Chem.Mol) -> dict[str, Any]:
    """A molecule as an entry ``"mol"``, RDKit's JSON, which keeps order and coordinates.

    Further entries are there where they are needed: ``"atoms"``, the properties of each atom, such
    as map numbers and labels of R-groups; ``"bonds"``, SMARTS of the bonds that are queries, by
    their index.

    Raises:
        InputError: The molecule has query features that these do not keep.
    """
    made: dict[str, Any] = {"mol": rdMolInterchange.MolToJSON(mol)}
    properties = [atom.GetPropsAsDict(True, False) for atom in mol.GetAtoms()]
    properties = [{k: v for k, v in one.items() if _is_plain(v)} for one in properties]
    if any(properties):
        made["atoms"] = properties
    bonds = {str(b.GetIdx()): _smarts(b) for b in mol.GetBonds() if b.HasQuery()}
    if bonds:
        made["bonds"] = bonds
    is_query = bool(bonds) or any(atom.HasQuery() for atom in mol.GetAtoms())
    if is_query and Chem.MolToCXSmarts(from_json(made)) != Chem.MolToCXSmarts(mol):
        raise InputError(
            f"a file cannot hold the query features of {Chem.MolToSmarts(mol)!r}; explain a "
            f"molecule without them"
        )
    return made


def from_json(entries: Mapping[str, Any]) -> Chem.Mol:
    """The molecule from what :func:`to_json` returned.

    Args:
        entries: Its entries. Files of earlier formats have ``"map"``, the map number of each atom.
    """
    mol: Chem.Mol = rdMolInterchange.JSONToMols(entries["mol"])[0]
    mol = _restore_bonds(mol, entries.get("bonds", {}))
    properties: Sequence[Mapping[str, Any]] = entries.get("atoms", ())
    if "map" in entries:
        properties = [{_MAP: number} for number in entries["map"]]
    for index, given in enumerate(properties):
        atom = mol.GetAtomWithIdx(index)
        for name, value in given.items():
            _set(atom, name, value)
    # RDKit's JSON omits conjugation and hybridization, which the 2-D layout of a drawing needs, as
    # for straight alkynes.
    Chem.SetConjugation(mol)
    Chem.SetHybridization(mol)
    return mol


def _restore_bonds(mol: Chem.Mol, bonds: Mapping[str, str]) -> Chem.Mol:
    if not bonds:
        return mol
    editable = Chem.RWMol(mol)
    for index, smarts in bonds.items():
        query = Chem.BondFromSmarts(smarts)
        if query is not None:
            editable.ReplaceBond(int(index), query)
    return editable.GetMol()


def _smarts(bond: Chem.Bond) -> str:
    made: str = bond.GetSmarts()  # type: ignore[call-arg]  # RDKit's stubs lack the default
    return made


def _set(atom: Chem.Atom, name: str, value: Any) -> None:
    if name == _MAP:
        atom.SetAtomMapNum(value)
    elif isinstance(value, bool):
        atom.SetBoolProp(name, value)
    elif isinstance(value, int):
        atom.SetIntProp(name, value)
    elif isinstance(value, float):
        atom.SetDoubleProp(name, value)
    else:
        atom.SetProp(name, value)


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | bool | float) or (
        isinstance(value, int) and -(2**31) <= value < 2**31
    )
