"""Are certain signs right more often? On tasks whose answer is known, what certainty is worth.

A graph network learns whether a molecule holds given fragments (Sanchez-Lengeling et al.,
"Evaluating attribution for graph neural networks", 2020). The atoms of the fragments should have
positive saliency for that answer, and all others none. Each atom is tested, by draws of dropout and
by an ensemble of networks that were trained apart, and the share of atoms whose sign is right
(positive exactly where it belongs to a fragment) is counted among the certain ones (unadjusted
p < 0.05) and among the others.

    python benchmarks/truth.py

It takes some minutes, prints a table, and is read in docs/reading.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rdkit import Chem, RDConfig, rdBase
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

import salience

#: Task → fragments that a molecule of the class holds, by SMARTS.
TASKS = {
    "benzene": ("c1ccccc1",),
    "benzene and carbonyl": ("c1ccccc1", "[CX3]=O"),
    "benzene and amine": ("c1ccccc1", "[NX3;H2]"),
}
DRAWS = 30
EXPLAINED = 200


class Net(nn.Module):
    """A graph network: embedding, message steps with layer normalisation, sum, MLP."""

    def __init__(self, width: int = 48, steps: int = 3, dropout: float = 0.1) -> None:
        super().__init__()
        self.embed = nn.Embedding(119, width)
        self.messages = nn.ModuleList(nn.Linear(2 * width, width) for _ in range(steps))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(steps))
        self.drop = nn.Dropout(dropout)
        self.out = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1))

    def forward(self, atoms: Tensor, edge_index: Tensor, owner: Tensor) -> Tensor:
        """One logit for each molecule, shape (B, 1)."""
        h = self.embed(atoms)
        for message, norm in zip(self.messages, self.norms, strict=True):
            sums = torch.zeros_like(h).index_add(0, edge_index[1], h[edge_index[0]])
            h = h + self.drop(norm(message(torch.cat([h, sums], 1))).relu())
        pooled = h.new_zeros(int(owner.max()) + 1, h.shape[1]).index_add(0, owner, h)
        return self.out(pooled)  # type: ignore[no-any-return]


def molecules() -> list[Chem.Mol]:
    """The first molecules of the National Cancer Institute that RDKit reads, of 5 to 40 atoms."""
    lines = (Path(RDConfig.RDDataDir) / "NCI" / "first_5K.smi").read_text().splitlines()
    with rdBase.BlockLogs():
        made = [Chem.MolFromSmiles(line.split()[0]) for line in lines if line.strip()]
    return [mol for mol in made if mol is not None and 5 <= mol.GetNumAtoms() <= 40]


def truth(mol: Chem.Mol, fragments: Sequence[str]) -> Tensor:
    """Whether each atom belongs to a fragment, where all of them are there; else all False."""
    found = [mol.GetSubstructMatches(Chem.MolFromSmarts(smarts)) for smarts in fragments]
    inside = torch.zeros(mol.GetNumAtoms(), dtype=torch.bool)
    if all(found):
        inside[[atom for matches in found for match in matches for atom in match]] = True
    return inside


def packed(mols: Sequence[Chem.Mol]) -> tuple[Tensor, Tensor, Tensor]:
    """Atomic numbers, bonds in both directions, and the molecule of each atom."""
    atoms, ends, owner, offset = [], [], [], 0
    for number, mol in enumerate(mols):
        atoms += [atom.GetAtomicNum() for atom in mol.GetAtoms()]
        owner += [number] * mol.GetNumAtoms()
        for bond in mol.GetBonds():
            one, two = offset + bond.GetBeginAtomIdx(), offset + bond.GetEndAtomIdx()
            ends += [(one, two), (two, one)]
        offset += mol.GetNumAtoms()
    return torch.tensor(atoms), torch.tensor(ends).reshape(-1, 2).T, torch.tensor(owner)


def trained(mols: Sequence[Chem.Mol], labels: Tensor, seed: int, steps: int) -> Net:
    """A network trained on classes of equal weight."""
    torch.manual_seed(seed)
    net, random = Net(), np.random.default_rng(seed)
    optimizer = torch.optim.Adam(net.parameters(), 2e-3)
    classes = [torch.nonzero(labels == value)[:, 0].numpy() for value in (0, 1)]
    for _ in range(steps):
        chosen = np.concatenate([random.choice(own, 32) for own in classes])
        logits = net(*packed([mols[i] for i in chosen]))[:, 0]
        loss = nn.functional.binary_cross_entropy_with_logits(logits, labels[chosen].float())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return net.eval()


def counted(found: salience.Explanation, truths: Sequence[Tensor]) -> str:
    """A row of the table: how many atoms are certain, and how often signs are right."""
    certain = torch.cat([p < 0.05 for p in found.p_values()])
    right = (torch.cat(list(found.values)) > 0) == torch.cat(list(truths))
    sure, unsure = right[certain].double().mean(), right[~certain].double().mean()
    fdr = torch.cat(list(found.significant())).double().mean()
    return (
        f"| {float(certain.double().mean()):.0%} | {float(fdr):.0%} | {float(sure):.0%} "
        f"| {float(unsure):.0%} |"
    )


def main() -> None:
    """Train, explain and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1000, help="steps of training")
    parser.add_argument("--task", choices=TASKS, action="append", help="only this task")
    arguments = parser.parse_args()
    mols = molecules()
    order = np.random.default_rng(0).permutation(len(mols))
    head = ("task", "AUROC", "draws", "certain", "at FDR 5 %", "right, certain", "right, other")
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for task in arguments.task or TASKS:
        truths = [truth(mol, TASKS[task]) for mol in mols]
        labels = torch.tensor([bool(inside.any()) for inside in truths])
        split = len(mols) * 4 // 5
        train, test = order[:split], order[split:]
        nets = [
            trained([mols[i] for i in train], labels[train], seed, arguments.steps)
            for seed in range(5)
        ]
        with torch.no_grad():
            scores = nets[0](*packed([mols[i] for i in test]))[:, 0]
        area = roc_auc_score(labels[test], scores)
        chosen = [i for i in test if labels[i]][:EXPLAINED]
        explainer = salience.Explainer(nets[0], "molgraph", target="embed", output="value")
        members = [net.state_dict() for net in nets]
        samplers: dict[str, tuple[list[Any], int]] = {
            f"dropout, {DRAWS}": (["mc_dropout"], DRAWS),
            "ensemble of 3": ([salience.Ensemble(members[:3])], 3),
            "ensemble of 5": ([salience.Ensemble(members)], 5),
        }
        for name, (drawn, number) in samplers.items():
            found = explainer.explain(
                [mols[i] for i in chosen],
                salience.IntegratedGradients(steps=32),
                samplers=drawn,
                n_samples=number,
            )
            row = counted(found, [truths[i] for i in chosen])
            print(f"| {task} | {area:.3f} | {name} {row}", flush=True)


if __name__ == "__main__":
    main()
