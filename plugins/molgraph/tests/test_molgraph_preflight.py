"""Molecules that share a pass do nothing to each other, and no graph is kept for the next."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.nn import (
    APPNP,
    GCNConv,
    GraphNorm,
    LSTMAggregation,
    SGConv,
    TransformerConv,
    global_add_pool,
)

import salience
from salience import Explainer, MCDropout

PYG = {"name": "molgraph", "form": "pyg", "fields": ("x", "edge_index", "batch"), "target": "x"}


def compare(net: nn.Module, smiles: list[str], **settings: Any) -> salience.Explanation:
    """Explain molecules beside each other; they come out as one by one."""
    explainer = Explainer(net.eval(), "molgraph")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", salience.Notice)
        found = explainer.explain(smiles, ids=list(range(len(smiles))), **settings)
        for number, one in enumerate(smiles):
            alone = explainer.explain([one], ids=[number], **settings)
            torch.testing.assert_close(found.values[number], alone.values[0], rtol=1e-3, atol=1e-4)
            torch.testing.assert_close(found.score[number], alone.score[0], rtol=1e-3, atol=1e-4)
    return found


class Pooled(nn.Module):
    """Embedded atoms, then what may look at neighbours in the batch."""

    def __init__(self, norm: nn.Module, pool: Any = global_add_pool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.out = nn.Embedding(120, 8), nn.Linear(8, 1)
        self.norm, self.pool = norm, pool

    def forward(self, atoms: Tensor, edge_index: Tensor, owner: Tensor) -> Tensor:
        out: Tensor = self.out(self.pool(self.norm(self.embed(atoms)).tanh(), owner))
        return out


@pytest.mark.parametrize("smiles", permutations(["CCO", "c1ccccc1", "CN"]))
def test_a_norm_over_the_batch_runs_molecules_alone(smiles: tuple[str, ...]) -> None:
    found = compare(Pooled(GraphNorm(8)), list(smiles))
    assert "fallback" in {verdict.outcome for verdict in found.preflight.verdicts}


def test_a_pooling_over_padding_runs_molecules_alone() -> None:
    torch.manual_seed(0)
    compare(Pooled(nn.Identity(), LSTMAggregation(8, 8)), ["CCO", "c1ccccc1", "CN"])


CACHING: dict[str, Callable[[bool], nn.Module]] = {
    "GCNConv": lambda cached: GCNConv(3, 3, cached=cached),
    "SGConv": lambda cached: SGConv(3, 3, K=2, cached=cached),
    "APPNP": lambda cached: APPNP(2, 0.1, cached=cached),
}


class Convolved(nn.Module):
    """A convolution that may keep the graph that it saw first."""

    def __init__(self, make: Callable[[bool], nn.Module], cached: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.out = make(cached), nn.Linear(3, 1)

    def forward(self, data: Any) -> Tensor:
        h = self.conv(data.x, data.edge_index).tanh()
        out: Tensor = self.out(global_add_pool(h, data.batch))
        return out


def ring(size: int) -> Data:
    torch.manual_seed(size)
    start = torch.arange(size)
    pairs = torch.stack([start, (start + 1) % size])
    return Data(x=torch.randn(size, 3), edge_index=torch.cat([pairs, pairs.flip(0)], 1))


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("kind", CACHING)
def test_caches_of_graphs_are_off(kind: str, warm: bool) -> None:
    plain, cached = (Convolved(CACHING[kind], on).eval() for on in (False, True))
    cached.load_state_dict(plain.state_dict())
    data = [ring(4), ring(6)]
    if warm:
        cached(Data(x=data[0].x, edge_index=data[0].edge_index, batch=torch.zeros(4).long()))
    before = {name: id(value) for name, value in vars(cached.conv).items()}
    for calculator in ("gradient", "integrated_gradients:steps=8"):
        found, truth = (
            salience.explain(net, data, PYG, calculator).values for net in (cached, plain)
        )
        torch.testing.assert_close(list(found), list(truth), rtol=1e-5, atol=1e-6)
    assert {name: id(value) for name, value in vars(cached.conv).items()} == before


class HalfBonds(nn.Module):
    """Each bond once, features of bonds under dropout, summed by molecule."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.layer = nn.Embedding(120, 8), nn.Linear(8, 8)
        self.drop, self.out = nn.Dropout(0.5), nn.Linear(8, 1)

    def forward(self, atoms: Tensor, edge_index: Tensor, owner: Tensor) -> Tensor:
        h = self.embed(atoms)
        begin, end = edge_index[:, edge_index[0] < edge_index[1]]
        bonds = self.drop(torch.tanh(self.layer(h[begin] + h[end])))
        total = h.new_zeros(int(owner.max()) + 1, 1)
        return total.index_add(0, owner[begin], self.out(bonds))


SETS = [["c1ccccc1", "CC", "c1ccc2ccccc2c1"], ["CC", "C", "CCO"], ["CCO", "CC", "CC", "C"]]


@pytest.mark.parametrize("calculator", ["gradient", "integrated_gradients:steps=8", "occlusion"])
@pytest.mark.parametrize("smiles", [list(o) for some in SETS[:2] for o in permutations(some)])
def test_masks_over_half_bonds_go_by_molecule(smiles: list[str], calculator: str) -> None:
    compare(HalfBonds(), smiles, calculator=calculator, samplers=[MCDropout()], n_samples=5)


def test_masks_over_half_bonds_of_more_molecules_go_by_molecule() -> None:
    compare(HalfBonds(), SETS[2], samplers=[MCDropout()], n_samples=5)


class Heads(nn.Module):
    """One head of attention over bonds, with dropout of its weights."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.out = nn.Embedding(120, 8), nn.Linear(8, 1)
        self.conv = TransformerConv(8, 8, dropout=0.5)

    def forward(self, atoms: Tensor, edge_index: Tensor, owner: Tensor) -> Tensor:
        h = self.conv(self.embed(atoms), edge_index)
        out: Tensor = self.out(global_add_pool(h.tanh(), owner))
        return out


@pytest.mark.parametrize("smiles", permutations(["C", "CCO", "CN", "C"]))
def test_molecules_without_bonds_are_served_under_dropout(smiles: tuple[str, ...]) -> None:
    compare(Heads(), list(smiles), samplers=[MCDropout()], n_samples=4)
