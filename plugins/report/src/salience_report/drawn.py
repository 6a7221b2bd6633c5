"""How each item is drawn: by its payload, by pictures, or plainly by the axes of its saliency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from salience import Explanation
from salience.errors import InputError
from salience.testing import check_payload
from salience_report.methods import Method
from salience_report.pictures import figure

# Positions that are shown as bars; more of them are a series.
_BARS = 100


@dataclass(frozen=True, eq=False)
class Drawn:
    """How an item is drawn.

    Args:
        payload: Its checked payload; ``None`` for pictures.
        pictures: A picture of the visualizer for each method, where there is no payload.
    """

    payload: dict[str, Any] | None
    pictures: list[str] = field(default_factory=list)

    @staticmethod
    def of(methods: Sequence[Method], item: int) -> Drawn:
        """How the domain draws an item; plainly, where neither payload nor visualizer does.

        Raises:
            InputError: The payload has a wrong form, or nothing draws the item.
        """
        first = methods[0].explanation
        payload = check_payload(first, item)
        if payload is not None:
            return Drawn(payload)
        try:
            return Drawn(None, [figure(method.explanation, item) for method in methods])
        except InputError:
            plain = plain_payload(first, item)
            if plain is None:
                raise
            return Drawn(plain)


def plain_payload(explanation: Explanation, item: int) -> dict[str, Any] | None:
    """Bars or a series of values along one axis, or a map of two; ``None`` for other saliency."""
    if len(explanation.saliency) != 1:
        return None
    variable, saliency = next(iter(explanation.saliency.items()))
    shape = tuple(saliency.values[item].shape)
    if len(shape) == 2 and 0 not in shape and saliency.counts is None:
        return {"view": "raster", "variable": variable}
    if len(shape) != 1:
        return None
    names: Any = saliency.names
    if names is not None and saliency.counts is not None:
        names = names[item]
    names = names or explanation.column_names(variable) or range(shape[0])
    if len(names) == shape[0] <= _BARS:
        return {"view": "bars", "variable": variable, "names": list(map(str, names))}
    x, lines = np.arange(shape[0], dtype=float), np.zeros((0, shape[0]))
    made = {"view": "series", "variable": variable, "x": x, "lines": lines}
    return made | {"x_label": "position", "y_label": ""}
