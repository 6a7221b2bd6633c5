"""Families of graph networks of PyG, compared with a plain loop over the single graphs.

    .venv/bin/python scripts/families_pyg.py

The loop makes a batch of one graph with PyG's own ``Batch.from_data_list``, and gradients by
autograd; salience explains all the graphs together, packed. Each row of the table is the largest
difference in f(x) and in the saliency, in float64, or the sentence of a refusal. A difference above
1e-10 ends the script with status 1.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch_geometric.data import Batch, Data
from torch_geometric.nn import (
    GATv2Conv,
    GCNConv,
    GINConv,
    GINEConv,
    GraphNorm,
    SAGPooling,
    SchNet,
    TopKPooling,
    global_add_pool,
    global_max_pool,
    global_mean_pool,
)

import salience

TOLERANCE = 1e-10
STEPS = 7
DOMAIN = {"name": "molgraph", "form": "pyg"}


def graphs(seed: int = 0) -> list[Data]:
    """Graphs of different sizes, one of a single atom and one without any bond, in float64."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    made = []
    for n_atoms, n_pairs in ((5, 6), (3, 2), (9, 12), (1, 0), (4, 0), (7, 7)):
        ends = torch.randint(n_atoms, (2, n_pairs), generator=generator)
        edges = torch.cat([ends, ends.flip(0)], 1)
        edges = edges[:, edges[0] != edges[1]].unique(dim=1)  # type: ignore[no-untyped-call]
        made.append(
            Data(
                x=normal(n_atoms, 4),
                edge_index=edges,
                edge_attr=normal(edges.shape[1], 3),
                edge_weight=normal(edges.shape[1]).abs() + 0.1,
                pos=2 * normal(n_atoms, 3),
                z=torch.randint(1, 9, (n_atoms,), generator=generator),
                u=normal(1, 2),
            )
        )
    return made


class Net(nn.Module):
    """Convolutions, a pooling of the atoms and a linear layer."""

    def __init__(self, *convs: nn.Module, pool: Any = global_add_pool, **further: nn.Module):
        super().__init__()
        self.convs, self.pool = nn.ModuleList(convs), pool
        self.further = nn.ModuleDict(further)
        self.out = nn.LazyLinear(1)

    def edges(self, data: Any) -> tuple[Any, ...]:
        """What a convolution takes behind ``x``."""
        return (data.edge_index,)

    def forward(self, data: Any) -> Tensor:
        """One value a graph."""
        x = data.x
        for conv in self.convs:
            x = conv(x, *self.edges(data)).tanh()
            if "norm" in self.further:
                x = self.further["norm"](x, data.batch)
        out: Tensor = self.out(self.pool(x, data.batch))
        return out


class Weighted(Net):
    """Weights its edges."""

    def edges(self, data: Any) -> tuple[Any, ...]:
        """Edges with more."""
        return data.edge_index, data.edge_weight


class Featured(Net):
    """Takes features of its edges."""

    def edges(self, data: Any) -> tuple[Any, ...]:
        """Edges with more."""
        return data.edge_index, data.edge_attr


class WithGlobal(Net):
    """Adds a vector of the graph to each of its atoms."""

    def forward(self, data: Any) -> Tensor:
        """One value a graph."""
        x = self.further["add"](torch.cat([data.x, data.u[data.batch]], 1)).tanh()
        out: Tensor = self.out(self.pool(self.convs[0](x, data.edge_index), data.batch))
        return out


class Pooled(Net):
    """Keeps some of the atoms, as PyG's batch vector says which are of one graph."""

    def forward(self, data: Any) -> Tensor:
        """One value a graph."""
        x = self.convs[0](data.x, data.edge_index).tanh()
        x, edges, _, batch, *_ = self.further["topk"](x, data.edge_index, batch=data.batch)
        out: Tensor = self.out(self.pool(self.convs[1](x, edges).tanh(), batch))
        return out


class Split(Net):
    """Takes the batch apart into its graphs, and runs each alone."""

    def forward(self, data: Any) -> Tensor:
        """One value a graph."""
        sums = [self.convs[0](g.x, g.edge_index).tanh().sum(0) for g in data.to_data_list()]
        out: Tensor = self.out(torch.stack(sums))
        return out


class Distances(nn.Module):
    """PyG's SchNet, with the pairs of atoms of each graph that are nearer than its cutoff."""

    def __init__(self) -> None:
        super().__init__()
        self.net = SchNet(
            hidden_channels=16,
            num_filters=16,
            num_interactions=2,
            num_gaussians=10,
            cutoff=6.0,
            interaction_graph=near(6.0),
        )

    def forward(self, data: Any) -> Tensor:
        """One value a graph."""
        out: Tensor = self.net(data.z, data.pos, data.batch)
        return out


def near(cutoff: float) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Pairs of atoms of one graph within a cutoff; PyG's own needs torch-cluster."""

    def pairs(pos: Tensor, batch: Tensor) -> tuple[Tensor, Tensor]:
        apart = (pos[:, None] - pos[None]).norm(dim=-1)
        same = (batch[:, None] == batch[None]) & ~torch.eye(len(pos), dtype=torch.bool)
        edges = ((apart < cutoff) & same).nonzero().T
        return edges, (pos[edges[0]] - pos[edges[1]]).norm(dim=-1)

    return pairs


def mlp(width: int) -> nn.Sequential:
    """Two layers, to eight units."""
    return nn.Sequential(nn.Linear(width, 8), nn.Tanh(), nn.Linear(8, 8))


#: Name → the model and the attributes that are explained, one after the other.
FAMILIES: dict[str, tuple[Callable[[], nn.Module], tuple[str, ...]]] = {
    "GCN": (lambda: Net(GCNConv(4, 8), GCNConv(8, 8)), ("x",)),
    "GCN, weighted edges": (lambda: Weighted(GCNConv(4, 8), GCNConv(8, 8)), ("x", "edge_weight")),
    "GCN, cached": (lambda: Net(GCNConv(4, 8, cached=True)), ("x",)),
    "GIN": (lambda: Net(GINConv(mlp(4)), GINConv(mlp(8)), pool=global_mean_pool), ("x",)),
    "GINE": (lambda: Featured(GINEConv(mlp(4), edge_dim=3)), ("x", "edge_attr")),
    "GATv2, edge features": (
        lambda: Featured(GATv2Conv(4, 4, heads=2, edge_dim=3), GATv2Conv(8, 4, 2, edge_dim=3)),
        ("x", "edge_attr"),
    ),
    "SchNet by positions": (Distances, ("pos",)),
    "GraphNorm": (lambda: Net(GCNConv(4, 8), GCNConv(8, 8), norm=_graph_norm()), ("x",)),
    "TopK pooling": (
        lambda: Pooled(GCNConv(4, 8), GCNConv(8, 8), topk=TopKPooling(8, 0.6)),
        ("x",),
    ),
    "SAG pooling": (
        lambda: Pooled(GCNConv(4, 8), GCNConv(8, 8), topk=SAGPooling(8, 0.6), pool=global_max_pool),
        ("x",),
    ),
    "global vector": (lambda: WithGlobal(GCNConv(8, 8), add=nn.Linear(6, 8)), ("x", "u")),
    "split into graphs": (lambda: Split(GCNConv(4, 8)), ("x",)),
}


def _graph_norm() -> nn.Module:
    # Where it takes off the mean as it is, a graph of one atom has rounded zeros in front of ReLU,
    # whose gradient there is that of the sign of an error of rounding.
    norm: nn.Module = GraphNorm(8)
    nn.init.constant_(norm.mean_scale, 0.7)  # type: ignore[arg-type]
    return norm


def loop(net: nn.Module, data: Sequence[Data], name: str, steps: int) -> tuple[Tensor, Tensor]:
    """f(x) and the saliency of each graph, alone: gradients, or integrated gradients."""
    scores, found = [], []
    nodes, weights = torch.tensor([0.0]), torch.tensor([1.0])
    if steps:
        points, mass = _gauss(steps)
        nodes, weights = points, mass
    for graph in data:
        start = graph[name]
        total = torch.zeros_like(start)
        for node, weight in zip(nodes, weights, strict=True):
            value = (start * node if steps else start).detach().clone().requires_grad_()
            single = graph.clone()
            single[name] = value
            score = net(Batch.from_data_list([single])).sum()
            (slope,) = torch.autograd.grad(score, value, allow_unused=True)
            total = total if slope is None else total + weight * slope
        total = total * start if steps else total
        total = total.sum(1) if total.ndim > 1 else total
        found.append(total.detach())
        with torch.no_grad():
            scores.append(net(Batch.from_data_list([graph])).flatten())
    return torch.cat(scores), torch.cat(found)


def _gauss(steps: int) -> tuple[Tensor, Tensor]:
    points, weights = np.polynomial.legendre.leggauss(steps)
    return torch.from_numpy((points + 1) / 2), torch.from_numpy(weights / 2)


def compare(build: Callable[[], nn.Module], name: str, steps: int) -> float | str:
    """The largest difference to the loop, relative to the largest value, or a refusal.

    Graphs are explained with passes of the size of the largest graph, and with passes that hold
    several path points of all the graphs.
    """
    torch.manual_seed(0)
    net, data = build().double(), graphs()
    with torch.no_grad():
        net(Batch.from_data_list(data))  # makes lazy layers
    _set_cached(net, True)  # makes that pass forgotten
    calculator = f"integrated_gradients:steps={steps}" if steps else "gradient"
    net.eval()
    try:
        done = [
            salience.explain(net, data, DOMAIN, calculator, target=name, max_rows=max_rows)
            for max_rows in (9, 200)
        ]
    except salience.InputError as error:
        return str(error)
    _set_cached(net, False)
    scores, truth = loop(net, data, name, steps)
    apart = [_apart(one.score, scores) for one in done]
    apart += [_apart(torch.cat([v.reshape(-1) for v in one.values]), truth) for one in done]
    return float(torch.tensor(apart).max())


def _set_cached(net: nn.Module, cached: bool) -> None:
    for module in net.modules():
        if hasattr(module, "_cached_edge_index"):
            for name in ("_cached_edge_index", "_cached_adj_t"):
                setattr(module, name, None)
            module.cached = bool(module.cached) and cached  # type: ignore[assignment]


def _apart(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max() / other.abs().max().clamp(min=1e-300))


def check() -> list[tuple[str, float | str]]:
    """Each family, target variable and method, with its difference or refusal."""
    return [
        (f"{family}, {'path' if steps else 'gradient'} of {name}", compare(build, name, steps))
        for family, (build, names) in FAMILIES.items()
        for name in names
        for steps in (0, STEPS)
    ]


def main() -> int:
    """Print the table; return 1 where a number differs."""
    rows = check()
    width = max(len(name) for name, _ in rows)
    for name, found in rows:
        shown = f"{found:.1e}" if isinstance(found, float) else f"refused: {found}"
        print(f"{name:{width}}  {shown}")
    return int(any(isinstance(found, float) and not found <= TOLERANCE for _, found in rows))


if __name__ == "__main__":
    sys.exit(main())
