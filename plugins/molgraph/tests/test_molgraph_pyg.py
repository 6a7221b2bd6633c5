"""PyG graphs as data, and PyG batches as the model's argument."""

from __future__ import annotations

import pytest
import torch
from rdkit import Chem
from torch import nn

import salience
from salience import InputError
from salience_molgraph import MolGraph
from salience_molgraph import pyg as pyg_module

geometric = pytest.importorskip("torch_geometric")
Batch, Data = geometric.data.Batch, geometric.data.Data


def _data(text: str, **attributes):
    mol = Chem.MolFromSmiles(text)
    ends = [(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in mol.GetBonds()]
    edges = torch.tensor(ends + [end[::-1] for end in ends]).long().reshape(-1, 2).T
    x = torch.tensor([[a.GetAtomicNum() / 10, a.GetDegree()] for a in mol.GetAtoms()])
    return Data(x=x.float(), edge_index=edges, **attributes)


class Net(nn.Module):
    """A PyG layer and its pooling, called either way."""

    def __init__(self, *, whole: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = geometric.nn.GCNConv(2, 4)
        self.out = nn.Linear(4, 1)
        self.whole = whole

    def forward(self, *args):
        x, edge_index, batch = (
            (args[0].x, args[0].edge_index, args[0].batch) if self.whole else args
        )
        return self.out(geometric.nn.global_add_pool(torch.tanh(self.conv(x, edge_index)), batch))


FIELDS = ("x", "edge_index", "batch")


def _explain(data, *, whole: bool):
    domain = MolGraph("pyg" if whole else "ragged", fields=FIELDS)
    return salience.explain(Net(whole=whole), data, domain, target="input")


def test_models_of_one_data_and_of_arrays_agree_with_autograd():
    data = [_data("CCO"), _data("c1ccccc1"), _data("[Xe]")]
    net = Net(whole=True)
    for whole in (True, False):
        explanation = _explain(data, whole=whole)
        for graph, values in zip(data, explanation.values, strict=True):
            x = graph.x.clone().requires_grad_()
            alone = Batch.from_data_list([Data(x=x, edge_index=graph.edge_index)])
            net(alone).sum().backward()
            assert torch.allclose(values, x.grad.sum(1), atol=1e-6)
    assert data[0].x.requires_grad is False


def test_a_batch_is_read_as_its_graphs():
    data = [_data("CCO"), _data("C#N")]
    together = _explain(Batch.from_data_list(data), whole=True)
    assert [len(values) for values in together.values] == [3, 2]
    one = _explain(data[1], whole=True)
    assert torch.allclose(one.values[0], together.values[1], atol=1e-6)


def test_a_smiles_of_the_graphs_own_order_is_drawn():
    drawn = _explain(_data("CCO", smiles="CCO"), whole=True)
    assert "atom-2" in drawn.visualize(0).svg
    # A three-membered ring is no chain: this SMILES is not the graph's.
    for smiles in ("C1CC1", "CC", "not a molecule"):
        other = _explain(_data("CCO", smiles=smiles), whole=True)
        with pytest.raises(InputError, match="item 0 carries no molecule"):
            other.visualize(0)


def test_a_smiles_whose_elements_are_others_is_not_drawn():
    numbers = torch.tensor([8, 6, 6])
    graph = MolGraph("pyg", fields=FIELDS).read(_data("OCC", smiles="CCO", z=numbers))[0]
    assert graph.mol is None


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (_data("CC"), "item 0 has no 'edge_attr'"),
        (Data(x=torch.ones(2, 1), edge_index=torch.tensor([[0], [2]])), "names atom 2 of 2"),
        (Data(x=torch.ones(2, 1), edge_index=torch.tensor([[0], [-1]])), "names atom -1 of 2"),
        (Data(x=torch.full((1, 1), torch.nan), edge_index=torch.zeros(2, 0)), "NaN"),
        (Data(x=torch.ones(2, 1), edge_index=torch.tensor([0, 1])), "shape"),
        (Data(x=torch.ones(0, 1), edge_index=torch.zeros(2, 0)), "without atoms"),
    ],
)
def test_bad_graphs_are_named(graph, message):
    fields = (*FIELDS, "edge_attr") if "edge_attr" in message else FIELDS
    for form in ("pyg", "ragged"):
        with pytest.raises(InputError, match=message):
            MolGraph(form, fields=fields).read(graph)


def test_labels_come_from_z_or_from_integer_x():
    edges = torch.tensor([[0, 1], [1, 0]])
    for data in (
        Data(z=torch.tensor([6, 8]), edge_index=edges),
        Data(x=torch.tensor([[6], [8]]), edge_index=edges),
    ):
        assert MolGraph().read(data)[0].tensors["atoms"].tolist() == [6, 8]
    # The third atom has no bond and no neighbour to betray it.
    salt = Data(z=torch.tensor([6, 8, 11]), edge_index=edges)
    assert MolGraph().read(salt)[0].n_atoms == 3
    with pytest.raises(InputError, match="name the field 'x'"):
        MolGraph().read(_data("CO"))


def test_bond_types_come_from_edge_type():
    data = _data("CO")
    data.edge_type = torch.tensor([1, 1])
    domain = MolGraph("dense", lambda mol: None, fields=("x", "bond_adjacency", "mask"))
    batch = domain.collate(domain.read(data))
    assert batch.arguments["bond_adjacency"].nonzero().tolist() == [[0, 1, 0, 1], [0, 1, 1, 0]]
    data.edge_type = torch.tensor([4, 1])
    with pytest.raises(InputError, match="item 0 has an edge_type beyond the 4 kinds"):
        domain.read(data)


def test_without_pyg_the_form_is_refused_and_the_others_work(monkeypatch):
    monkeypatch.setattr(pyg_module, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install salience-molgraph\[pyg\]"):
        MolGraph("pyg")
    assert MolGraph("ragged").read("CO")


def test_graphs_and_smiles_may_be_mixed():
    graph = Data(z=torch.tensor([6, 8]), edge_index=torch.tensor([[0, 1], [1, 0]]))
    domain = MolGraph()
    for data in (["CO", graph], [graph, "CO"]):
        assert domain.collate(domain.read(data)).arguments["atoms"].tolist() == [6, 8, 6, 8]


def test_weights_of_bonds_reach_a_model_of_arrays_or_it_is_told():
    generator = torch.Generator().manual_seed(0)
    data = [_data("CCO"), _data("c1ccccc1")]
    for graph in data:
        graph.edge_weight = torch.rand(graph.num_edges, generator=generator)
    net = geometric.nn.GCNConv(2, 1)

    def weighted(x, edge_index, edge_weight, batch):
        return geometric.nn.global_add_pool(net(x, edge_index, edge_weight).tanh(), batch)

    def plain(x, edge_index, batch):
        return geometric.nn.global_add_pool(net(x, edge_index).tanh(), batch)

    domain = MolGraph(fields=("x", "edge_index", "edge_weight", "batch"))
    found = salience.explain(weighted, data, domain, target="edge_weight")
    for graph, values in zip(data, found.values, strict=True):
        weight = graph.edge_weight.clone().requires_grad_()
        weighted(graph.x, graph.edge_index, weight, torch.zeros(len(graph.x)).long()).backward()
        torch.testing.assert_close(values, weight.grad)
    with pytest.warns(salience.Notice, match="hold edge_weight"):
        salience.explain(plain, data, MolGraph(fields=FIELDS), target="input")


def test_the_number_of_nodes_is_pygs_and_no_warning_is_shown(recwarn):
    edges = torch.tensor([[0, 3], [3, 0]])
    for graph, number in (
        (Data(edge_index=edges, edge_attr=torch.ones(2, 1)), 4),
        (Data(edge_index=edges, num_nodes=6), 6),
        (Data(edge_index=edges, node_weight=torch.ones(5)), 5),
        (Data(face=torch.tensor([[0], [1], [2]])), 3),
        (Data(edge_index=geometric.EdgeIndex(edges, sparse_size=(7, 7))), 7),
        (Data(edge_index=edges, node_weight=torch.ones(5), x=torch.ones(4, 1)), 4),
    ):
        domain = MolGraph("pyg")
        samples = domain.read([graph, graph])
        assert [sample.n_atoms for sample in samples] == [number] * 2
        batch = domain.fitted(samples).collate(samples)
        assert batch.arguments["batch"].tolist() == [0] * number + [1] * number
    assert not recwarn.list
