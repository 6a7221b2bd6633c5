"""Inputs: molecules as SMILES, objects, files and graphs, and the settings of their domain."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import torch
from hypothesis import strategies as st
from rdkit import Chem
from torch import Tensor, nn

from salience import Explainer
from salience_molgraph import MolGraph

from .data import folder
from .oracle import Case
from .photos import damaged
from .specs import brief
from .subject import told
from .values import MAYBE, wild

SMILES = (
    "CCO",
    "c1ccccc1O",
    "C",
    "[Na+].[Cl-]",
    "CC(=O)O",
    "[H][H]",
    "C[C@H](N)C(=O)O",
    "F/C=C/F",
    "[13CH4]",
    "C#N",
    "[CH3:7]O",
    "*C",
    "[OH2]->[Fe]",
    "N",
)
_TOKENS = (
    "C",
    "c",
    "N",
    "O",
    "[",
    "]",
    "(",
    ")",
    "=",
    "#",
    "1",
    "2",
    "%10",
    "H",
    "+",
    "-",
    "@",
    "/",
    ".",
    "*",
    "Cl",
    " ",
    ">",
    "[R1]",
    "~",
    "$",
)


@cache
def network() -> Any:
    """One value a molecule from labels of atoms and bonds."""

    class Atoms(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(4)
            self.embed = nn.Embedding(120, 3).double()
            self.last = nn.Linear(3, 1).double()

        def forward(self, atoms: Tensor, edge_index: Tensor, owner: Tensor) -> Tensor:
            return self.read(self.embed(atoms), edge_index, owner)

        def read(self, hidden: Tensor, edge_index: Tensor, owner: Tensor) -> Tensor:
            near = torch.zeros_like(hidden).index_add(0, edge_index[1], hidden[edge_index[0]])
            hidden = (hidden + near).tanh()
            pooled = hidden.new_zeros(int(owner.max()) + 1, 3).index_add(0, owner, hidden)
            found: Tensor = self.last(pooled)
            return found

    return Atoms().eval()


def cases() -> st.SearchStrategy[Case]:
    return st.one_of(lists(), lists(), files(), graphs(), settings())


def _each(smiles: list[str]) -> Any:
    """The gradients of each molecule by itself, by autograd and RDKit alone."""
    found, keep = [], Chem.SmilesParserParams()
    keep.removeHs = False
    for text in smiles:
        mol = Chem.MolFromSmiles(text, keep)
        atoms = torch.tensor([a.GetAtomicNum() for a in mol.GetAtoms()])
        ends = [(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in mol.GetBonds()]
        pairs = torch.tensor(ends, dtype=torch.int64).reshape(-1, 2).T
        hidden = network().embed(atoms).detach().requires_grad_(True)
        arrows = torch.cat([pairs, pairs.flip(0)], 1)
        network().read(hidden, arrows, torch.zeros_like(atoms)).sum().backward()
        found.append(hidden.grad.sum(1))  # the units of an embedding are one variable
    return {"values": [torch.cat(found)]}


@st.composite
def lists(draw: Any) -> Case:
    """SMILES, RDKit molecules and tables of them."""
    plain = draw(st.lists(st.sampled_from(SMILES), min_size=1, max_size=4))
    form = draw(
        st.sampled_from(
            ("smiles", "mols", "table", "mapping", "broken", "wild item", "wild", "iterator")
        )
    )
    given: Any = list(plain)
    right: Any = lambda: _each(plain)  # noqa: E731
    text = f"molecules {form} {plain}"
    make = lambda: given  # noqa: E731
    if form == "mols":
        given = [Chem.MolFromSmiles(s) for s in plain]
        right = (lambda: _each(plain)) if "[H][H]" not in plain else MAYBE
    elif form == "table":
        given = pd.DataFrame({"Smiles ": plain, "y": 1.0})
    elif form == "mapping":
        given = {"smiles": plain}
    elif form == "iterator":
        make = lambda: iter(given)  # noqa: E731
    elif form == "broken":
        tokens = draw(st.lists(st.sampled_from(_TOKENS), max_size=12))
        given.append("".join(tokens))
        right, text = MAYBE, f"molecules {given}"
    elif form == "wild item":
        given.append(draw(wild()))
        right, text = MAYBE, f"molecules {brief(given)}"
    elif form == "wild":
        given = draw(wild())
        right, text = MAYBE, f"molecules {brief(given)}"
    skip = draw(st.booleans())
    own = MolGraph(on_error="skip" if skip else "raise")
    return Case(
        text, lambda: told(Explainer(network(), own).explain(make())), right, late=right is MAYBE
    )


@cache
def _files() -> dict[str, bytes]:
    """One file of each kind, of the same three molecules."""
    chosen = ("CCO", "c1ccccc1O", "CC(=O)O")
    blocks = []
    for text in chosen:
        mol = Chem.MolFromSmiles(text)
        blocks.append(Chem.MolToMolBlock(mol) + "> <y>\n1.5\n\n$$$$\n")
    return {
        "sdf": "".join(blocks).encode(),
        "smi": "\n".join(f"{t} name{i}" for i, t in enumerate(chosen)).encode(),
        "csv": (
            "name,smiles,y\n" + "\n".join(f"n{i},{t},1" for i, t in enumerate(chosen))
        ).encode(),
    }


@st.composite
def files(draw: Any) -> Case:
    """Files of molecules, damaged."""
    suffix = draw(st.sampled_from(("sdf", "smi", "csv")))
    whole = _files()[suffix]
    raw = draw(damaged(whole))
    skip = draw(st.booleans())

    def run() -> Any:
        path = folder() / f"molecules.{suffix}"
        path.write_bytes(raw)
        return told(
            Explainer(network(), MolGraph(on_error="skip" if skip else "raise")).explain(str(path))
        )

    right: Any = MAYBE
    if raw == whole:
        right = lambda: _each(["CCO", "c1ccccc1O", "CC(=O)O"])  # noqa: E731
    return Case(f"file .{suffix} skip={skip} {raw!r}", run, right)


class Pooled(nn.Module):
    """One value a graph from a batch of PyG."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.last = nn.Linear(2, 1)

    def forward(self, batch: Any) -> Tensor:
        near = torch.zeros_like(batch.x).index_add(
            0, batch.edge_index[1], batch.x[batch.edge_index[0]]
        )
        hidden = (batch.x + near).tanh()
        pooled = hidden.new_zeros(batch.num_graphs, 2).index_add(0, batch.batch, hidden)
        found: Tensor = self.last(pooled)
        return found


@st.composite
def graphs(draw: Any) -> Case:
    """Graphs of PyG with attributes of any kind."""
    from torch_geometric.data import Data

    made, odd = (
        [],
        draw(st.sampled_from(("", "x", "edge_index", "y", "edge_attr", "other", "node"))),
    )
    for i in range(draw(st.integers(1, 3))):
        n = draw(st.integers(1, 4))
        x = torch.from_numpy(np.random.default_rng(i).normal(size=(n, 2))).float()
        ends = draw(st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=4))
        made.append(Data(x=x, edge_index=torch.tensor(ends, dtype=torch.int64).reshape(-1, 2).T))
    text = f"graphs {[d.num_nodes for d in made]} {odd}"
    if odd and odd != "node":
        value = draw(wild())
        text += f"={brief(value)}"
        for one in made if draw(st.booleans()) else made[-1:]:
            one[odd] = value
    options = {"node": draw(wild())} if odd == "node" else {}
    text += brief(options)

    def run() -> Any:
        return told(Explainer(Pooled(), MolGraph(form="pyg", **options)).explain(made))

    def expected() -> Any:
        own = [
            Explainer(Pooled(), MolGraph(form="pyg"), max_rows=64).explain([one]) for one in made
        ]
        return {"values": [torch.cat([e["x"].flat for e in own])]}

    return Case(text, run, MAYBE if odd else expected, tolerance=1e-4)


@st.composite
def settings(draw: Any) -> Case:
    """Settings of the domain."""
    names = (
        "form",
        "atom_features",
        "fields",
        "bond_types",
        "add_hs",
        "remove_hs",
        "target",
        "output",
        "node",
        "follow_batch",
        "on_error",
    )
    known = st.sampled_from(
        ("ragged", "dense", "pyg", ("atoms", "edge_index", "owner"), "x", ["CCO"])
    )
    value = st.one_of(wild(), wild(), known)
    given = draw(st.dictionaries(st.sampled_from(names), value, min_size=1, max_size=2))
    as_mapping = draw(st.booleans())

    def run() -> Any:
        own = {"name": "molgraph"} | given if as_mapping else MolGraph(**given)
        return told(Explainer(network(), own).explain(["CCO", "CN"]))

    return Case(f"MolGraph(**{brief(given)}) mapping={as_mapping}", run)
