"""The data that a picture shows of a molecule: saliency, insignificant atoms and the legend."""

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
    """One molecule and its saliency in one explanation.

    Args:
        mol: The molecule as it was explained.
        values: Saliency of each of its n atoms, float64 of shape (n,).
        hollow: Indices of the atoms that are not significant; ``None`` where no test was made.
    """

    mol: Chem.Mol
    values: Values
    hollow: frozenset[int] | None


def read_cell(
    explanation: Explanation, item: int, variable: str | None, level: float | None
) -> Cell:
    """Read a molecule, its saliency and the significance of its atoms.

    Atoms are tested at the false discovery rate ``level``. No test is made where ``level`` is
    ``None``, where there is a single draw, or where the aggregator does not keep signs.

    Raises:
        InputError: There is no molecule, or the saliency is not one finite value per atom.
    """
    note = explanation.annotations[item] if explanation.annotations else {}
    mol = note.get("mol")
    if mol is None:
        reason = f" ({note['problem']})" if note.get("problem") else ""
        raise InputError(
            f"item {item} carries no molecule to draw{reason}; explain SMILES or RDKit molecules, "
            f"or give each PyG Data a smiles whose atoms are in its own order, and z"
        )
    chosen = explanation.only if variable is None else explanation[variable]
    values = chosen.values[item].detach().cpu().double().numpy()
    name = variable or next(iter(explanation.saliency))
    axes = explanation.dataset_info.get("axes", {}).get(name, ["atom"])
    if "atom" not in axes:
        raise InputError(
            f"the variable {name!r} has the axes {tuple(axes)}, and a picture of a molecule shows "
            f"one value an atom; pass variable=... with a variable of atoms"
        )
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
    """Fill in the template of a molecule's legend with its name, id and score.

    Raises:
        InputError: The template contains a field other than name, id and score, or is malformed.
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
