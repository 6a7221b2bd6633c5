"""How many points integrated gradients need: steps="auto" beside 32 points, on five networks.

python benchmarks/convergence.py
python benchmarks/convergence.py --quick

The reference has as many points as it needs for rtol=0.001, at most 4096 (1024 for photos); the
last column is the share of its items that have converged. The error of an item is
|saliency − reference| / |reference|, by the norm over its values.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from sklearn.datasets import load_breast_cancer
from torch import Tensor, nn

import salience
from report import table

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))
import photos
import solubility


@dataclass(frozen=True)
class Case:
    """A network with its data.

    Args:
        explainer: Explains the network.
        data: The items.
        fine: Largest number of points of the reference.
    """

    explainer: salience.Explainer
    data: Any
    fine: int = 4096


class GCN(nn.Module):
    """Graph convolutions (Kipf and Welling, 2017), LayerNorm and ReLU, mean over the atoms."""

    def __init__(self, width: int = 32, n_layers: int = 3) -> None:
        super().__init__()
        self.embed = nn.Embedding(119, width)
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(n_layers))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(n_layers))
        self.dropout = nn.Dropout(0.1)
        self.out = nn.Linear(width, 1)

    def forward(self, atoms: Tensor, edge_index: Tensor, owner: Tensor, n_molecules: int) -> Tensor:
        """One value a molecule, shape (B,)."""
        state, (start, end) = self.embed(atoms), edge_index
        ones = torch.ones_like(end, dtype=state.dtype)
        degree = 1 + state.new_zeros(len(state)).index_add(0, end, ones)
        scale = degree.rsqrt()[:, None]
        for layer, norm in zip(self.layers, self.norms, strict=True):
            sent = layer(state) * scale
            received = sent.index_add(0, end, sent.index_select(0, start)) * scale
            state = self.dropout(torch.relu(norm(received)))
        total = state.new_zeros(n_molecules, state.shape[1]).index_add(0, owner, state)
        count = state.new_zeros(n_molecules).index_add(0, owner, torch.ones_like(scale[:, 0]))
        value: Tensor = self.out(total / count[:, None])[:, 0]
        return value


def rows(bias: bool) -> Callable[[bool], Case]:
    """A ReLU network with LayerNorm on standardised rows, with or without a first bias."""

    def make(quick: bool) -> Case:
        torch.manual_seed(0)
        data = load_breast_cancer()
        x = torch.tensor(data.data, dtype=torch.float32)
        x = (x - x.mean(0)) / x.std(0)
        y = torch.tensor(data.target)
        width = 64
        net = nn.Sequential(
            *(nn.Linear(x.shape[1], width, bias=bias), nn.LayerNorm(width), nn.ReLU()),
            *(nn.Linear(width, width), nn.LayerNorm(width), nn.ReLU()),
            nn.Linear(width, 2),
        )
        fitted(net, lambda: nn.functional.cross_entropy(net(x), y), 300)
        explainer = salience.Explainer(net, salience.Tensors(), output="predicted")
        return Case(explainer, x[: 64 if quick else None])

    return make


def gcn(quick: bool) -> Case:
    """A GCN with LayerNorm on measured solubility."""
    torch.manual_seed(0)
    data, domain = solubility.load(None, 0), _molgraph()
    batch = domain.collate(domain.read(data.train)).to(torch.device("cpu"), None)
    net, y = GCN(), (data.train_y - data.train_y.mean()) / data.train_y.std()

    def loss() -> Tensor:
        chosen = torch.randint(len(y), (64,))
        args, kwargs = domain.arguments(batch.select(chosen).batch().arguments)
        return nn.functional.mse_loss(net(*args, **kwargs), y[chosen])

    fitted(net, loss, 100 if quick else 1000)
    explainer = salience.Explainer(net, domain, target="embed", output="value")
    return Case(explainer, data.test[: 32 if quick else None])


def _molgraph() -> Any:
    from salience_molgraph import MolGraph

    return MolGraph(fields=("atoms", "edge_index", "owner", "n_molecules"))


def solubilities(quick: bool) -> Case:
    """The network of the example."""
    data = solubility.load(None, 0)
    net = solubility.train(data, epochs=5 if quick else 60, seed=0, device="cpu")
    explainer = salience.Explainer(net, solubility.DOMAIN, target="embed", output="value")
    return Case(explainer, data.test[: 32 if quick else None])


def four_photos(quick: bool) -> Case:
    """EfficientNet-Lite0, from grey."""
    explainer = salience.Explainer(photos.efficientnet(), "vision", output="predicted")
    return Case(explainer, photos.default_photos()[: 1 if quick else 4], 64 if quick else 1024)


def fitted(net: nn.Module, loss: Callable[[], Tensor], steps: int) -> None:
    """Train the network in place."""
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    net.train()
    for _ in range(steps):
        optimizer.zero_grad()
        loss().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    net.eval()


CASES: dict[str, Callable[[bool], Case]] = {
    "solubility, GGNN": solubilities,
    "solubility, GCN with LayerNorm": gcn,
    "breast cancer, LayerNorm and ReLU": rows(bias=True),
    "the same, first layer without bias": rows(bias=False),
    "four photos, EfficientNet-Lite0": four_photos,
}


def errors(found: salience.Explanation, reference: salience.Explanation) -> Tensor:
    """Relative error of each item, shape (B,)."""
    kept = []
    for mine, its in zip(_items(found), _items(reference), strict=True):
        kept.append((mine - its).norm() / its.norm())
    return torch.stack(kept)


def _items(explanation: salience.Explanation) -> Sequence[Tensor]:
    values = explanation.values
    return [torch.as_tensor(values[i]) for i in range(len(explanation))]


def main() -> None:
    """Measure, and print a row for each network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few items, little training")
    parser.add_argument("names", nargs="*", help="networks whose names hold one of these words")
    options = parser.parse_args()
    lines = []
    for name, make in CASES.items():
        if options.names and not any(word in name for word in options.names):
            continue
        case = make(options.quick)
        timed = {}
        for steps in (32, "auto"):
            began = time.perf_counter()
            method = salience.IntegratedGradients(steps=steps)
            timed[steps] = case.explainer.explain(case.data, method), time.perf_counter() - began
        fine = salience.IntegratedGradients(rtol=1e-3, max_steps=case.fine)
        reference = case.explainer.explain(case.data, fine)
        (plain, before), (auto, after) = timed[32], timed["auto"]
        points = auto.n_points.double()
        lines.append(
            [
                name,
                f"{len(points)}",
                f"{float(auto.converged.double().mean()):.0%}",
                f"{float(points.mean()):.1f}",
                f"{int(points.max())}",
                f"{float(errors(plain, reference).median()):.2%}",
                f"{float(errors(auto, reference).median()):.2%}",
                f"{float(_gap(plain).median()):.2%}",
                f"{float(_gap(auto).median()):.2%}",
                f"{after / before:.2f}",
                f"{float(reference.converged.double().mean()):.0%}",
            ]
        )
        print(name, *lines[-1][1:], file=sys.stderr)
    head = ["network", "items", "converged", "points", "most", "error, 32", "error, auto"]
    print(table([*head, "gap, 32", "gap, auto", "time by that of 32", "reference"], lines))


def _gap(explanation: salience.Explanation) -> Tensor:
    return explanation.completeness_gap / explanation.delta.abs()


if __name__ == "__main__":
    main()
