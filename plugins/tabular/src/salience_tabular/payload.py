"""What reports draw of a row: the names and values of its features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from salience import Explanation


def payload_of(explanation: Explanation, item: int) -> Mapping[str, Any] | None:
    """The features of a row; ``None`` where its positions are no columns.

    Args:
        explanation: The explanation.
        item: Position of the row, from 0.
    """
    if len(explanation.saliency) != 1:
        return None
    variable, saliency = next(iter(explanation.saliency.items()))
    names = explanation.column_names(variable)
    if names is None or saliency.flat.shape[1:] != (len(names),):
        return None
    made: dict[str, Any] = {"view": "bars", "variable": variable, "names": list(map(str, names))}
    note = explanation.annotations[item] if len(explanation.annotations) else {}
    values = note.get("values")
    if values is None or saliency.names is not None:  # groups have no value
        return made
    info = explanation.dataset_info
    at = list(info.get("numeric" if variable == "input" else variable, range(len(info["columns"]))))
    if len(at) != len(names) or max(at, default=-1) >= len(values):
        return made
    numbers = torch.as_tensor(values, device="cpu").double()[at].tolist()
    texts = _texts(numbers, at, info)
    return made | {"numbers": numbers} | ({"texts": texts} if any(texts) else {})


def _texts(numbers: Sequence[float], at: Sequence[int], info: Mapping[str, Any]) -> list[str]:
    """The name of the category of each feature; empty for numbers."""
    known = dict(zip(info.get("categorical", ()), info.get("categories") or (), strict=False))
    found = []
    for number, column in zip(numbers, at, strict=True):
        names = known.get(column) or ()
        is_code = float(number).is_integer() and 0 <= number < len(names)
        found.append(str(names[int(number)]) if is_code else "")
    return found
