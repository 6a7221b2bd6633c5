"""A molecule is drawn on a graph only where both are proven to be the same."""

from __future__ import annotations

import pytest
import torch
from rdkit import Chem

import salience
from salience import InputError
from salience_molgraph import MolGraph

geometric = pytest.importorskip("torch_geometric")
from_smiles = geometric.utils.from_smiles


def _graph(text, **changes):
    """PyG's own graph of a SMILES, with other attributes."""
    data = from_smiles(text)
    data.x = data.x.double()
    for name, value in changes.items():
        if value is None:
            del data[name]
        else:
            data[name] = value
    return data


def _onehot(smiles, symbols="CNO"):
    atoms = [atom.GetSymbol() for atom in Chem.MolFromSmiles(smiles).GetAtoms()]
    return torch.tensor([[float(atom == symbol) for symbol in symbols] for atom in atoms])


def _numbers(smiles):
    return torch.tensor([atom.GetAtomicNum() for atom in Chem.MolFromSmiles(smiles).GetAtoms()])


def _drawn(data, form="pyg", **settings):
    fields = ("x", "edge_index", "batch")

    def pyg_model(batch):
        return geometric.nn.global_add_pool(batch.x.double().sum(1), batch.batch)

    def ragged_model(x, edge_index, batch):
        return geometric.nn.global_add_pool(x.double().sum(1), batch)

    model = pyg_model if form == "pyg" else ragged_model
    domain = MolGraph(form, fields=fields, target="input", **settings)
    found = salience.explain(model, [data], domain)
    mol = found.annotations[0]["mol"]
    if mol is None:
        with pytest.raises(InputError, match="item 0 carries no molecule to draw") as caught:
            found.visualize(0)
        assert "\n" not in str(caught.value)
    else:
        assert "atom-0" in found.visualize(0).svg
    return mol is not None


SAME = {
    "PyG's features": lambda: _graph("OCC(=O)N"),
    "RDKit molecule": lambda: _graph("OCC", smiles=None, mol=Chem.MolFromSmiles("OCC")),
    "z": lambda: _graph("OCC", x=torch.rand(3, 2), z=torch.tensor([8, 6, 6])),
    "z as a column": lambda: _graph("OCC", x=torch.rand(3, 2), z=torch.tensor([[8], [6], [6]])),
    "atomic numbers": lambda: _graph(
        "OCC", x=torch.rand(3, 2), atomic_numbers=torch.tensor([8, 6, 6])
    ),
    "OGB's numbers": lambda: _graph("OCC", x=_numbers("OCC")[:, None] - 1.0),
    "scaled numbers": lambda: _graph("OCC", x=_numbers("OCC")[:, None] / 100.0),
    "scaled numbers of one element": lambda: _graph("CCC", x=_numbers("CCC")[:, None] / 10.0),
    "numbers behind a one-hot": lambda: _graph(
        "OCC", x=torch.cat([_onehot("OCC"), _numbers("OCC")[:, None]], 1)
    ),
    "bonds of unknown features": lambda: _graph("C=CO", edge_attr=torch.rand(4, 3)),
    "bonds all alike": lambda: _graph("C=CO", edge_attr=torch.ones(4, 1)),
    "no types of bonds": lambda: _graph("C=CO", edge_attr=None),
    "bonds given once": lambda: _graph("CO", edge_index=torch.tensor([[0], [1]]), edge_attr=None),
    "loops": lambda: _graph("CO", edge_index=torch.tensor([[0, 1, 0], [1, 0, 0]]), edge_attr=None),
    "hydrogens": lambda: _graph("CO", **_all_atoms("CO")),
    "a charge": lambda: _graph("C[N+](C)(C)CC([O-])=O"),
}

OTHER = {
    "order of the atoms": lambda: _graph("OCC", smiles="CCO"),
    "elements": lambda: _graph("OCO", smiles="COC"),
    "all of another element": lambda: _graph("CCC", smiles="OOO"),
    "one element for several": lambda: _graph("OCC", smiles="CCC"),
    "bonds": lambda: _graph("CCO", smiles="C1CO1"),
    "more bonds": lambda: _graph("C1CO1", smiles="CCO"),
    "types of bonds": lambda: _graph("CC=C", smiles="C=CC"),
    "types of bonds as floats": lambda: _graph(
        "CC=C", smiles="C=CC", edge_attr=from_smiles("CC=C").edge_attr.double()
    ),
    "numbers of types": lambda: _graph(
        "CC=C", smiles="C=CC", edge_attr=None, edge_type=torch.tensor([0, 0, 1, 1])
    ),
    "number of atoms": lambda: _graph("CCO", smiles="CC"),
    "no SMILES": lambda: _graph("CCO", smiles="not a molecule"),
    "SMILES of other elements than z": lambda: _graph(
        "OCC", smiles="OCC", z=torch.tensor([6, 6, 8])
    ),
    "features that tell nothing": lambda: _graph("OCC", x=torch.rand(3, 2)),
    "a one-hot whose columns are not known": lambda: _graph("OCO", x=_onehot("OCO")),
    "RDKit molecule": lambda: _graph("OCC", smiles=None, mol=Chem.MolFromSmiles("CCO")),
}


def _all_atoms(smiles):
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    ends = torch.tensor([[b.GetBeginAtomIdx(), b.GetEndAtomIdx()] for b in mol.GetBonds()]).T
    numbers = torch.tensor([atom.GetAtomicNum() for atom in mol.GetAtoms()])
    edges = torch.cat([ends, ends.flip(0)], 1)
    return {"x": numbers[:, None].double(), "edge_index": edges, "edge_attr": None}


@pytest.mark.parametrize("form", ["pyg", "ragged"])
@pytest.mark.parametrize("name", SAME)
def test_a_molecule_that_is_the_graph_is_drawn(name, form):
    assert _drawn(SAME[name](), form)


@pytest.mark.parametrize("form", ["pyg", "ragged"])
@pytest.mark.parametrize("name", OTHER)
def test_a_molecule_that_is_not_proven_the_graph_is_not_drawn(name, form):
    assert not _drawn(OTHER[name](), form)


def test_features_made_by_the_domains_own_function_prove_the_elements():
    def features(mol):
        return [[atom.GetMass(), atom.GetDegree()] for atom in mol.GetAtoms()]

    x = torch.tensor([[15.999, 1.0], [12.011, 2.0], [12.011, 1.0]])
    for smiles, same in (("OCC", True), ("CCO", False)):
        assert _drawn(_graph("OCC", x=x, smiles=smiles), atom_features=features) is same


def test_saliency_of_bonds_is_not_drawn_on_atoms():
    """Two atoms have two directed bonds, so that the numbers alone would fit atoms."""
    data = _graph("CO", edge_weight=torch.tensor([1.0, 2.0]))

    def model(batch):
        owner = batch.batch[batch.edge_index[0]]
        return geometric.nn.global_add_pool(batch.edge_weight**2, owner) * batch.x.sum()

    found = salience.explain(model, [data], "molgraph:form=pyg", target="edge_weight")
    assert [len(values) for values in found.values] == [2]
    assert found.annotations[0]["mol"] is not None
    svg = found.visualize(0).svg
    assert "class='bond-0 atom-0 atom-1' d=" in svg and "ellipse" not in svg


def test_a_saved_file_keeps_what_is_not_drawn(tmp_path):
    found = salience.explain(
        lambda batch: geometric.nn.global_add_pool(batch.x.sum(1), batch.batch),
        [_graph("OCC", smiles="CCO"), _graph("OCC")],
        "molgraph:form=pyg",
        target="input",
    )
    found.save(tmp_path / "a.salience")
    again = salience.Explanation.load(tmp_path / "a.salience")
    assert again.annotations[1]["mol"].GetNumAtoms() == 3
    assert "atom-0" in again.visualize(1).svg
    with pytest.raises(InputError, match=r"does not prove"):
        again.visualize(0)
