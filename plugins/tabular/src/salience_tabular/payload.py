"""What reports draw of a row: bars with the names and values of its features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from salience import Explanation


def payload_of(explanation: Explanation, item: int) -> Mapping[str, Any] | None:
    """The names of the features of a row; ``None`` where its positions are no columns.

    Args:
        explanation: The explanation.
        item: Position of the row, from 0.
    """
    if len(explanation.saliency) != 1:
        return None
    variable = next(iter(explanation.saliency))
    names = explanation.column_names(variable)
    if names is None or explanation[variable].flat.shape[1:] != (len(names),):
        return None
    made: dict[str, Any] = {"view": "bars", "variable": variable, "names": list(map(str, names))}
    note = explanation.annotations[item] if explanation.annotations else {}
    if note.get("texts") is not None and len(note["texts"]) == len(names):
        made |= {"texts": list(map(str, note["texts"])), "numbers": note.get("numbers")}
    return made
