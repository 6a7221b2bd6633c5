"""Molecules become arrays in their own atom order, and what cannot be served is refused."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from rdkit import Chem
from rdkit.Chem import AllChem

from salience import InputError
from salience_molgraph import MolGraph


def _labels(data, **settings):
    return [graph.tensors["atoms"].tolist() for graph in MolGraph(**settings).read(data)]


def _embedded(smiles: str) -> Chem.Mol:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    AllChem.EmbedMolecule(mol, randomSeed=1)
    mol.SetProp("_Name", "made in 3-D")
    return mol


def _write_sdf(path: Path, mols: list[Chem.Mol]) -> Path:
    with Chem.SDWriter(str(path)) as writer:
        for mol in mols:
            writer.write(mol)
    return path


def test_arguments_of_a_batch_by_hand():
    domain = MolGraph(fields=("atoms", "edge_index", "bond_type", "owner", "n_molecules"))
    batch = domain.collate(domain.read(["C=O", "[Xe]", "C#N"]))
    assert batch.arguments["atoms"].tolist() == [6, 8, 54, 6, 7]
    assert batch.arguments["edge_index"].tolist() == [[0, 1, 3, 4], [1, 0, 4, 3]]
    assert batch.arguments["bond_type"].tolist() == [1, 1, 2, 2]
    assert batch.arguments["owner"].tolist() == [0, 0, 1, 2, 2]
    assert batch.arguments["n_molecules"] == 3
    assert batch.counts["atom"].tolist() == [2, 1, 2]
    assert batch.counts["bond"].tolist() == [2, 0, 2]


def test_dense_batch_is_padded_with_zeros_to_its_own_largest_molecule():
    domain = MolGraph("dense", fields=("atoms", "adjacency", "bond_adjacency", "mask"))
    batch = domain.collate(domain.read(["C=O", "[Xe]", "CC#N"]))
    assert batch.arguments["atoms"].tolist() == [[6, 8, 0], [54, 0, 0], [6, 6, 7]]
    assert batch.arguments["mask"].sum(1).tolist() == [2, 1, 3]
    adjacency, by_type = batch.arguments["adjacency"], batch.arguments["bond_adjacency"]
    assert torch.equal(by_type.sum(1), adjacency)
    assert by_type[0].nonzero().tolist() == [[1, 0, 1], [1, 1, 0]]
    assert torch.equal(adjacency, adjacency.transpose(1, 2))


def test_atom_order_is_the_molecule_objects_own():
    mol = Chem.MolFromSmiles("CCO")
    turned = Chem.RenumberAtoms(mol, [2, 0, 1])
    assert _labels([mol, turned, "OCC", "C(O)C"]) == [[6, 6, 8], [8, 6, 6], [8, 6, 6], [6, 8, 6]]


def test_the_users_molecule_is_not_changed():
    mol = _embedded("CCO")
    before, props = mol.ToBinary(), sorted(mol.GetPropNames(True, True))
    for settings in ({}, {"add_hs": True}, {"fields": ("pos",)}):
        graph = MolGraph(**settings).read(mol)[0]
        assert graph.mol is not mol
    assert mol.ToBinary() == before
    assert sorted(mol.GetPropNames(True, True)) == props


def test_all_kinds_of_data_are_read_alike(tmp_path):
    smiles = ["CCO", "c1ccccc1", "[Na+].[Cl-]"]
    mols = [Chem.MolFromSmiles(text) for text in smiles]
    (tmp_path / "a.smi").write_text("smiles name\nCCO ethanol\n\nc1ccccc1\tbenzene\n[Na+].[Cl-]\n")
    table = pd.DataFrame({"y": [1, 2, 3], "SMILES": smiles})
    table.to_csv(tmp_path / "a.csv", index=False)
    sdf = _write_sdf(tmp_path / "a.sdf", mols)
    expected = _labels(smiles)
    for data in (
        *(mols, iter(mols), np.array(smiles), table, table["SMILES"]),
        *(sdf, str(sdf), tmp_path / "a.smi", tmp_path / "a.csv", Chem.SDMolSupplier(str(sdf))),
    ):
        assert _labels(data) == expected
    assert _labels("CCO") == _labels(mols[0]) == expected[:1]


def test_names_are_titles_where_there_are_any(tmp_path):
    (tmp_path / "a.smi").write_text("CCO ethyl alcohol\nC\n")
    named = [graph.name for graph in MolGraph().read(tmp_path / "a.smi")]
    assert named == ["ethyl alcohol", "C"]
    assert MolGraph().read(_embedded("CO"))[0].name == "made in 3-D"
    assert MolGraph().read(Chem.MolFromSmiles("OC"))[0].name == "CO"


def test_sdf_is_read_from_the_mol_block_and_not_from_a_stored_smiles(tmp_path):
    mol = Chem.MolFromSmiles("CCO")
    mol.SetProp("SMILES", "not a molecule")
    assert _labels(_write_sdf(tmp_path / "a.sdf", [mol])) == [[6, 6, 8]]


def test_hydrogens_are_made_explicit_on_request_and_stand_last():
    mol = Chem.MolFromSmiles("CO")
    assert _labels(mol, add_hs=True) == [[6, 8, 1, 1, 1, 1]]
    assert mol.GetNumAtoms() == 2


def test_hydrogens_of_an_sdf_keep_their_coordinates(tmp_path):
    mol = _embedded("CO")
    path = _write_sdf(tmp_path / "a.sdf", [mol])
    domain = MolGraph(fields=("z", "pos"), add_hs=True)
    pos = domain.read(path)[0].tensors["pos"]
    assert np.allclose(pos.numpy(), mol.GetConformer().GetPositions(), atol=1e-3)


@pytest.mark.parametrize(
    ("data", "parts"),
    [
        (["CCO", "C1CC"], ["item 1", "'C1CC'"]),
        (["CCO", "CC(C)(C)(C)C"], ["item 1", "valence", "'CC(C)(C)(C)C'"]),
        (["CCO", "xx", "C", "yy", "zz"], ["item 1", "'xx'", "items 1, 3, 4"]),
        (["CCO", ""], ["item 1", "without atoms"]),
        ([Chem.Mol()], ["item 0", "without atoms"]),
        ([Chem.MolFromSmiles("C"), None], ["item 1", "NoneType"]),
        (["C", 3], ["item 1", "int"]),
        ([], ["no molecules"]),
        (7, ["int", "SMILES"]),
        ("nowhere.sdf", ["nowhere.sdf", "no file"]),
        (Path("a.xyz"), ["a.xyz", ".sdf"]),
        (pd.DataFrame({"smile": ["C"]}), ["'smiles'", "'smile'"]),
    ],
)
def test_what_cannot_be_read_is_named(data, parts):
    with pytest.raises(InputError) as error:
        MolGraph().read(data)
    for part in parts:
        assert part in str(error.value)


def test_a_broken_sdf_record_is_named_with_its_reason(tmp_path):
    bad = Chem.MolFromSmiles("CC(C)(C)(C)C", sanitize=False)
    path = tmp_path / "a.sdf"
    block = Chem.MolToMolBlock(bad, kekulize=False)
    good = Chem.MolToMolBlock(Chem.MolFromSmiles("CO"))
    path.write_text(f"{good}$$$$\n{block}$$$$\n")
    with pytest.raises(InputError, match=r"item 1 \(record 2 of a.sdf\).*valence"):
        MolGraph().read(path)


def test_a_broken_line_of_a_file_is_named(tmp_path):
    (tmp_path / "a.smi").write_text("C\n\nC1C\n")
    (tmp_path / "a.csv").write_text("smiles,y\nC,1\nC1C,2\n")
    with pytest.raises(InputError, match=r"item 1 \(line 3 of a.smi\) 'C1C'"):
        MolGraph().read(tmp_path / "a.smi")
    with pytest.raises(InputError, match=r"item 1 \(line 3 of a.csv\) 'C1C'"):
        MolGraph().read(tmp_path / "a.csv")


def test_nothing_is_printed_about_a_bad_molecule(capfd):
    with pytest.raises(InputError):
        MolGraph().read(["C1CC"])
    assert capfd.readouterr().err == ""


def test_float_features_are_taken_as_they_come():
    def features(mol):
        return np.array([[atom.GetMass(), atom.GetDegree()] for atom in mol.GetAtoms()])

    domain = MolGraph(atom_features=features)
    batch = domain.collate(domain.read(["CO", "[Xe]"]))
    assert domain.target == "input"
    assert batch.arguments["atoms"].dtype == torch.float64
    assert batch.arguments["atoms"].shape == (3, 2)
    padded = MolGraph("dense", features).collate(domain.read(["CO", "[Xe]"]))
    assert padded.arguments["atoms"].shape == (2, 2, 2)
    assert (padded.arguments["atoms"][1, 1] == 0).all()


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (lambda mol: np.zeros(3), "shape"),
        (lambda mol: np.zeros((1, 2)), r"item 0 .*\(3, C\)"),
        (lambda mol: np.full((mol.GetNumAtoms(), 2), np.nan), "NaN"),
        (lambda mol: np.zeros((mol.GetNumAtoms(), mol.GetNumAtoms())), "item 1 .*item 0"),
    ],
)
def test_bad_features_are_refused(features, message):
    with pytest.raises(InputError, match=message):
        MolGraph(atom_features=features).read(["CCO", "CC"])


def test_a_bond_of_an_unnumbered_kind_is_refused_only_where_kinds_are_used():
    mol = Chem.MolFromSmiles("CO->[Fe]", sanitize=False)
    with pytest.raises(InputError, match=r"item 0 .*DATIVE between atoms 1 and 2"):
        MolGraph(fields=("atoms", "bond_type")).read(mol)
    kinds = ("SINGLE", "DATIVE")
    graph = MolGraph(fields=("bond_type",), bond_types=kinds).read(mol)[0]
    assert graph.tensors["bond_type"].tolist() == [0, 1, 0, 1]
    assert MolGraph().read(mol)[0].n_bonds == 4


def test_coordinates_are_asked_for_by_name():
    with pytest.raises(InputError, match="item 0 has no coordinates"):
        MolGraph(fields=("z", "pos")).read("CCO")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"form": "raged"}, "did you mean 'ragged'"),
        ({"fields": ("atom",)}, "'atoms'"),
        ({"fields": ("atoms", "atoms")}, "once"),
        ({"form": "dense", "fields": ("owner",)}, "'owner'"),
        ({"atom_features": "label"}, "'label'"),
        ({"bond_types": ("single",)}, "SINGLE"),
    ],
)
def test_unknown_settings_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        MolGraph(**settings)


def test_saved_molecules_keep_atom_order_coordinates_and_charges():
    mol = _embedded("C[NH2+]CC(=O)[O-]")
    mol = Chem.RenumberAtoms(mol, list(range(mol.GetNumAtoms()))[::-1])
    note = {"mol": mol, "name": "sarcosine"}
    text = MolGraph().encode(note)
    assert isinstance(text["mol"], str)
    back = MolGraph().decode(text)
    assert back["name"] == "sarcosine"
    assert [(a.GetAtomicNum(), a.GetFormalCharge()) for a in back["mol"].GetAtoms()] == [
        (a.GetAtomicNum(), a.GetFormalCharge()) for a in mol.GetAtoms()
    ]
    for ours, theirs in zip(mol.GetBonds(), back["mol"].GetBonds(), strict=True):
        assert ours.GetBeginAtomIdx() == theirs.GetBeginAtomIdx()
        assert ours.GetBondType() == theirs.GetBondType()
    places = back["mol"].GetConformer().GetPositions()
    assert np.allclose(places, mol.GetConformer().GetPositions())
    assert MolGraph().decode(MolGraph().encode({"mol": None, "name": ""}))["mol"] is None


def test_listing_the_plugin_imports_neither_rdkit_nor_torch():
    code = (
        "import sys; from salience_molgraph import plugin; "
        "heavy = [n for n in ('torch', 'rdkit', 'PIL', 'numpy') if n in sys.modules]; "
        "print(plugin.salience_domains(), plugin.salience_visualizers(), heavy)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == (
        "{'molgraph': 'salience_molgraph.domain:MolGraph'} "
        "{'molecule': 'salience_molgraph.plot:MoleculePlot'} []"
    )


def test_domain_and_samples_can_be_sent_to_another_process():
    domain = MolGraph("dense", fields=("atoms", "bond_adjacency"))
    again = pickle.loads(pickle.dumps(domain))
    assert again == domain and again.layout == domain.layout
    graph = pickle.loads(pickle.dumps(domain.read("CC=O")))[0]
    assert graph.tensors["atoms"].tolist() == [6, 6, 8]


def test_kinds_of_items_may_be_mixed():
    assert _labels(["CO", Chem.MolFromSmiles("C")]) == [[6, 8], [6]]
