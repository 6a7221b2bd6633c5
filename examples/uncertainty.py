"""How sure is a saliency, and of what? Five ways to draw it, compared on measured solubility.

Trains the graph network of ``solubility.py``, and explains it by integrated gradients: once
(vanilla), under noise on the embedding (SmoothGrad), and under draws of the network's parameters
(BayesGrad) by dropout, by an ensemble of networks trained from other seeds, and by SWAG along one
run of SGD. Tells how far the methods agree, how many atoms have a saliency whose sign is certain,
and how much of the variance comes from the parameters and how much from the noise.

    pip install ./core ./plugins/molgraph datamol
    python examples/uncertainty.py

docs/samplers.md says what each of these ways assumes.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from scipy.stats import spearmanr
from solubility import DOMAIN, STEPS, Data, SolubilityNet, load, predict, telling, train
from torch import nn

import salience
from salience_molgraph import MoleculePlot

#: Share of the marked atoms that may be marked wrongly.
LEVEL = 0.05


@dataclass(frozen=True)
class Comparison:
    """What was found.

    Args:
        agreement: Pair of methods → Spearman's rank correlation of the saliency of all atoms.
        significant: Method → share of atoms whose sign is certain; only where there are draws.
        parts: Part of the variance of nested draws → its share of the total, summed over atoms.
    """

    agreement: dict[tuple[str, str], float]
    significant: dict[str, float]
    parts: dict[str, float]


def checkpoints(
    net: SolubilityNet, data: Data, *, n: int, epochs: int, seed: int, device: str
) -> list[dict[str, Any]]:
    """State dicts along a run of SGD with a constant learning rate, one every few epochs."""
    torch.manual_seed(seed)
    y = data.train_y.to(device)
    moving = copy.deepcopy(net).train()
    batch = DOMAIN.collate(DOMAIN.read(data.train)).to(torch.device(device), None)
    optimizer = torch.optim.SGD(moving.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-3)
    found = []
    for _ in range(n):
        for _ in range(epochs):
            for rows in torch.split(torch.randperm(len(y)).to(device), 64):
                args, kwargs = DOMAIN.arguments(batch.select(rows).batch().arguments)
                error = moving(*args, **kwargs) - y[rows]
                optimizer.zero_grad()
                (error / net.std).square().mean().backward()
                nn.utils.clip_grad_norm_(moving.parameters(), 1.0)
                optimizer.step()
        found.append(copy.deepcopy(moving.state_dict()))
    return found


def methods(
    members: Sequence[nn.Module], states: Sequence[Mapping[str, Any]], n_samples: int
) -> dict[str, dict[str, Any]]:
    """Title → how integrated gradients are drawn."""
    ensemble, swag = salience.Ensemble(list(members)), salience.SWAG(list(states))
    return {
        "vanilla": {},
        "SmoothGrad": {"samplers": ["gaussian"], "n_samples": n_samples},
        "dropout": {"samplers": ["mc_dropout"], "n_samples": n_samples},
        "ensemble": {"samplers": [ensemble], "n_samples": len(members)},
        "SWAG": {"samplers": [swag], "n_samples": n_samples},
    }


def agreement(explained: Mapping[str, salience.Explanation]) -> dict[tuple[str, str], float]:
    """Spearman's rank correlation of the saliency of all atoms, for each pair of methods."""
    atoms = {title: torch.cat(e.values).numpy() for title, e in explained.items()}
    return {(a, b): float(spearmanr(atoms[a], atoms[b]).statistic) for a in atoms for b in atoms}


def report(explained: Mapping[str, salience.Explanation], found: Comparison) -> None:
    """Print the table."""
    print(f"\n{'':12}{'draws':>7}{'certain':>9}   rank correlation of atoms with")
    print(f"{'':28}   " + "".join(f"{title:>12}" for title in explained))
    for title, explanation in explained.items():
        share = found.significant.get(title)
        certain = "" if share is None else f"{share:.0%}"
        row = "".join(f"{found.agreement[title, other]:12.2f}" for other in explained)
        print(f"{title:12}{explanation.n_samples:7}{certain:>9}   {row}")
    print(f"certain: atoms whose sign is, at a false discovery rate of {LEVEL:.0%}\n")
    told = ", ".join(f"{name} {share:.0%}" for name, share in found.parts.items())
    print(f"variance of draws under dropout and noise, nested: {told}")


def run(
    out: str | Path = "out",
    *,
    seed: int = 0,
    device: str = "cpu",
    epochs: int = 60,
    n_members: int = 5,
    n_samples: int = 30,
    n_molecules: int = 128,
) -> Comparison:
    """Train, explain, print the table and write the picture."""
    data = load(None, seed)
    members = [train(data, epochs=epochs, seed=seed + i, device=device) for i in range(n_members)]
    net = members[0]
    states = checkpoints(net, data, n=10, epochs=2, seed=seed, device=device)
    mean = copy.deepcopy(net)
    mean.load_state_dict({k: torch.stack([s[k] for s in states]).mean(0) for k in states[0]})
    for what, model in {"first member": net, "mean of the checkpoints": mean}.items():
        error = (predict(model, data.test) - data.test_y).square().mean().sqrt()
        print(f"test RMSE of the {what}: {error:.2f} log mol/l")

    explainer = salience.Explainer(net, DOMAIN, target="embed", output="value", device=device)
    calculator = salience.IntegratedGradients(steps=STEPS)
    mols = data.test[:n_molecules]
    ways = methods(members, states, n_samples)
    explained = {
        title: explainer.explain(mols, calculator, seed=seed, **settings)
        for title, settings in ways.items()
    }
    nested = explainer.explain(
        mols, calculator, samplers=["mc_dropout", "gaussian"], n_samples=(8, 4), seed=seed
    )
    parts = {name: float(torch.cat(part).sum()) for name, part in nested.variance_parts.items()}
    total = parts.pop("total")
    found = Comparison(
        agreement(explained),
        {
            title: float(torch.cat(explanation.significant(LEVEL)).double().mean())
            for title, explanation in explained.items()
            if explanation.n_samples > 1
        },
        {name: part / total for name, part in parts.items()},
    )
    report(explained, found)

    shown = telling(mols)
    look = MoleculePlot(output_name="log solubility", unit="log₁₀ mol/l", level=LEVEL)
    drawn = {
        title if e.n_samples == 1 else f"{title}, M = {e.n_samples}": e
        for title, e in explained.items()
    }
    figure = salience.grid(drawn, shown, visualizer=look)
    for suffix in ("svg", "png"):
        path = Path(out) / f"uncertainty.{suffix}"
        salience.save_figure(figure, path)
        print(f"wrote {path}")
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", default="out", help="folder of the picture (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of everything (%(default)s)")
    parser.add_argument("--device", default="cpu", help="where to run (%(default)s)")
    parser.add_argument("--epochs", type=int, default=60, help="%(default)s")
    parser.add_argument("--n-members", type=int, default=5, help="networks (%(default)s)")
    parser.add_argument("--n-samples", type=int, default=30, help="draws, M (%(default)s)")
    parser.add_argument("--n-molecules", type=int, default=128, help="to explain (%(default)s)")
    torch.set_num_threads(1)  # tensors this small gain nothing from more
    run(**vars(parser.parse_args(argv)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
