"""Fragments as pooled groups, bonds from variables of bonds, properties and differences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from rdkit import Chem
from torch import Tensor, nn

import salience
from plugins.molgraph.tests.pictured import fills, made, texts
from salience import InputError
from salience_molgraph import MolGraph, fragments

DOMAIN = MolGraph(fields=("atoms", "edge_index", "bond_type", "owner", "n_molecules"))
ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"
MOLS = [ASPIRIN, "CCO", "OCC1CO1"]
BONDS = salience.Target("bond_embed", axes=("bond", "channel"))


class Net(nn.Module):
    """Two steps of messages that depend on the bond, and dropout; float64."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.embed, self.bond_embed = nn.Embedding(119, 6), nn.Embedding(4, 6)
        self.mix, self.out = nn.Linear(6, 6), nn.Sequential(nn.Dropout(0.4), nn.Linear(6, 1))
        self.double()
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator).double() * 0.5

    def forward(
        self, atoms: Tensor, edge_index: Tensor, bond_type: Tensor, owner: Tensor, n: int
    ) -> Tensor:
        state, bonds = self.embed(atoms), self.bond_embed(bond_type)
        start, end = edge_index
        for _ in range(2):
            sent = torch.zeros_like(state).index_add(0, end, state[start] * bonds)
            state = torch.tanh(state + self.mix(sent))
        return self.out(state.new_zeros(n, 6).index_add(0, owner, state))


DRAWS = {"samplers": ["mc_dropout"], "n_samples": 12, "seed": 0}


@pytest.mark.parametrize("by", ["brics", "murcko", "functional", {"alcohol": "[OX2H]"}])
def test_groups_hold_each_atom_once(by):
    for smiles, groups in zip(MOLS, fragments(MOLS, by), strict=True):
        atoms = sorted(atom for members in groups.values() for atom in members)
        assert atoms == list(range(Chem.MolFromSmiles(smiles).GetNumAtoms()))


def test_fragments_are_those_of_their_papers():
    (brics,), (murcko,), (functional,) = (
        fragments([ASPIRIN], by) for by in ("brics", "murcko", "functional")
    )
    ring = [4, 5, 6, 7, 8, 9]
    assert brics == {"CC=O": [0, 1, 2], "O": [3], "c1ccccc1": ring, "O=CO": [10, 11, 12]}
    chains = {"side chain CC(=O)O": [0, 1, 2, 3], "side chain O=CO": [10, 11, 12]}
    assert murcko == {"scaffold": ring, **chains}
    groups = {"[O][C]=[O]": [1, 2, 3], "[O]=[C][OH]": [10, 11, 12]}
    assert functional == {**groups, "rest": [0, *ring]}
    epoxide = fragments(["OCC1CO1"], "functional")[0]
    assert epoxide == {"[OH]": [0], "[CH]1[CH2][O]1": [2, 3, 4], "rest": [1]}
    assert fragments(["CCCO"], "murcko") == [{"chain CCCO": [0, 1, 2, 3]}]
    acetal = fragments(["CC(OC)OC"], "functional")[0]
    assert acetal["[O][CH][O]"] == [1, 2, 4]


def test_matches_of_a_name_are_numbered_and_may_overlap():
    found = fragments(["OCCO"], {"alcohol": "[OX2H]", "ends": "OCCO"})[0]
    assert found == {"alcohol (1)": [0], "alcohol (2)": [3], "ends": [0, 1, 2, 3]}
    assert fragments(["OCCO"], {"alcohol": "[OX2H]"}, rest=None)[0].keys() == {
        *("alcohol (1)", "alcohol (2)")
    }
    by_hand = fragments(["OCCO"], lambda mol: {"left": range(2)})
    assert by_hand == [{"left": [0, 1], "rest": [2, 3]}]


def test_hydrogens_go_with_their_atoms():
    domain = MolGraph(add_hs=True)
    groups = fragments(["CO"], "functional", domain=domain)[0]
    assert groups == {"[OH]": [1, 5], "rest": [0, 2, 3, 4]}
    groups = fragments(["Cc1ccccc1"], "murcko", domain=domain)[0]
    assert len(groups["scaffold"]) == 11 and len(groups["side chain C"]) == 4


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ("bricks", "did you mean 'brics'"),
        ({"acid": "C(=O"}, r"'C\(=O' is no SMARTS"),
        ({}, "mapping name"),
        (3, "by=3"),
        (lambda mol: [1], "mapping name → indices"),
    ],
    ids=["name", "smarts", "empty", "number", "function"],
)
def test_groups_that_are_none_are_refused(by, message):
    with pytest.raises(InputError, match=message):
        fragments(MOLS, by)


def test_a_molecule_without_a_group_is_named():
    with pytest.raises(InputError, match="item 1"):
        fragments(["OCCO", "CC"], {"alcohol": "[OX2H]"}, rest=None)


def test_sums_over_fragments_are_drawn_and_tabled_with_their_errors():
    groups = fragments(MOLS, "brics")
    explainer = salience.Explainer(Net(), DOMAIN)
    method = salience.IntegratedGradients(steps=16)
    atoms = explainer.explain(MOLS, method, **DRAWS)
    pooled = explainer.explain(MOLS, method, **DRAWS, pool=groups)
    samples = explainer.compute(MOLS, method, **DRAWS)
    draws = samples.values[0]
    for at, (name, members) in enumerate(groups[0].items()):
        assert float(pooled.values[0][at]) == pytest.approx(float(atoms.values[0][members].sum()))
        spread = float(draws[:, members].sum(1).std() / len(draws) ** 0.5)
        assert float(pooled.std_error[0][at]) == pytest.approx(spread, rel=1e-9)
        assert pooled["embed"].names[0][at] == name
    table = pooled.to_dataframe()
    assert list(table["position"][: len(groups[0])]) == list(groups[0])
    drawing = pooled.visualize(0)
    assert texts(drawing, "row") == [f"{i + 1} {name}" for i, name in enumerate(groups[0])]
    marks = fills(drawing)
    for members, p in zip(groups[0].values(), pooled.p_values()[0].tolist(), strict=True):
        colours = {marks[f"atom-{atom}"] for atom in members}
        assert len(colours) == 1 and (colours == {"hollow"}) == (p >= 0.05)
    assert " ".join(texts(drawing, "label")) == "sum of contributions to the predicted value"
    assert any("of 4 groups at FDR 5 %" in note for note in texts(drawing, "note"))
    ring = [m for m in marks if m.startswith("bond")]
    inside = {
        f"bond-{bond.GetIdx()}"
        for bond in Chem.MolFromSmiles(ASPIRIN).GetBonds()
        for members in groups[0].values()
        if {bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()} <= set(members)
        and marks[f"atom-{members[0]}"] != "hollow"
    }
    assert set(ring) == inside


@pytest.mark.parametrize(
    "groups",
    [
        {"ends": [0, 2], "middle": [1]},
        [{"ends": [0, 2], "middle": [1]}],
        [[0, 1, 0]],
        [np.array([0, 1, 0])],
        [{"ends": [True, False, True], "middle": [False, True, False]}],
    ],
    ids=["common", "each", "labels", "array", "masks"],
)
def test_groups_of_any_form_are_drawn(groups, tmp_path):
    pooled = salience.Explainer(Net(), DOMAIN).explain(["CCO"], **DRAWS, pool=groups)
    marks = fills(pooled.visualize(0, level=None))
    assert marks["atom-0"] == marks["atom-2"] != marks["atom-1"]
    pooled.save(tmp_path / "a.salience")
    again = salience.Explanation.load(tmp_path / "a.salience")
    assert fills(again.visualize(0, level=None)) == marks


def test_an_atom_of_several_groups_has_a_plain_ring():
    groups = [{"left": [0, 1], "right": [1, 2]}]
    drawing = salience.Explainer(Net(), DOMAIN).explain(["CCO"], pool=groups).visualize(0)
    assert fills(drawing)["atom-1"] == "shared"
    assert texts(drawing, "note") == ["plain ring: in several groups"]


def test_items_of_a_pooled_explanation_are_drawn_with_their_own_groups():
    groups = fragments(MOLS, "murcko")
    pooled = salience.Explainer(Net(), DOMAIN).explain(MOLS, **DRAWS, pool=groups)
    assert pooled.item(2).visualize(0, scale="item").svg == pooled.visualize(
        2, scale="item"
    ).svg.replace('data-item="2"', 'data-item="0"')


def test_tables_of_blocks_of_atoms_have_no_elements():
    pooled = salience.Explainer(Net(), DOMAIN).explain(["CCO", "CCCC"], pool=salience.Blocks(2))
    table = pooled.to_dataframe()
    assert len(table) == 4 and "element" not in table


def test_blocks_are_refused():
    pooled = salience.Explainer(Net(), DOMAIN).explain(["CCO"], pool=salience.Blocks(2))
    with pytest.raises(InputError, match="blocks"):
        pooled.visualize(0)


# --- Bonds ----------------------------------------------------------------------------------------


def _directed(explanation, item=0, name="bond_embed"):
    return explanation[name].values[item]


def test_a_bond_has_the_sum_of_both_directions():
    explanation = salience.Explainer(Net(), DOMAIN, target=BONDS).explain(["CCO"])
    drawing = explanation.visualize(0, strip=True, scaler="identity", label="x")
    sums = _directed(explanation).reshape(2, 2).sum(0)
    assert texts(drawing, "row") == ["C0–C1", "C1–O2"]
    assert set(fills(drawing)) == {"bond-0", "bond-1"}
    largest = max(sums.abs().tolist())
    assert texts(drawing, "tick")[-1] == f"+{largest:.3g}"


def test_errors_of_sums_are_known_from_pooled_draws_only():
    explainer = salience.Explainer(Net(), DOMAIN, target=BONDS)
    alone = explainer.explain(MOLS, **DRAWS).visualize(0, strip=True)
    assert not any(mark == "hollow" for mark in fills(alone).values())
    assert texts(alone, "note") == [
        "bonds not tested, errors of their sums unknown: pool both directions"
    ] or " ".join(texts(alone, "note")).startswith("bonds not tested")
    groups = fragments(MOLS, "each", bonds="bond_embed", domain=DOMAIN)
    pooled = explainer.explain(MOLS, **DRAWS, pool=groups)
    samples = explainer.compute(MOLS, **DRAWS)
    directed = samples.values[0].sum(-1)  # over the units of the embedding
    half = directed.shape[1] // 2
    both = directed[:, :half] + directed[:, half:]
    torch.testing.assert_close(pooled.values[0], both.mean(0))
    torch.testing.assert_close(pooled.std_error[0], both.std(0) / len(both) ** 0.5)
    marks = fills(pooled.visualize(0))
    for bond, p in enumerate(pooled.p_values()[0].tolist()):
        assert (marks[f"bond-{bond}"] == "hollow") == (p >= 0.05)
    assert not any(name.startswith("atom") for name in marks)


def test_atoms_and_bonds_are_drawn_together():
    explainer = salience.Explainer(Net(), DOMAIN, target=["embed", BONDS])
    explanation = explainer.explain(["CCO"])
    marks = fills(explanation.visualize(0))
    assert set(marks) == {"atom-0", "atom-1", "atom-2", "bond-0", "bond-1"}
    only = fills(explanation.visualize(0, variable="bond_embed"))
    assert set(only) == {"bond-0", "bond-1"}
    groups = fragments(["CCO"], "each", atoms="embed", bonds="bond_embed", domain=DOMAIN)
    pooled = explainer.explain(["CCO"], pool=groups)
    assert set(fills(pooled.visualize(0))) == set(marks)
    assert texts(pooled.visualize(0, strip=True), "row") == ["C0", "C1", "O2", "C0–C1", "C1–O2"]
    assert fills(pooled.visualize(0)) == marks


def test_fragments_hold_the_bonds_inside_and_the_rest_those_between():
    groups = fragments(["CCOCC"], "brics", atoms="embed", bonds="edge_attr")[0]
    assert groups["O"] == {"embed": [2]}
    assert groups["CC (1)"] == {"embed": [0, 1], "edge_attr": [0, 4]}
    assert groups["rest"] == {"edge_attr": [1, 5, 2, 6]}


def test_bonds_of_pyg_graphs_follow_their_own_order():
    geometric = pytest.importorskip("torch_geometric")
    order = torch.tensor([[1, 0, 2, 1, 0], [0, 1, 1, 2, 0]])  # the last is a loop
    data = geometric.data.Data(
        x=torch.tensor([[6.0], [6.0], [8.0]]),
        edge_index=order,
        edge_weight=torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0]),
        smiles="CCO",
    )

    def model(batch):
        owner = batch.batch[batch.edge_index[0]]
        return geometric.nn.global_add_pool(batch.edge_weight**2, owner) * batch.x.sum()

    found = salience.explain(model, [data], "molgraph:form=pyg", target="edge_weight")
    drawing = found.visualize(0, strip=True, scaler="identity")
    values = found.values[0]
    assert texts(drawing, "row") == ["C0–C1", "C1–O2"]
    assert texts(drawing, "tick")[-1] == f"+{float(values[2] + values[3]):.3g}"
    assert texts(drawing, "note") == ["1 self-loop not drawn"]
    groups = fragments([data], "each", bonds="edge_weight", domain=MolGraph(form="pyg"))
    assert groups[0] == {
        "C0–C1": {"edge_weight": [0, 1]},
        "C1–O2": {"edge_weight": [2, 3]},
    }


# --- Properties -----------------------------------------------------------------------------------


def _sdf(path):
    writer = Chem.SDWriter(str(path))
    for number, smiles in enumerate(["CCO", "CN"]):
        mol = Chem.MolFromSmiles(smiles)
        mol.SetProp("_Name", f"m{number}")
        mol.SetDoubleProp("SOL", -1.5 - number)
        writer.write(mol)
    writer.close()
    return path


def _csv(path):
    path.write_text("name,smiles,SOL,set\na,CCO,-1.5,test\nb,CN,,train\n")
    return path


def test_properties_of_files_frames_and_molecules_are_carried_along(tmp_path, ragged):
    domain = MolGraph(fields=("atoms", "edge_index", "owner", "bond_type"), properties=("SOL",))
    frame = pd.DataFrame({"smiles": ["CCO", "CN"], "SOL": [-1.5, float("nan")]})
    mol = Chem.MolFromSmiles("CCO")
    mol.SetProp("SOL", "-1.5")
    for data in (_sdf(tmp_path / "a.sdf"), _csv(tmp_path / "a.csv"), frame, [mol, "CN"]):
        found = salience.explain(ragged, data, domain)
        assert found.annotations[0]["properties"] == {"SOL": -1.5}
        assert texts(found.visualize(0), "said")[0].endswith(", SOL −1.5")
    assert "properties" not in found.annotations[1]
    assert len(found.where(lambda e: [bool(n.get("properties")) for n in e.annotations])) == 1
    found.save(tmp_path / "a.salience")
    again = salience.Explanation.load(tmp_path / "a.salience")
    assert again.annotations[0]["properties"] == {"SOL": -1.5}


def test_properties_that_are_nowhere_are_refused(tmp_path, ragged):
    domain = MolGraph(fields=("atoms", "edge_index", "owner", "bond_type"), properties="sol")
    for data in (_sdf(tmp_path / "a.sdf"), _csv(tmp_path / "a.csv"), ["CCO"]):
        with pytest.raises(InputError, match="'sol'"):
            salience.explain(ragged, data, domain)


def test_columns_of_different_lengths_and_single_values_are_refused():
    table = {"smiles": ["CCO", "CN"], "SOL": [1.0]}
    for domain in (MolGraph(properties="SOL"), MolGraph(id_column="SOL")):
        with pytest.raises(InputError, match="1 to 2 entries"):
            domain.read(table)
    for data in (np.array("CCO"), torch.tensor(0.5)):
        with pytest.raises(InputError, match="cannot read molecules"):
            MolGraph().read(data)


# --- Differences ----------------------------------------------------------------------------------


def test_a_difference_says_what_was_subtracted():
    explainer = salience.Explainer(Net(), DOMAIN)
    one, two = (explainer.compute(["CCO"], method, **DRAWS) for method in _methods())
    difference = explainer.aggregate(one - two)
    assert set(difference.provenance["minus"]) == {"calculator"}
    drawing = difference.visualize(0)
    assert texts(drawing, "said") == ["integrated_gradients − gradient"]
    assert " ".join(texts(drawing, "label")).startswith("difference of saliency, largest")
    plain = [explainer.explain(["CCO"], method) for method in _methods()]
    assert texts((plain[0] - plain[1]).visualize(0), "said") == texts(drawing, "said")
    with pytest.raises(InputError, match="difference"):
        salience.rerun(Net(), ["CCO"], difference.provenance)


def _methods():
    return salience.IntegratedGradients(steps=8), salience.Gradient(multiply_by_target=True)


def test_a_difference_of_models_says_how_f_differs():
    other = Net()
    other.out[1].bias.data += 1.0
    one, two = (
        salience.Explainer(model, DOMAIN).explain(["CCO"], "integrated_gradients")
        for model in (other, Net())
    )
    drawing = (one - two).visualize(0, output_name="energy", unit="eV")
    assert texts(drawing, "said") == ["difference: difference of energy +1 eV"]
    assert texts(drawing, "label") == ["difference in contribution to energy (eV)"] or texts(
        drawing, "label"
    ) == ["saliency, 0 everywhere"]


def test_of_a_file_to_a_grid_with_errors_in_six_lines(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _csv(tmp_path / "molecules.csv")
    model = Net()
    domain = MolGraph(fields=DOMAIN.fields, id_column="name", properties=("SOL",))
    explainer = salience.Explainer(model, domain)
    found = explainer.explain("molecules.csv", "integrated_gradients", **DRAWS)
    drawing = salience.grid({"BayesGrad": found}, strip=True, unit="log mol/L", path="grid.svg")
    assert texts(drawing, "legend") == ["a", "b"] and (tmp_path / "grid.svg").exists()


def test_values_made_elsewhere_have_no_marks_of_certainty():
    explanation = made(["CCO"], [[1.0, 2.0, -1.0]], score=float("nan"))
    explanation = replace(explanation, n_independent=torch.zeros(1, dtype=torch.int64))
    assert "hollow" not in fills(explanation.visualize(0)).values()


# --- Molecules without any group ------------------------------------------------------------------


@pytest.mark.parametrize("scaler", ["abs_max", "min_max", "normalize", "identity", np.negative])
def test_molecules_without_a_group_are_drawn_plain(scaler):
    pooled = salience.Explainer(Net(), DOMAIN).explain(["CCO", "CCN"], **DRAWS, pool=[[], []])
    drawing = pooled.visualize(0, scaler=scaler)
    assert set(fills(drawing).values()) <= {None}
    assert "no group in any molecule" in drawing.svg


def test_a_molecule_without_a_group_among_others_changes_no_word():
    groups = [[], [(0, 1)]]
    pooled = salience.Explainer(Net(), DOMAIN).explain(["CCO", "CCN"], **DRAWS, pool=groups)
    assert "sums of saliency" in salience.grid({"sums": pooled}).svg
