"""Payloads of domains have the form that reports need, and others are refused in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import salience
from salience import InputError, Target, Tensors
from salience.testing import check_payload
from salience_molgraph import MolGraph

GRAPH = {"view": "graph", "x": range(6), "y": range(6), "edges": [(0, 1), (1, 2)]}


@dataclass(frozen=True)
class Given(Tensors):
    """Plain tensors with a payload that a test gives."""

    given: Any = None

    def payload(self, explanation: Any, item: int) -> Mapping[str, Any] | None:
        made: Mapping[str, Any] | None = self.given
        return made


def explained(payload: Any, *shape: int) -> salience.Explanation:
    """Three items of a shape, explained by a domain with this payload."""
    shape = shape or (6,)
    domain = Given(("item", *(f"axis {i}" for i in range(len(shape)))), given=payload)
    net = nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(shape)), 2))
    return salience.explain(net, torch.randn(3, *shape), domain)


def checked(payload: Any, *shape: int) -> dict[str, Any]:
    found = check_payload(explained(payload, *shape), 1)
    assert found is not None
    return found


def test_every_view_passes_and_numbers_become_arrays() -> None:
    graph = checked(GRAPH | {"symbols": ["C"] * 6, "orders": [1, 2], "label": 3})
    assert graph["edges"].tolist() == [[0, 1], [1, 2]] and graph["orders"].tolist() == [1, 2]
    assert checked(GRAPH)["symbols"] == [""] * 6
    image = torch.zeros(8, 8, 3, dtype=torch.uint8)
    assert checked({"view": "raster", "image": image}, 4, 4)["image"].shape == (8, 8, 3)
    bars = checked({"view": "bars", "names": list("abcdef"), "numbers": [1, 2, 3, 4, 5, np.nan]})
    assert bars["variable"] == "input" and np.isnan(bars["numbers"][5])
    series = checked({"view": "series", "x": range(6), "lines": torch.zeros(2, 6)})
    assert series["lines"].shape == (2, 6)
    assert checked({"view": "tokens", "tokens": list("abcdef")})["tokens"] == list("abcdef")


def test_no_payload_is_none() -> None:
    assert check_payload(explained(None)) is None


BARS = {"view": "bars", "names": list("abcdef")}


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ("text", "return a mapping or None"),
        ({"view": "graf"}, "did you mean 'graph'"),
        ({"view": ["graph"]}, "view=.*did you mean"),
        (BARS | {"colour": 3}, "unknown entry .*'colour'"),
        (BARS | {"name": 3}, "name=3; pass text"),
        (BARS | {"caption": "one line"}, "pass a list of texts"),
        (BARS | {"label": float("nan")}, "a finite number or text"),
        (BARS | {"variable": "other"}, "variable='other'; known are: input"),
        (BARS | {"names": list("abc")}, "3 names for 6 positions"),
        (BARS | {"names": range(6)}, "pass a list of texts"),
        (BARS | {"numbers": "abcdef"}, "pass numbers"),
        (BARS | {"numbers": [1, 2]}, r"shape \(2,\); expected \(6,\)"),
        (GRAPH | {"x": [0, 1]}, r"y of shape \(6,\); expected \(2,\)"),
        (GRAPH | {"x": range(5), "y": range(5)}, "5 nodes, but the saliency has the shape"),
        (GRAPH | {"edges": [(0, 6)]}, "nodes that are not there"),
        (GRAPH | {"orders": [1]}, r"orders of shape \(1,\); expected \(2,\)"),
        (GRAPH | {"x": [float("inf")] * 6}, "NaN or infinity in x"),
        (GRAPH | {"edge_variable": "input", "edge_of": [2] * 6}, "does not fit"),
        ({"view": "raster"}, "needs .height, width."),
        ({"view": "series", "x": range(5)}, r"x of shape \(5,\); expected \(6,\)"),
        ({"view": "series", "x": range(6), "lines": [[1]]}, r"expected \(any, 6\)"),
        ({"view": "series", "x": range(6), "x_label": 3}, "pass text"),
        ({"view": "tokens"}, "tokens=None; pass a list of texts"),
    ],
)
def test_other_payloads_are_refused_with_the_domain_and_the_item(
    payload: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        checked(payload)
    assert str(caught.value).startswith("Given.payload of item 1 ")
    assert len(str(caught.value)) <= 300


def test_an_image_is_bytes_of_three_colours() -> None:
    with pytest.raises(InputError, match="pass uint8 of shape"):
        checked({"view": "raster", "image": np.zeros((4, 4, 3))}, 4, 4)


# --- Molecules ------------------------------------------------------------------------------------


class Bonds(nn.Module):
    """A sum over atoms, to which each bond adds by its type and its second atom."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.kinds = nn.Embedding(120, 3), nn.Embedding(4, 3)

    def forward(
        self, atoms: Tensor, edge_index: Tensor, bond_type: Tensor, owner: Tensor
    ) -> Tensor:
        state = self.embed(atoms)
        sent = state[edge_index[1]] * self.kinds(bond_type)
        state = state.index_add(0, edge_index[0], sent).tanh().sum(1)
        return state.new_zeros(int(owner.max()) + 1).index_add(0, owner, state)


SMILES = ["CC(=O)[O-].[Na+]", "F[C@H](Cl)Br", "[2H]C#N", "C", "c1cc[nH]c1", "C[N+](C)(C)C", "OO"]


def molecules(**settings: Any) -> salience.Explanation:
    domain = MolGraph(fields=("atoms", "edge_index", "bond_type", "owner"))
    return salience.explain(Bonds(), SMILES, domain, "gradient:multiply_by_target=true", **settings)


def test_molecules_are_graphs_of_their_atoms_and_bonds() -> None:
    explanation = molecules()
    symbols = []
    for item, text in enumerate(SMILES):
        found = check_payload(explanation, item)
        assert found is not None and found["view"] == "graph" and found["name"] == text
        mol = explanation.annotations[item]["mol"]
        ends = [(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in mol.GetBonds()]
        # A wedge begins at its narrow end, so that drawing may turn a bond round.
        assert [sorted(edge) for edge in found["edges"].tolist()] == list(map(sorted, ends))
        symbols.append(found["symbols"])
    assert symbols == [
        ["", "", "O", "O−", "Na+"],
        ["F", "", "Cl", "Br"],
        ["2H", "", "N"],
        ["CH4"],
        ["", "", "", "NH", ""],
        ["", "N+", "", "", ""],
        ["OH", "OH"],
    ]
    wedge = check_payload(explanation, 1)
    assert wedge is not None and sorted(abs(wedge["wedges"])) == [0, 0, 1]
    triple = check_payload(explanation, 2)
    assert triple is not None and triple["orders"].tolist() == [1, 3]


def test_bonds_of_molecules_name_the_edge_of_each_direction() -> None:
    targets = ["embed", Target("kinds", axes=("bond", "channel"))]
    explanation = molecules(target=targets)
    for item in range(len(SMILES)):
        found = check_payload(explanation, item)
        assert found is not None
        assert found["variable"] == "embed" and found["edge_variable"] == "kinds"
        counts = np.bincount(found["edge_of"], minlength=len(found["edges"]))
        assert counts.tolist() == [2] * len(found["edges"])


def test_groups_of_a_molecule_are_left_to_its_picture() -> None:
    explanation = molecules(pool=[{"first": [0]}] * len(SMILES))
    assert check_payload(explanation) is None
