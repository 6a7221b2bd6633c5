"""What a picture shows of one molecule: its values, and which of its atoms are not significant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from rdkit import Chem

from salience import InputError
from salience_molgraph.painter import Number, Values

if TYPE_CHECKING:
    from salience import Explanation


@dataclass(frozen=True, eq=False)
class Cell:
    """One molecule under one explanation.

    Args:
        mol: The molecule as it was explained.
        values: The value of each of its n atoms, float64 of shape (n,).
        hollow: The atoms that are not significant; ``None`` where nothing tells.
    """

    mol: Chem.Mol
    values: Values
    hollow: frozenset[int] | None


def read_cell(
    explanation: Explanation, item: int, variable: str | None, level: float | None
) -> Cell:
    """Read a molecule and its saliency.

    Significance is asked for at a false discovery rate of ``level``, unless it is ``None``; only
    several draws whose signs were kept can tell of it.

    Raises:
        InputError: There is no molecule, or the saliency is not one finite value an atom.
    """
    mol = explanation.annotations[item].get("mol") if explanation.annotations else None
    if mol is None:
        raise InputError(
            f"item {item} carries no molecule to draw; explain SMILES or RDKit molecules, or "
            f"give each PyG Data a smiles whose atoms are in its own order"
        )
    chosen = explanation.only if variable is None else explanation[variable]
    values = chosen.values[item].detach().cpu().double().numpy()
    if values.shape != (mol.GetNumAtoms(),):
        raise InputError(
            f"the saliency of item {item} has shape {values.shape}, expected one value for "
            f"each of its {mol.GetNumAtoms()} atoms; explain a variable of atoms"
        )
    if not np.isfinite(values).all():
        raise InputError(
            f"the saliency of item {item} holds NaN or infinity, which no colour can show; "
            f"look for overflow in the model"
        )
    if level is None or not explanation.signed or int(explanation.n_independent[item]) < 2:
        return Cell(mol, values, None)
    found = explanation.item(item).significant(level, variable)[0].tolist()
    return Cell(mol, values, frozenset(atom for atom, sure in enumerate(found) if not sure))


def legend_of(template: str, explanation: Explanation, item: int, mol: Chem.Mol) -> str:
    """What is written at a molecule.

    Raises:
        InputError: The template asks for something else than name, id and score.
    """
    name = explanation.annotations[item].get("name") or Chem.MolToSmiles(Chem.Mol(mol))
    score = Number(explanation.score[item])
    try:
        return template.format(name=name, id=explanation.ids[item], score=score)
    except (KeyError, IndexError, ValueError) as error:
        raise InputError(
            f"cannot fill in the legend {template!r}: {error!r}; "
            f"use {{name}}, {{id}} and {{score:.2f}} only"
        ) from error
