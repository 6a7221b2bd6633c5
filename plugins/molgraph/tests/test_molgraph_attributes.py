"""Every attribute of PyG graphs takes part, is repeated as PyG collates it, and can be a target."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
import torch
from torch import nn

import salience
from salience import InputError
from salience_molgraph import MolGraph

geometric = pytest.importorskip("torch_geometric")
Batch, Data = geometric.data.Batch, geometric.data.Data


def _graphs(more=None, cls=Data, sizes=((5, 4), (3, 3), (1, 0), (4, 2)), **options):
    """Graphs of (atoms, pairs of bonds); ``more`` makes further attributes of each."""
    generator = torch.Generator().manual_seed(0)
    made = []
    for n_atoms, n_pairs in sizes:
        ends = torch.randint(n_atoms, (2, n_pairs), generator=generator)
        data = cls(
            x=torch.randn(n_atoms, 3, generator=generator, dtype=torch.float64),
            edge_index=torch.cat([ends, ends.flip(0)], 1),
        )
        for name, value in (more(n_atoms, 2 * n_pairs, generator) if more else {}).items():
            data[name] = value
        made.append(data)
    return made


def _doubles(*shape, generator):
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


class Triplets(Data):
    """Triplets of atoms by the last axis; a table of the graph that is stacked."""

    def __cat_dim__(self, key, value, *args, **kwargs):
        return None if key == "table" else super().__cat_dim__(key, value, *args, **kwargs)

    def __inc__(self, key, value, *args, **kwargs):
        return self.num_edges if key == "pair" else super().__inc__(key, value, *args, **kwargs)


class Bipartite(Data):
    """The two ends of an edge are of different sets."""

    def __inc__(self, key, value, *args, **kwargs):
        if key == "cross_index":
            return torch.tensor([[self.x.size(0)], [self.x_t.size(0)]])
        return super().__inc__(key, value, *args, **kwargs)


class Pair(Data):
    """Two graphs in one, neither of which is the one that PyG counts the nodes of."""

    def __inc__(self, key, value, *args, **kwargs):
        if key in ("edge_index_s", "edge_index_t"):
            return self[f"x{key[-2:]}"].size(0)
        return super().__inc__(key, value, *args, **kwargs)


def _pairs():
    generator = torch.Generator().manual_seed(0)
    made = []
    for n, m in ((3, 2), (1, 4), (2, 2)):
        made.append(
            Pair(
                x_s=_doubles(n, 3, generator=generator),
                edge_index_s=torch.randint(n, (2, 4), generator=generator),
                x_t=_doubles(m, 3, generator=generator),
                edge_index_t=torch.randint(m, (2, m), generator=generator),
            )
        )
    return made


def _triplets(n, e, g):
    number = n + 1
    return {
        "triplet_index": torch.randint(n, (3, number), generator=g),
        "triplet_attr": _doubles(number, 2, generator=g),
        "pair": torch.arange(e),
        "table": _doubles(2, 4, generator=g),
    }


def _bipartite(n, e, g):
    size = n + 2
    cross = torch.stack([torch.arange(n), torch.randint(size, (n,), generator=g)])
    return {"x_t": _doubles(size, 2, generator=g), "cross_index": cross}


def _usual(n, e, g):
    return {
        "edge_attr": _doubles(e, 2, generator=g),
        "edge_weight": torch.rand(e, generator=g, dtype=torch.float64),
        "pos": _doubles(n, 3, generator=g),
        "u": _doubles(1, 2, generator=g),
        "y": _doubles(1, generator=g),
        "z": torch.randint(1, 9, (n,), generator=g),
    }


def _odd(n, e, g):
    return {
        "number": 0.5 * n,
        "count": n,
        "flag": n > 3,
        "scalar": torch.tensor(float(n)),
        "name": f"graph of {n}",
        "tags": ["a"] * n,
        "nothing": None,
        "root_index": torch.tensor([n - 1]),
        "mask": torch.rand(n, generator=g) > 0.5,
        "history": _doubles(n, 4, 3, generator=g),
        "norm": _doubles(n, generator=g),
        "charge": torch.randint(3, (n,), generator=g, dtype=torch.int8),
    }


def _counted(n, e, g):
    return {"num_nodes": n}


KINDS = {
    "plain": lambda: _graphs(),
    "usual": lambda: _graphs(_usual),
    "odd": lambda: _graphs(_odd),
    "num_nodes": lambda: _graphs(_counted),
    "triplets": lambda: _graphs(_triplets, Triplets),
    "bipartite": lambda: _graphs(_bipartite, Bipartite),
    "pair": _pairs,
    "one atom": lambda: _graphs(_usual, sizes=((1, 0), (1, 0), (1, 0))),
    "rings": lambda: _graphs(_usual, sizes=((4, 2), (6, 3), (2, 1))),
}


def _same(one, other):
    assert type(one) is type(other)
    assert set(one.keys()) == set(other.keys())
    for name in one.keys():  # noqa: SIM118 - Data is no mapping
        mine, theirs = one[name], other[name]
        if isinstance(mine, torch.Tensor):
            assert mine.dtype == theirs.dtype, name
            assert torch.equal(mine, theirs), name
        else:
            assert mine == theirs, name


@pytest.mark.filterwarnings("ignore:Unable to accurately infer")
@pytest.mark.parametrize("kind", KINDS)
def test_the_model_gets_what_pyg_collates_of_the_rows(kind):
    """Whatever rows share a pass, in any order and number, and taken from rows again."""
    data = KINDS[kind]()
    domain = MolGraph("pyg")
    samples = domain.read(data)
    domain = domain.fitted(samples)
    batch = domain.collate(samples)
    last = len(data) - 1
    for rows in ([0], [last], list(range(len(data))), [1, 0, 0, last, 1], [last, 1, 0]):
        truth = Batch.from_data_list([data[row] for row in rows])
        chosen = batch.select(torch.tensor([*rows, 0])).batch()
        chosen = chosen.select(torch.arange(len(rows))).batch()
        ((made,), more) = domain.arguments(chosen.arguments)
        assert more == {}
        _same(made, truth)
        assert made.num_graphs == truth.num_graphs == len(made) == len(rows)
        for one, other in zip(made.to_data_list(), truth.to_data_list(), strict=True):
            _same(one, other)
        _same(made[len(rows) - 1], truth.get_example(len(rows) - 1))


@pytest.mark.parametrize("name", ["x_s", "x_t"])
def test_batch_vectors_that_are_followed(name):
    data = _pairs()
    domain = MolGraph("pyg", follow_batch=("x_s", "x_t"))
    domain = domain.fitted(domain.read(data))
    batch = domain.collate(domain.read(data)).select(torch.tensor([2, 0, 2])).batch()
    ((made,), _) = domain.arguments(batch.arguments)
    rows = [data[2], data[0], data[2]]
    truth = Batch.from_data_list(rows, follow_batch=["x_s", "x_t"])
    _same(made, truth)

    def net(pair):
        with torch.no_grad():
            n = pair.num_graphs
        parts = [
            geometric.nn.global_add_pool(pair[part].tanh(), pair[f"{part}_batch"], n)
            for part in ("x_s", "x_t")
        ]
        return (parts[0] * parts[1]).sum(1)

    found = salience.explain(net, data, domain, target=name)
    for pair, values in zip(data, found.values, strict=True):
        leaf = pair[name].clone().requires_grad_()
        other = pair["x_t" if name == "x_s" else "x_s"]
        (leaf.tanh().sum(0) * other.tanh().sum(0)).sum().backward()
        torch.testing.assert_close(values, leaf.grad.sum(1))


class Everything(nn.Module):
    """One function of all the attributes, by nodes, edges, graphs and triplets."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.w = nn.Parameter(torch.randn(3, 4, generator=generator, dtype=torch.float64))

    def forward(self, data):
        start, end = data.edge_index
        h = (data.x @ self.w).tanh()
        if "pos" in data:
            h = h * (1 + (data.pos**2).sum(1, keepdim=True))
        sent = h[start]
        if "edge_weight" in data:
            sent = sent * data.edge_weight[:, None] * data.edge_attr.exp().sum(1, keepdim=True)
        h = (h + torch.zeros_like(h).index_add(0, end, sent)).tanh()
        total = geometric.nn.global_add_pool(h, data.batch, data.num_graphs).sum(1)
        if "u" in data:
            total = total * data.u.sin().sum(1) + data.y**2
        if "table" in data:
            owner = data.batch[data.triplet_index[0]]
            three = (h[data.triplet_index].prod(0).sum(1) * data.triplet_attr.prod(1)).tanh()
            total = total + torch.zeros_like(total).index_add(0, owner, three)
            total = total * data.table.cos().sum((1, 2))
        if "x_t" in data:
            near, far = data.cross_index
            both = h[near].sum(1) * data.x_t[far].sin().sum(1)
            total = total + torch.zeros_like(total).index_add(0, data.batch[near], both)
        if "history" in data:
            per = data.history.tanh().sum((1, 2)) * data.norm
            total = total + geometric.nn.global_add_pool(per, data.batch, data.num_graphs)
            total = total * data.number.double() + h[data.root_index].sum(1)
        return total


TARGETS = [
    *(("usual", name) for name in ("x", "edge_weight", "edge_attr", "pos", "u", "y")),
    *(("rings", name) for name in ("x", "edge_weight", "edge_attr", "pos", "u", "y")),
    *(("triplets", name) for name in ("x", "triplet_attr", "table")),
    *(("bipartite", name) for name in ("x", "x_t")),
    *(("odd", name) for name in ("x", "history", "norm")),
]


def _loop(net, graph, name, points):
    """Mean over path points of the slopes of one graph, times the attribute; and its score."""
    total = 0
    for share, weight in points:
        single = Batch.from_data_list([graph])
        single[name] = leaf = (share * single[name]).clone().requires_grad_()
        score = net(single).sum()
        total = total + weight * torch.autograd.grad(score, leaf)[0]
    return total


@pytest.mark.parametrize("max_rows", [6, 13, 100])
@pytest.mark.parametrize(("kind", "name"), TARGETS)
def test_any_attribute_can_be_a_target(kind, name, max_rows):
    data, net = KINDS[kind](), Everything()
    explainer = salience.Explainer(net, "molgraph:form=pyg", target=name, max_rows=max_rows)
    raw = explainer.explain(data)
    path = explainer.explain(data, "integrated_gradients:steps=3")
    nodes, weights = np.polynomial.legendre.leggauss(3)
    points = list(zip((nodes + 1) / 2, weights / 2, strict=True))
    for item, graph in enumerate(data):
        single = Batch.from_data_list([graph])
        torch.testing.assert_close(raw.score[item], net(single).sum().detach())
        for found, truth in (
            (raw, _loop(net, graph, name, [(1.0, 1.0)])),
            (path, _loop(net, graph, name, points) * single[name]),
        ):
            truth = truth.sum(-1) if truth.ndim > 1 else truth
            torch.testing.assert_close(found.values[item].reshape(-1), truth.reshape(-1))


def test_the_default_target_is_x():
    data = _graphs(_usual)
    default = salience.explain(Everything(), data, "molgraph:form=pyg")
    named = salience.explain(Everything(), data, "molgraph:form=pyg", target="x")
    given = salience.explain(Everything(), data, "molgraph:form=pyg", target="input")
    for values in (named.values, given.values):
        for one, other in zip(default.values, values, strict=True):
            assert torch.equal(one, other)


def test_draws_do_not_depend_on_packing_or_neighbours():
    data, options = _graphs(_usual), {"samplers": ["gaussian"], "n_samples": 4}
    explainer = [
        salience.Explainer(Everything(), "molgraph:form=pyg", target="edge_attr", max_rows=rows)
        for rows in (5, 60)
    ]
    ids = ["a", "b", "c", "d"]
    one = explainer[0].explain(data, ids=ids, **options)
    for other in (
        explainer[1].explain(data, ids=ids, **options),
        explainer[1].explain(data[::-1], ids=ids[::-1], **options),
    ):
        turned = other.values if other.ids[0] == "a" else other.values[::-1]
        for mine, theirs in zip(one.values, turned, strict=True):
            torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("kind", ["usual", "triplets", "bipartite"])
def test_masks_of_dropout_follow_the_graphs_in_any_packing(kind):
    """Masks on atoms, on bonds and on graphs, beside attributes of a length of their own."""

    class Dropped(Everything):
        def forward(self, data):
            data.x = nn.functional.dropout(data.x, 0.5, self.training)
            messages = nn.functional.dropout(data.x[data.edge_index[0]], 0.2, self.training)
            data.x = data.x + torch.zeros_like(data.x).index_add(0, data.edge_index[1], messages)
            return super().forward(data)

    data, options = KINDS[kind](), {"samplers": ["mc_dropout"], "n_samples": 5, "ids": list("abcd")}
    truth = salience.explain(Dropped(), data, "molgraph:form=pyg", max_rows=6, **options)
    found = salience.explain(Dropped(), data, "molgraph:form=pyg", max_rows=90, **options)
    assert float(truth.std_error[0].max()) > 0
    for one, other in zip(found.values, truth.values, strict=True):
        torch.testing.assert_close(one, other)


def test_draws_of_weights_share_a_pass():
    data, net = _graphs(_usual), Everything()
    options = {"samplers": ["weight_noise:scale=0.1"], "n_samples": 6}
    truth = salience.explain(net, data, "molgraph:form=pyg", max_rows=6, **options)
    found = salience.explain(net, data, "molgraph:form=pyg", max_rows=300, **options)
    for one, other in zip(found.values, truth.values, strict=True):
        torch.testing.assert_close(one, other)


def _forms_of(data, tmp_path):
    loader = geometric.loader.DataLoader
    yield data
    yield tuple(data)
    yield iter(data)
    yield Batch.from_data_list(data)
    yield [Batch.from_data_list(data[:2]), *data[2:]]
    yield [Batch.from_data_list(data[:1]), Batch.from_data_list(data[1:])]
    yield loader(data, batch_size=3)
    yield [data[0], Batch.from_data_list(data[1:])]
    yield _InMemory(data, tmp_path)
    yield torch.utils.data.Subset(data, [0, 1, 2, 3])


class _InMemory(geometric.data.InMemoryDataset):
    def __init__(self, data, root):
        super().__init__(str(root))
        self.data, self.slices = self.collate(data)


def test_batches_loaders_and_data_sets_are_their_graphs(tmp_path):
    data, net = _graphs(_usual), Everything()
    truth = salience.explain(net, data, "molgraph:form=pyg")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        forms = list(_forms_of(data, tmp_path))
    for given in forms:
        found = salience.explain(net, given, "molgraph:form=pyg")
        assert len(found) == len(data)
        torch.testing.assert_close(found.score, truth.score)
        for one, other in zip(found.values, truth.values, strict=True):
            torch.testing.assert_close(one, other)


def test_a_stream_of_graphs_one_by_one():
    data, net = _graphs(_usual), Everything()
    truth = salience.explain(net, data, "molgraph:form=pyg", target="edge_attr")
    explainer = salience.Explainer(net, "molgraph:form=pyg", target="edge_attr")
    for chunks in ([[d] for d in data], [data[:3], data[3:]], [Batch.from_data_list(data)]):
        found = list(explainer.stream(chunks))
        assert [len(one) for one in found] == [1] * len(data)
        for one, values in zip(found, truth.values, strict=True):
            torch.testing.assert_close(one.values[0], values)
    other = _graphs()
    with pytest.raises(InputError, match="has no"):
        list(explainer.stream([data, other]))


def test_the_order_in_which_attributes_were_set_is_of_no_effect():
    data, net = _graphs(_usual), Everything()
    truth = salience.explain(net, data, "molgraph:form=pyg", target="pos")
    turned = []
    for number, graph in enumerate(data):
        names = list(graph.keys())
        names = names[::-1] if number % 2 else names
        turned.append(Data(**{name: graph[name] for name in names}))
    explainer = salience.Explainer(net, "molgraph:form=pyg", target="pos")
    streamed = [one.values[0] for one in explainer.stream([turned[:1], turned[1:2], turned[2:]])]
    for values in (explainer.explain(turned).values, streamed):
        for one, other in zip(values, truth.values, strict=True):
            torch.testing.assert_close(one, other)


def test_nothing_of_the_graphs_is_changed():
    data = _graphs(_odd)
    data[0].x.requires_grad_()
    data[1].batch = torch.zeros(3, dtype=torch.long)
    before = [{name: graph[name] for name in graph.keys()} for graph in data]  # noqa: SIM118
    clones = [graph.clone() for graph in data]
    salience.explain(Everything(), data, "molgraph:form=pyg", max_rows=5)
    for graph, names, clone in zip(data, before, clones, strict=True):
        assert list(graph.keys()) == list(names)
        for name, value in names.items():
            assert graph[name] is value
        _same(graph, clone)
    assert data[0].x.requires_grad


def test_means_saved_files_and_processes_know_the_attributes(tmp_path):
    data, net = _graphs(_usual), Everything()
    explainer = salience.Explainer(net, "molgraph:form=pyg", target="edge_attr")
    mean = salience.IntegratedGradients(steps=3, baseline=salience.Mean(data))
    found = explainer.explain(data, mean)
    assert found.completeness_gap.isfinite().all()
    found.save(tmp_path / "a.salience")
    again = salience.Explanation.load(tmp_path / "a.salience")
    assert torch.equal(again.values[0], found.values[0])
    assert again.domain == found.domain
    fitted = pickle.loads(pickle.dumps(found.domain))
    assert fitted.layout.fields == found.domain.layout.fields
    kept = explainer.compute(data, samplers=["gaussian"], n_samples=3)
    mine = explainer.aggregate(kept).values
    truth = explainer.explain(data, samplers=["gaussian"], n_samples=3).values
    for one, other in zip(mine, truth, strict=True):
        torch.testing.assert_close(one, other)


def test_an_edge_index_of_pygs_own_class_is_served():
    data, net = _graphs(_usual), Everything()
    truth = salience.explain(net, data, "molgraph:form=pyg")
    for graph in data:
        size = (graph.num_nodes, graph.num_nodes)
        graph.edge_index = geometric.EdgeIndex(graph.edge_index, sparse_size=size)
    found = salience.explain(net, data, "molgraph:form=pyg", max_rows=6)
    for one, other in zip(found.values, truth.values, strict=True):
        torch.testing.assert_close(one, other)
    assert all(isinstance(graph.edge_index, geometric.EdgeIndex) for graph in data)


def test_a_model_may_write_to_its_batch():
    class Writing(Everything):
        def forward(self, data):
            data.x.mul_(2)
            data.edge_attr.add_(1)
            data.u = data.u * 3
            data.edge_index = data.edge_index.flip(0)
            return super().forward(data)

    data = _graphs(_usual)
    clones = [graph.clone() for graph in data]
    found = salience.explain(Writing(), data, "molgraph:form=pyg", "integrated_gradients:steps=5")
    for item, graph in enumerate(clones):
        one = salience.explain(
            Writing(), graph, "molgraph:form=pyg", "integrated_gradients:steps=5"
        )
        torch.testing.assert_close(found.values[item], one.values[0])
        torch.testing.assert_close(
            found.score[item], Writing()(Batch.from_data_list([graph.clone()]))[0].detach()
        )
    for graph, clone in zip(data, clones, strict=True):
        _same(graph, clone)


def test_graphs_without_bonds_and_features_of_one_axis():
    """Clouds of points have no edge_index; x may be one number an atom."""
    generator = torch.Generator().manual_seed(0)
    data = [Data(pos=torch.randn(n, 3, generator=generator), z=torch.arange(n)) for n in (3, 2)]

    def net(batch):
        values = (batch.pos**2).sum(1) * (batch.z + 1)
        return geometric.nn.global_add_pool(values, batch.batch, batch.num_graphs)

    found = salience.explain(net, data, "molgraph:form=pyg", target="input")
    ragged = MolGraph("ragged", fields=("pos", "z", "batch"), target="input")
    same = salience.explain(
        lambda pos, z, batch: geometric.nn.global_add_pool((pos**2).sum(1) * (z + 1), batch),
        data,
        ragged,
    )
    for graph, one, other in zip(data, found.values, same.values, strict=True):
        truth = (2 * graph.pos * (graph.z + 1)[:, None]).sum(1)
        torch.testing.assert_close(one, truth)
        torch.testing.assert_close(other, truth)
    flat = [Data(x=torch.randn(n, generator=generator)) for n in (3, 1)]
    found = salience.explain(
        lambda batch: geometric.nn.global_add_pool(batch.x**2, batch.batch, batch.num_graphs),
        flat,
        "molgraph:form=pyg",
        target="input",
    )
    for graph, values in zip(flat, found.values, strict=True):
        torch.testing.assert_close(values, 2 * graph.x)


def test_molecules_and_graphs_together_in_pygs_form():
    def net(batch):
        assert batch.x.dtype == torch.float64
        return geometric.nn.global_add_pool((batch.x**2).sum(1), batch.batch, batch.num_graphs)

    def features(mol):
        return np.array([[float(a.GetAtomicNum()), a.GetDegree()] for a in mol.GetAtoms()])

    graph = Data(x=torch.ones(2, 2, dtype=torch.float64), edge_index=torch.tensor([[0], [1]]))
    domain = MolGraph("pyg", features, ("x", "edge_index"), target="input")
    for given in (["CCO", graph], [graph, "CCO"]):
        found = salience.explain(net, given, domain)
        assert sorted(len(values) for values in found.values) == [2, 3]
    with pytest.raises(InputError, match="item 1 is a molecule, of which 'u' cannot be made"):
        MolGraph("pyg", fields=("x", "u")).read([_with(u=torch.ones(1, 2))[0], "CC"])
    with pytest.raises(InputError, match="of which 'edge_weight' cannot be made"):
        MolGraph("ragged", fields=("atoms", "edge_index", "edge_weight", "owner")).read("CC")


# --- Refused --------------------------------------------------------------------------------------


def _with(**more):
    data = _graphs(sizes=((3, 2), (2, 1)))
    for name, value in more.items():
        data[1][name] = value
        data[0][name] = value
    return data


def _hetero():
    made = geometric.data.HeteroData()
    made["a"].x = torch.ones(2, 1)
    made["a", "to", "a"].edge_index = torch.tensor([[0], [1]])
    return made


def _temporal():
    number = torch.arange(3)
    return geometric.data.TemporalData(src=number, dst=number, t=number, msg=torch.ones(3, 1))


def _handmade():
    return Batch(
        x=torch.ones(2, 3),
        edge_index=torch.zeros(2, 0, dtype=torch.long),
        batch=torch.tensor([0, 1]),
    )


def _only_one(**more):
    data = _graphs(sizes=((3, 2), (2, 1)))
    for name, value in more.items():
        data[1][name] = value
    return data


REFUSED = {
    "hetero": (lambda: _hetero(), "item 0 is a HeteroData.*several types"),
    "hetero in a list": (lambda: [*_graphs(), _hetero()], "item 4 is a HeteroData"),
    "hetero batch": (
        lambda: Batch.from_data_list([_hetero(), _hetero()]),
        "item 0 is a HeteroData",
    ),
    "temporal": (_temporal, "item 0 is a TemporalData"),
    "temporal in a list": (lambda: [_temporal()], "item 0 is a TemporalData"),
    "batch by hand": (_handmade, "item 0 is a Batch that PyG cannot split"),
    "batch by hand in a list": (lambda: [_handmade()], "item 0 is a Batch that PyG cannot split"),
    "two graphs": (
        lambda: Data(x=torch.ones(2, 3), batch=torch.tensor([0, 1])),
        "item 0 has a batch vector of 2 graphs",
    ),
    "sparse": (
        lambda: _with(adj=torch.eye(2).to_sparse_csr()),
        "item 0 has 'adj' that is a sparse",
    ),
    "tensors in a dictionary": (lambda: _with(more={"a": torch.ones(1)}), "'more' that is a dict"),
    "tensors in a list": (lambda: _with(more=[torch.ones(1)]), "'more' that is a list"),
    "an index with a fraction": (lambda: _with(fat_index=torch.tensor([1.5])), "PyG adds to"),
    "a number with index": (lambda: _with(body_mass_index=20.5), "PyG adds to"),
    "one graph has more": (lambda: _only_one(u=torch.ones(1, 2)), "item 1 alone has 'u'"),
    "one graph has less": (
        lambda: _only_one(u=torch.ones(1, 2))[::-1],
        "item 1 has no 'u'",
    ),
    "another dtype": (lambda: _only_one(x=torch.ones(2, 3)), "item 1 has 'x' of torch.float32"),
    "another width": (
        lambda: _only_one(x=torch.ones(2, 4, dtype=torch.float64)),
        r"item 1 has 'x' of shape \(2, 4\)",
    ),
    "another kind": (lambda: [*_with(a="b")[:1], *_with(a=3)[1:]], "'a' that is an int"),
    "z of another length": (
        lambda: Data(z=torch.tensor([6, 8, 11]), edge_index=torch.tensor([[0], [1]])),
        "z of shape .3,., but PyG counts 2 nodes",
    ),
    "no atoms": (lambda: Data(name="a"), "no attribute that tells"),
    "a number of nodes in one": (
        lambda: _only_one(num_nodes=2),
        "of the items 0 and 1 only one has num_nodes",
    ),
    "integers": (lambda: [Data(x=torch.ones(2, 1).long())], "'x' holds integers"),
    "no x": (lambda: [Data(pos=torch.ones(2, 3))], "no module 'x'.*pos"),
    "a feature that is NaN": (
        lambda: _only_one(x=torch.full((2, 3), torch.nan, dtype=torch.float64)),
        "item 1 has 'x' that is NaN",
    ),
    "an unknown target": (lambda: _graphs(_usual), "no module 'edge_wieght'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_told_is_refused_in_a_sentence(name):
    make, message = REFUSED[name]
    target = "edge_wieght" if "target" in name else "x"
    called = []

    class Net(nn.Module):
        def forward(self, data):
            called.append(data)
            return data.x.sum()[None]

    with pytest.raises(InputError, match=message) as caught:
        salience.explain(Net(), make(), "molgraph:form=pyg", target=target)
    assert "\n" not in str(caught.value)
    assert not called or "holds integers" in message


def test_batches_with_followed_attributes_ask_for_the_setting():
    loaders = geometric.loader.DataLoader(_pairs(), batch_size=2, follow_batch=["x_s"])
    with pytest.raises(InputError, match=r"follow_batch=\('x_s',\)"):
        MolGraph("pyg").read(loaders)
    assert len(MolGraph("pyg", follow_batch=["x_s"]).read(loaders)) == 3


def test_follow_batch_names_attributes_that_are_there():
    with pytest.raises(InputError, match="follow_batch names 'x_s'"):
        MolGraph("pyg", follow_batch="x_s").read(_graphs())
    with pytest.raises(InputError, match="needs form='pyg'"):
        MolGraph(follow_batch=("x",))
