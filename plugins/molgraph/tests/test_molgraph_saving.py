"""Molecules in saved files: map numbers, labels, queries and stereo come back."""

from pathlib import Path

import pytest
from rdkit import Chem

from salience_molgraph import MolGraph

MOLECULES = {
    "map numbers": Chem.MolFromSmiles("[CH3:1]O"),
    "numbered R-groups": Chem.MolFromSmiles("[*:1]CC[2*]"),
    "labelled R-groups": Chem.MolFromSmiles("*CC |$R1;;$|"),
    "labels of a mol block": Chem.MolFromMolBlock(Chem.MolToMolBlock(Chem.MolFromSmiles("[1*]CC"))),
    "labels of atoms": Chem.MolFromSmiles("CCO |$a;b;c$|"),
    "charge and isotope": Chem.MolFromSmiles("[13CH3]C(=O)[O-]"),
    "stereo": Chem.MolFromSmiles("C[C@H](N)C(=O)O/C=C/F"),
    "enhanced stereo": Chem.MolFromSmiles("C[C@H](N)O |o1:1|"),
    "a list of atoms and any bond": Chem.MolFromSmarts("[#6,#7]~C"),
    "an atom in a ring": Chem.MolFromSmarts("[C;R]-C=,:O"),
}
COMPUTED = ("_CIPRank", "_CIPCode", "_ChiralityPossible", "__computedProps")


def told(mol: Chem.Mol) -> list[object]:
    properties = [
        {k: v for k, v in atom.GetPropsAsDict(True, False).items() if k not in COMPUTED}
        for atom in mol.GetAtoms()
    ]
    queries = [part.HasQuery() for parts in (mol.GetAtoms(), mol.GetBonds()) for part in parts]
    return [Chem.MolToCXSmarts(mol), Chem.MolToSmarts(mol), properties, queries]


@pytest.mark.parametrize("name", MOLECULES)
def test_what_a_molecule_says_comes_back(name: str, tmp_path: Path) -> None:
    domain, mol = MolGraph(), MOLECULES[name]
    annotation = {"mol": mol, "name": "a"}
    found = domain.decode(domain.encode(annotation))
    assert told(found["mol"]) == told(mol)
    assert set(found) == set(annotation)


def test_the_map_numbers_of_earlier_files_are_read() -> None:
    domain = MolGraph()
    stored = domain.encode({"mol": MOLECULES["map numbers"], "name": ""})
    del stored["atoms"]
    found = domain.decode({**stored, "map": [1, 0]})
    assert [atom.GetAtomMapNum() for atom in found["mol"].GetAtoms()] == [1, 0]
    assert "map" not in found
