"""Saliency of molecules is the same however they are packed, padded, wrapped or saved."""

from __future__ import annotations

import pytest
import torch
from rdkit import Chem
from torch import nn

import salience
from salience import InputError
from salience_molgraph import MolGraph

RAGGED = MolGraph(fields=("atoms", "edge_index", "owner", "bond_type"))
DENSE = MolGraph("dense", fields=("atoms", "bond_adjacency", "mask"))
STEPS = salience.IntegratedGradients(steps=8)


def _same(ours, theirs, tolerance=1e-5):
    assert len(ours) == len(theirs)
    for left, right in zip(ours, theirs, strict=True):
        assert left.shape == right.shape
        assert torch.allclose(left, right, rtol=tolerance, atol=tolerance)


class Additive(nn.Module):
    """The sum of the atoms' embeddings, weighted: its saliency is known."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(119, 5)
        self.weight = nn.Parameter(torch.randn(5))

    def forward(self, atoms, edge_index, owner):
        terms = self.embed(atoms) @ self.weight
        return torch.zeros(int(owner.max()) + 1).index_add(0, owner, terms)


def test_an_additive_model_gives_each_atom_its_own_term(smiles):
    model = Additive()
    explanation = salience.explain(model, smiles, "molgraph", "integrated_gradients")
    for text, values in zip(smiles, explanation.values, strict=True):
        numbers = [atom.GetAtomicNum() for atom in Chem.MolFromSmiles(text).GetAtoms()]
        expected = model.embed(torch.tensor(numbers)) @ model.weight
        assert torch.allclose(values, expected, atol=1e-5)
    assert explanation.completeness_gap.max() < 1e-5


@pytest.mark.parametrize("domain", [RAGGED, DENSE], ids=["ragged", "dense"])
@pytest.mark.parametrize("samplers", [[], ["gaussian", "mc_dropout"]], ids=["clean", "noisy"])
def test_a_packed_batch_agrees_with_one_molecule_at_a_time(domain, samplers, smiles, request):
    model = request.getfixturevalue(domain.form)
    settings = {"samplers": samplers, "n_samples": 3 if samplers else 1}
    packed = salience.explain(model, smiles, domain, STEPS, ids=smiles, **settings)
    for i, text in enumerate(smiles):
        alone = salience.explain(model, [text], domain, STEPS, ids=[text], **settings)
        _same([packed.values[i]], alone.values)
        _same([packed.score[i]], [alone.score[0]])


def test_the_budget_changes_nothing(ragged, smiles):
    settings = {"samplers": ["gaussian", "mc_dropout"], "n_samples": 4}
    whole = salience.explain(ragged, smiles, RAGGED, STEPS, **settings)
    small = salience.explain(ragged, smiles, RAGGED, STEPS, max_rows=9, **settings)
    _same(whole.values, small.values)
    _same(whole.std_error, small.std_error)


@pytest.mark.parametrize("samplers", [[], ["mc_dropout"]], ids=["clean", "dropout"])
def test_dense_agrees_with_ragged(ragged, dense, smiles, samplers):
    settings = {"samplers": samplers, "n_samples": 3 if samplers else 1}
    left = salience.explain(ragged, smiles, RAGGED, STEPS, **settings)
    right = salience.explain(dense, smiles, DENSE, STEPS, **settings)
    _same(left.values, right.values)
    _same(left.score, right.score)
    assert [len(v) for v in right.values] == [Chem.MolFromSmiles(s).GetNumAtoms() for s in smiles]


def test_pyg_agrees_with_ragged(ragged, pyg, smiles):
    pytest.importorskip("torch_geometric")
    # An embedding of labels of shape (E, 1) is taken apart by the model, so it has two axes.
    left = salience.explain(ragged, smiles, RAGGED, STEPS)
    right = salience.explain(pyg, smiles, MolGraph("pyg", target="embed"), STEPS)
    _same(left.values, right.values)


def test_padding_is_nowhere_to_be_seen(dense):
    """A small molecule's saliency, noise included, does not know how large its neighbour is."""
    runs = [
        salience.explain(dense, ["CCO", other], DENSE, STEPS, samplers=["gaussian"], n_samples=3)
        for other in ("C", "CCCCCCCCCCCC")
    ]
    assert runs[0].values[0].shape == (3,)
    _same(runs[0].values[:1], runs[1].values[:1])


def test_float_features_are_explained_at_the_input():
    def features(mol):
        return [[float(a.GetAtomicNum()), float(a.GetDegree())] for a in mol.GetAtoms()]

    def model(atoms, edge_index, owner):
        sums = atoms.new_zeros(int(owner.max()) + 1, 2).index_add(0, owner, atoms)
        return sums @ sums.new_tensor([2.0, -1.0])

    domain = MolGraph(atom_features=features)
    explanation = salience.explain(model, ["CO"], domain, "integrated_gradients")
    assert torch.allclose(explanation.values[0], torch.tensor([11.0, 15.0]).double())


def test_occlusion_hides_one_atom_at_a_time(smiles):
    model = Additive()
    explanation = salience.explain(model, smiles, "molgraph", "occlusion")
    _same(explanation.values, salience.explain(model, smiles, "molgraph", STEPS).values, 1e-4)


def test_occlusion_hides_groups_of_atoms_together():
    grouped = salience.Occlusion(groups=[[0, 1, 1]])
    explanation = salience.explain(Additive(), ["CCO"], "molgraph", grouped)
    single = salience.explain(Additive(), ["CCO"], "molgraph", "occlusion").values[0]
    together = single[1] + single[2]
    expected = torch.stack([single[0], together, together])
    assert torch.allclose(explanation.values[0], expected, atol=1e-5)


def test_model_and_molecules_are_as_before(ragged, smiles):
    mols = [Chem.MolFromSmiles(text) for text in smiles]
    before = [mol.ToBinary() for mol in mols]
    weights = {name: value.clone() for name, value in ragged.state_dict().items()}
    ragged.train()
    settings = {"samplers": ["mc_dropout"], "n_samples": 2}
    explanation = salience.explain(ragged, mols, RAGGED, STEPS, **settings)
    explanation.visualize(1)
    assert [mol.ToBinary() for mol in mols] == before
    assert ragged.training
    assert all(torch.equal(value, weights[name]) for name, value in ragged.state_dict().items())


def test_a_saved_explanation_draws_the_same_picture(ragged, smiles, tmp_path):
    explanation = salience.explain(ragged, smiles, RAGGED, STEPS)
    explanation.save(tmp_path / "run.salience")
    again = salience.Explanation.load(tmp_path / "run.salience")
    _same(again.values, explanation.values, 0)
    assert again.domain == RAGGED
    for item in range(len(smiles)):
        assert again.visualize(item).svg == explanation.visualize(item).svg


def test_a_missing_embedding_is_named():
    with pytest.raises(InputError, match="embed"):
        salience.Explainer(nn.Linear(2, 2), "molgraph")
