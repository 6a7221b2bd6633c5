"""What stands in a file of molecules is read as it stands, or refused, or told."""

import re
import warnings

import numpy as np
import pytest
import torch
from rdkit import Chem
from rdkit.Chem import AllChem, rdDepictor

from salience import Explainer, InputError, Notice
from salience_molgraph import MolGraph
from salience_molgraph.pictures.structure import flatten


def ethanol():
    mol = Chem.AddHs(Chem.MolFromSmiles("CCO"))
    AllChem.EmbedMolecule(mol, randomSeed=1)
    return Chem.RenumberAtoms(mol, [8, 0, 3, 1, 4, 2, 5, 6, 7])  # hydrogens between the others


def numbers(mol):
    return [atom.GetAtomicNum() for atom in mol.GetAtoms()]


@pytest.mark.parametrize("form", ["V2000", "V3000"])
def test_hydrogens_of_sdf_files_stay_in_their_order(tmp_path, form):
    mol, path = ethanol(), tmp_path / "a.sdf"
    with Chem.SDWriter(str(path)) as writer:
        writer.SetForceV3000(form == "V3000")
        writer.write(mol)
        writer.write(mol)
    domain = MolGraph(fields=("z", "pos", "owner"))
    with pytest.warns(Notice, match=r"hydrogens.*items: 2, the first: item 0") as heard:
        first, _ = domain.read(path)
    assert len(heard) == 1
    assert first.tensors["z"].tolist() == numbers(mol)
    at = mol.GetConformer().GetPositions()
    assert np.allclose(first.tensors["pos"].numpy(), at, atol=1e-3)
    (one, _) = MolGraph(fields=("z",), remove_hs=True).read(path)
    assert one.tensors["z"].tolist() == [6, 6, 8]


@pytest.mark.parametrize("kind", ["list", "smi", "csv", "table"])
def test_hydrogens_of_smiles_stay_in_their_order(tmp_path, kind):
    text = "[H]C([H])([H])O[H]"
    (tmp_path / "a.smi").write_text(f"{text} methanol\nC\n")
    (tmp_path / "a.csv").write_text(f"smiles,y\n{text},1\nC,2\n")
    made = {"list": [text, "C"], "table": {"smiles": [text, "C"]}}
    with pytest.warns(Notice, match=r"hydrogens.*items: 1, the first: item 0"):
        graphs = MolGraph().read(made.get(kind, tmp_path / f"a.{kind}"))
    assert [g.tensors["atoms"].tolist() for g in graphs] == [[1, 6, 1, 1, 8, 1], [6]]


def test_nothing_is_told_of_hydrogens_that_the_user_asked_for():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MolGraph().read(["CCO", ethanol()])
        MolGraph(add_hs=True).read(["[H]C([H])([H])O[H]"])
        MolGraph(remove_hs=True).read(["[H]C([H])([H])O[H]"])
    with pytest.raises(InputError, match="contradict"):
        MolGraph(add_hs=True, remove_hs=True)


# --- Broken items ---------------------------------------------------------------------------------


def sdf(folder):
    good = Chem.MolToMolBlock(Chem.MolFromSmiles("CO"))
    records = [good, good[:70] + "\n", good, "\n\n\njunk\nM  END\n", good + good]
    (folder / "a.sdf").write_text("".join(f"{record}$$$$\n" for record in records))
    return folder / "a.sdf"


def smi(folder):
    (folder / "a.smi").write_text("CO\nxx bad\nCO\nC1CC\nCC(C)(C)(C)C\n")
    return folder / "a.smi"


def csv(folder):
    (folder / "a.csv").write_text("id,smiles\n1,CO\n2,N,CO\n3,CO\n4\n5,xx\n")
    return folder / "a.csv"


@pytest.mark.parametrize(
    "make",
    [
        sdf,
        smi,
        csv,
        lambda _: ["CO", None, "CO", 3.5, ""],
        lambda _: {"smiles": ["CO", 1, "CO", "(", ""]},
    ],
)
def test_broken_molecules_are_named_at_once_or_left_out(tmp_path, make):
    data = make(tmp_path)
    with pytest.raises(InputError, match="3 of 5 items cannot be read, items 1, 3, 4") as caught:
        MolGraph().read(data)
    assert all(re.search(rf"item {i}\b", str(caught.value)) for i in (1, 3, 4))
    with pytest.warns(Notice, match="left out, items 1, 3, 4"):
        graphs = MolGraph(on_error="skip").read(data)
    assert [graph.tensors["atoms"].tolist() for graph in graphs] == [[6, 8], [6, 8]]


def test_the_atoms_that_node_names_stay_with_their_molecules():
    domain = MolGraph(on_error="skip", node=[1, 5, 0])
    with pytest.warns(Notice, match="left out"):
        assert [graph.node for graph in domain.read(["CO", "xx", "CN"])] == [1, 0]


@pytest.mark.parametrize("suffix", ["csv", "smi", "sdf"])
@pytest.mark.parametrize("raw", [b"smiles\nC\0O\n", "smiles\nCO\n".encode("utf-16")])
def test_files_that_are_no_text_are_refused(tmp_path, suffix, raw):
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(raw)
    with pytest.raises(InputError, match="is no text in UTF-8"):
        MolGraph(on_error="skip").read(path)


def test_text_in_latin_1_is_refused_but_in_an_sdf(tmp_path):
    block = Chem.MolToMolBlock(Chem.MolFromSmiles("CO"))
    (tmp_path / "a.sdf").write_bytes(("é" + block + "$$$$\n").encode("latin-1"))
    assert MolGraph().read(tmp_path / "a.sdf")[0].name == "é"
    (tmp_path / "a.smi").write_bytes("CO é\n".encode("latin-1"))
    with pytest.raises(InputError, match="UTF-8"):
        MolGraph().read(tmp_path / "a.smi")


def test_tables_whose_column_is_in_doubt_are_refused(tmp_path):
    (tmp_path / "a.csv").write_text("smiles,SMILES\nC,O\n")
    with pytest.raises(InputError, match="2 columns 'smiles'"):
        MolGraph().read(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_text('smiles,b\nC,"1\nO,2\n')
    with pytest.raises(InputError, match="quotation"):
        MolGraph(on_error="skip").read(tmp_path / "a.csv")


# --- Drawing and saving ---------------------------------------------------------------------------


def laid_out(text, scale=1.0):
    mol = Chem.MolFromSmiles(text)
    rdDepictor.Compute2DCoords(mol)
    conformer = mol.GetConformer()
    for atom, at in enumerate(conformer.GetPositions() * scale):
        conformer.SetAtomPosition(atom, at.tolist())
    return mol


def places(mol):
    at = mol.GetConformer().GetPositions()
    return torch.from_numpy(at - at.mean(0))


@pytest.mark.parametrize("scale", [1e-3, 0.1, 0.55, 10.0, 1e4])
@pytest.mark.parametrize("text", ["CC(=O)Oc1ccccc1C(=O)O", "[Na+].[Cl-].[K+]", "CO"])
def test_coordinates_of_any_unit_are_drawn_alike(text, scale):
    usual, other = flatten(laid_out(text)), flatten(laid_out(text, scale))
    assert torch.allclose(places(usual), places(other), atol=1e-3)


@pytest.mark.parametrize("fault", ["coincident", "nan", "all at zero", "nearly coincident"])
def test_places_that_cannot_be_drawn_are_laid_out_anew(fault):
    mol = laid_out("CCOC")
    conformer = mol.GetConformer()
    at = conformer.GetPositions()
    if fault == "all at zero":
        at[:] = 0
    at[2] = {"nan": np.nan, "nearly coincident": at[1] + 0.01}.get(fault, at[1])
    at[:, 2] = 0
    for atom, place in enumerate(at):
        conformer.SetAtomPosition(atom, place.tolist())
    new = flatten(mol).GetConformer().GetPositions()
    apart = np.linalg.norm(new[:, None] - new, axis=-1) + np.eye(4)
    assert apart.min() > 0.9


@pytest.mark.parametrize("text", ["[CH3:7][OH:9]", "[13CH3:1][2H]", "C[C@H:3](F)Cl", "CO"])
def test_maps_of_atoms_are_kept_in_saved_annotations(text):
    domain = MolGraph(remove_hs=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        graph = domain.read([text])[0]
    note = {"mol": graph.mol, "name": graph.name}
    again = domain.decode(domain.encode(note))
    assert set(again) == {"mol", "name"}
    assert Chem.MolToSmiles(again["mol"]) == Chem.MolToSmiles(graph.mol)


@pytest.mark.parametrize("kind", [set, frozenset])
def test_a_set_has_no_order(kind):
    model = torch.nn.ModuleDict({"embed": torch.nn.Embedding(100, 2)})
    explainer = Explainer(model, MolGraph(), output="value")
    for work in (explainer.explain, explainer.compute, explainer.check):
        with pytest.raises(InputError, match=r"the data is a set.*sorted\(data\)"):
            work(kind(["CCO", "CN"]))
