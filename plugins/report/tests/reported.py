"""Explanations of each view that reports have, of small models, quick to make."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

import salience
from salience import Batch, Domain, Field, Layout
from salience_template.dense import Spectra

#: Names that would run as script or turn the text around, where a page took them for markup.
HOSTILE = (
    "<script>window.hurt=1</script>",
    '"><img src=x onerror="window.hurt=2">',
    "</script><script>window.hurt=3</script>",
    "javascript:window.hurt=4//\u202egnp.exe",
)
CHAINS = ("CC", "OCC", "NCC(=O)O", "c1ccccc1", "ClC(Cl)", "N#C", "[Na+].[O-]C(=O)", "F[C@H](Cl)")


class Atoms(nn.Module):
    """One message step over the bonds, dropout and a sum over the atoms; float64."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.drop, self.out = nn.Embedding(120, 4), nn.Dropout(0.4), nn.Linear(4, 1)
        self.double()

    def forward(self, atoms: Tensor, edge_index: Tensor, owner: Tensor) -> Tensor:
        state = self.embed(atoms)
        state = state.index_add(0, edge_index[1], state[edge_index[0]]).tanh()
        rows = self.out(self.drop(state))
        return state.new_zeros(int(owner.max()) + 1, 1).index_add(0, owner, rows)


def smiles(n: int) -> list[str]:
    """So many molecules of 2 to 30 atoms."""
    return [CHAINS[i % len(CHAINS)] + "C" * (i % 20) for i in range(n)]


def molecules(n: int = 12, n_samples: int = 12, **settings: Any) -> salience.Explanation:
    settings = {"samplers": ["mc_dropout"], "n_samples": n_samples, **settings}
    return salience.explain(
        Atoms(), smiles(n), "molgraph", "gradient:multiply_by_target=true", **settings
    )


class Bonds(nn.Module):
    """A sum over atoms, to which each bond adds by its type and its second atom; float64."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.kinds, self.drop = (
            nn.Embedding(120, 3),
            nn.Embedding(4, 3),
            nn.Dropout(0.4),
        )
        self.double()

    def forward(
        self, atoms: Tensor, edge_index: Tensor, bond_type: Tensor, owner: Tensor
    ) -> Tensor:
        state = self.embed(atoms)
        sent = state[edge_index[1]] * self.kinds(bond_type)
        state = self.drop(state.index_add(0, edge_index[0], sent).tanh()).sum(1)
        return state.new_zeros(int(owner.max()) + 1).index_add(0, owner, state)


def with_bonds(n: int = 6) -> salience.Explanation:
    """Molecules whose atoms and bonds are explained."""
    domain = {"name": "molgraph", "fields": ["atoms", "edge_index", "bond_type", "owner"]}
    settings = {"samplers": ["mc_dropout"], "n_samples": 8}
    target = ["embed", salience.Target("kinds", axes=("bond", "channel"))]
    return salience.explain(Bonds(), smiles(n), domain, "gradient", target=target, **settings)


def table_net(n_features: int) -> nn.Module:
    torch.manual_seed(0)
    layers = (nn.Linear(n_features, 8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 3))
    return nn.Sequential(*layers).double()


def rows(n: int = 20, n_features: int = 5, **settings: Any) -> salience.Explanation:
    import pandas as pd

    made = np.random.default_rng(0).normal(size=(n, n_features))
    columns = [f"feature {i}" for i in range(n_features)]
    frame = pd.DataFrame(made, columns=columns, index=[f"row {i}" for i in range(n)])
    settings = {"samplers": ["mc_dropout"], "n_samples": 12, "ids": list(frame.index), **settings}
    return salience.explain(
        table_net(n_features), frame, "tabular", "gradient:multiply_by_target=true", **settings
    )


def photos(n: int = 6, side: int = 32, **settings: Any) -> salience.Explanation:
    torch.manual_seed(0)
    net = nn.Sequential(
        *(nn.Conv2d(3, 4, 5, padding=2), nn.Tanh(), nn.Dropout(0.3), nn.AdaptiveAvgPool2d(4)),
        *(nn.Flatten(), nn.Linear(64, 3)),
    )
    random = np.random.default_rng(0)
    small = random.integers(0, 255, (n, 8, 8, 3), dtype=np.uint8)
    pixels = list(small.repeat(side // 8, 1).repeat(side // 8, 2))
    domain = {"name": "vision", "transform": {"resize": side, "crop": side}}
    return salience.explain(net, pixels, domain, "gradient", **settings)


def spectra(n: int = 4, **settings: Any) -> salience.Explanation:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(30, 8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 2))
    data = torch.randn(n, 1, 30).double()
    domain = Spectra(wavelengths=np.linspace(400, 700, 30))
    settings = {"samplers": ["mc_dropout"], "n_samples": 8, **settings}
    return salience.explain(
        net.double(), data, domain, "gradient:multiply_by_target=true", **settings
    )


@dataclass(frozen=True)
class Words(Domain):
    """A domain of sentences of six words, each a row of numbers."""

    visualizer: ClassVar[str] = ""
    output: str = "value"
    texts: Sequence[str] = ("not", "a", "bad", "film", "at", "all")
    payloads: Mapping[str, Any] | None = None

    @property
    def layout(self) -> Layout:
        return Layout({"words": Field(("item", "word", "unit"))}, reduce=("unit",))

    def read(self, data: Any) -> list[Tensor]:
        return list(data)

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        return Batch({"words": torch.stack(list(samples))}, self.layout, len(samples))

    def payload(self, explanation: Any, item: int) -> Mapping[str, Any] | None:
        return {"view": "tokens", "tokens": list(self.texts), **(self.payloads or {})}


def words(n: int = 3, domain: Domain | None = None, **settings: Any) -> salience.Explanation:
    torch.manual_seed(0)
    layers = (nn.Flatten(), nn.Linear(18, 6), nn.Tanh(), nn.Dropout(0.3), nn.Linear(6, 1))
    net = nn.Sequential(*layers).double()
    settings = {"samplers": ["mc_dropout"], "n_samples": 8, **settings}
    return salience.explain(net, torch.randn(n, 6, 3).double(), domain or Words(), **settings)


def island(page: str) -> dict[str, Any]:
    """The data that a page holds."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def flat(values: Any) -> np.ndarray[Any, Any]:
    """Values of all items in one array."""
    return np.concatenate([np.asarray(one, dtype=float).ravel() for one in values])
