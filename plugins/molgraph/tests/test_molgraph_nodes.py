"""Models that return one row an atom: ``node`` says which atom's row is explained."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import salience
from salience import InputError
from salience_molgraph import MolGraph

geometric = pytest.importorskip("torch_geometric")
Batch, Data = geometric.data.Batch, geometric.data.Data

SIZES = ((4, 5), (1, 0), (6, 7))


def _graphs():
    generator = torch.Generator().manual_seed(0)
    made = []
    for n_atoms, n_pairs in SIZES:
        ends = torch.randint(n_atoms, (2, n_pairs), generator=generator)
        x = torch.randn(n_atoms, 3, generator=generator, dtype=torch.float64)
        made.append(Data(x=x, edge_index=torch.cat([ends, ends.flip(0)], 1)))
    return made


class PerAtom(nn.Module):
    """Scores of three classes for each atom, by its neighbours."""

    def __init__(self, outputs: int = 3) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = geometric.nn.SAGEConv(3, 8)
        self.out = nn.Linear(8, outputs)
        self.double()

    def forward(self, data):
        return self.out(self.conv(data.x, data.edge_index).tanh())


def _truth(net, graph, node, column):
    x = graph.x.clone().requires_grad_()
    row = net(Batch.from_data_list([Data(x=x, edge_index=graph.edge_index)]))[node]
    column = int(row.argmax()) if column is None else column
    row[column].backward()
    return row[column].detach(), x.grad.sum(1)


@pytest.mark.parametrize("max_rows", [6, 40])
@pytest.mark.parametrize(
    ("output", "column"), [("predicted", None), ("class:1", 1), (salience.Value(2), 2)]
)
@pytest.mark.parametrize(
    "node", [0, [3, 0, 5], (1, 0, 2), np.array([2, 0, 4]), torch.tensor([1, 0, 0])]
)
def test_the_row_of_a_node_is_the_output_of_its_graph(node, output, column, max_rows):
    net, data = PerAtom(), _graphs()
    domain = {"name": "molgraph", "form": "pyg", "node": node}
    for method in ("gradient", "integrated_gradients:steps=1"):
        found = salience.explain(net, data, domain, method, output=output, max_rows=max_rows)
        for item, graph in enumerate(data):
            chosen = node if isinstance(node, int) else int(node[item])
            score, slope = _truth(net, graph, chosen, column)
            torch.testing.assert_close(found.score[item], score)
            if method == "gradient":
                torch.testing.assert_close(found.values[item], slope)
        assert found.prediction.shape == (3, 3)


def test_nodes_of_ragged_and_dense_models():
    def ragged(atoms, owner):
        return (atoms * torch.arange(1, 3)).tanh()

    def dense(atoms, mask):
        return (atoms * torch.arange(1, 3)).tanh() * mask[..., None]

    def features(mol):
        return np.array([[float(a.GetIdx() + 1), a.GetDegree()] for a in mol.GetAtoms()])

    for model, form, fields in (
        (ragged, "ragged", ("atoms", "owner")),
        (dense, "dense", ("atoms", "mask")),
    ):
        domain = MolGraph(form, features, fields, node=[1, 0, 1])
        found = salience.explain(model, ["CCO", "C", "CN"], domain, output="value:index=1")
        expected = torch.tensor([np.tanh(4.0), 0.0, np.tanh(2.0)]).float()
        torch.testing.assert_close(found.score.float(), expected)
        for values, node in zip(found.values, (1, 0, 1), strict=True):
            others = [i for i in range(len(values)) if i != node]
            assert not values[others].any()


def test_a_tapped_module_has_rows_of_atoms_too():
    net, data = PerAtom(), _graphs()
    tap = salience.Tap("conv", reduce=lambda out: out[:, 0])
    found = salience.explain(net, data, MolGraph("pyg", node=[3, 0, 5]), output=tap)
    for score, graph, node in zip(found.score, data, (3, 0, 5), strict=True):
        torch.testing.assert_close(score, net.conv(graph.x, graph.edge_index)[node, 0].detach())


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (4, "item 0 has no atom 4"),
        ([0, 0, 6], "item 2 has no atom 6"),
        ([0, 0], "node has 2 numbers for 3 graphs"),
        (-1, "node=-1 is no atom"),
        (0.5, "node=0.5 is no atom"),
        (True, "node=True is no atom"),
        ("first", "node='first' is no atom"),
        ([0, 0.0, 0], "node=0.0 is no atom"),
    ],
)
def test_nodes_that_are_not_there_are_refused(node, message):
    with pytest.raises(InputError, match=message):
        MolGraph("pyg", node=node).read(_graphs())


def test_a_model_of_graphs_has_no_row_of_a_node():
    def pooled(data):
        return geometric.nn.global_add_pool(data.x, data.batch)

    with pytest.raises(InputError, match="leave node out for a model with one row a graph"):
        salience.explain(pooled, _graphs(), MolGraph("pyg", node=0), target="input")


def test_without_node_a_model_of_atoms_is_refused():
    with pytest.raises(InputError, match="one scalar an item"):
        salience.explain(PerAtom(1), _graphs(), "molgraph:form=pyg")


def test_the_node_is_recorded_and_run_again():
    net, data = PerAtom(), _graphs()
    found = salience.explain(net, data, MolGraph("pyg", node=[3, 0, 5]), output="predicted")
    again = salience.rerun(net, data, found.provenance)
    for one, other in zip(found.values, again.values, strict=True):
        assert torch.equal(one, other)
