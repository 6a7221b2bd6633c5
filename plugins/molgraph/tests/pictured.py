"""Explanations of molecules that are made by hand, and what their pictures hold."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import Any

import torch
from rdkit import Chem

from salience import Design, Explanation, Saliency
from salience_molgraph import MolGraph

SVG = "{http://www.w3.org/2000/svg}"
UNITS = 10


def made(
    smiles: Sequence[str],
    values: Sequence[Sequence[float]],
    errors: Sequence[Sequence[float]] | None = None,
    *,
    delta: float = 1.0,
    design: Design | None = None,
    score: float = 0.5,
    notes: Sequence[dict[str, Any]] | None = None,
    **provenance: Any,
) -> Explanation:
    """An explanation of atoms; errors of ``None`` stand for a single draw."""
    flat = torch.cat([torch.tensor(v, dtype=torch.float64) for v in values])
    error = flat * torch.nan
    if errors is not None:
        error = torch.cat([torch.tensor(e, dtype=torch.float64) for e in errors])
    n_items = len(smiles)
    scores = torch.full((n_items,), score, dtype=torch.float64)
    mols = [{"mol": Chem.MolFromSmiles(s), "name": s} for s in smiles]
    extra = notes or [{}] * n_items
    return Explanation(
        saliency={"embed": Saliency(flat, error, torch.tensor([len(v) for v in values]))},
        prediction=scores,
        score=scores,
        delta=scores * 0 + delta,
        completeness_gap=scores * 0,
        annotations=[mol | own for mol, own in zip(mols, extra, strict=True)],
        dataset_info={},
        provenance={"target": ["embed"], "output": {"name": "value", "index": None}, **provenance},
        design=design or Design(signed=True),
        domain=MolGraph(),
        ids=list(smiles),
        drawn=torch.ones(n_items, dtype=torch.bool),
        converged=torch.ones(n_items, dtype=torch.bool),
        n_points=torch.zeros(n_items, dtype=torch.int64),
        n_independent=torch.full((n_items,), 1 if errors is None else UNITS),
    )


def root(drawing: Any) -> ET.Element:
    return ET.fromstring(drawing.svg)


def texts(drawing: Any, kind: str) -> list[str]:
    return [str(e.text) for e in root(drawing).iter(f"{SVG}text") if e.get("class") == kind]


def molecules(drawing: Any) -> list[ET.Element]:
    return [group for group in root(drawing).iter(f"{SVG}g") if group.get("class") == "molecule"]


def fills(drawing: Any, panel: int = 0) -> dict[str, str]:
    """``"atom-3"`` or ``"bond-2"`` → the colour of its mark, or ``"hollow"`` or ``"shared"``."""
    found = {}
    for element in molecules(drawing)[panel]:
        name = re.match(r"(atom|bond)-\d+", element.get("class", ""))
        style = element.get("style", "")
        is_mark = element.tag == f"{SVG}ellipse" or (name and name[0].startswith("bond"))
        if not name or not is_mark or "stroke-opacity" in style:
            continue
        kind = element.get("class", "").split()[-1]
        color = re.search("fill:(#[0-9A-Fa-f]{6})", style)
        found[name[0]] = kind if kind in ("hollow", "shared") else str(color and color[1])
    return found
