"""Properties that items carry along: measured values and other columns, for captions."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from rdkit import Chem

from salience.errors import InputError, brief, nearest


def properties_of(value: Any, row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """The named properties that an item has, numbers as floats, others as text.

    Args:
        value: What was read: a molecule, whose properties are looked at, a PyG graph, whose
            attributes are, or a SMILES string.
        row: The named columns of its row, where it comes from a table.
        names: Names of the properties.
    """
    found = {}
    for name in names:
        given = row.get(name)
        if given is None and isinstance(value, Chem.Mol) and value.HasProp(name):
            given = value.GetPropsAsDict().get(name, value.GetProp(name))
        elif given is None and not isinstance(value, Chem.Mol | str):
            given = getattr(value, name, None)
        plain = _plain(given)
        if plain is not None:
            found[name] = plain
    return found


def check_found(found: Collection[Mapping[str, Any]], names: Sequence[str], mols: Any) -> None:
    """Raise InputError where no item has one of the properties.

    Args:
        found: The properties of the items.
        names: Names of the properties that were asked for.
        mols: The molecules, whose properties are named in the message.
    """
    for name in names:
        if not any(name in own for own in found):
            known = dict.fromkeys(p for mol in mols for p in mol.GetPropNames())
            has = f"; {nearest(name, known)}" if known else ""
            raise InputError(f"no molecule has the property {brief(name)}{has}")


def _plain(given: Any) -> float | str | None:
    """A value as a number or as text; ``None`` where there is none, or many."""
    if hasattr(given, "item"):
        try:
            given = given.item()
        except (ValueError, RuntimeError, TypeError):
            return None
    if given is None or isinstance(given, bytes):
        return None
    text = str(given).strip()
    try:
        number = float(text)
    except ValueError:
        return text or None
    return number if math.isfinite(number) else None
