"""What the page knows of each item beside its marks: its geometry, from the checked payload."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from salience import Explanation
from salience_report.drawn import Drawn
from salience_report.marks import block_size
from salience_report.packing import packed, rounded
from salience_report.pictures import photo
from salience_report.table import plain

# Decimals of positions in a drawing, in units of the payload.
_DECIMALS = 3


def geometry(drawn: Drawn, explanation: Explanation, blocks: int) -> dict[str, Any]:
    """The entries of an item that say how it is drawn.

    Args:
        drawn: How the item is drawn.
        explanation: The first explanation of the report.
        blocks: Blocks along the longer side of a map.
    """
    payload = drawn.payload
    if payload is None:
        return {"view": "picture", "pictures": drawn.pictures}
    made = {"view": payload["view"]}
    if payload["view"] == "raster":
        shape = tuple(explanation[payload["variable"]].flat.shape[1:])
        return made | _raster(payload, shape, block_size(shape, blocks))
    return made | _MAKERS[payload["view"]](payload)


def _graph(payload: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "x": _short(payload["x"]),
        "y": _short(payload["y"]),
        "symbols": [plain(one, 20) for one in payload["symbols"]],
        "words": [plain(one, 60) for one in payload["words"]],
        "edges": payload["edges"].tolist(),
        "orders": payload["orders"].tolist(),
        "wedges": payload["wedges"].astype(int).tolist(),
        "nodeMarks": payload.get("variable") is not None,
        "edgeMarks": payload.get("edge_variable") is not None,
    }


def _raster(
    payload: Mapping[str, Any], shape: tuple[int, ...], size: tuple[int, int]
) -> dict[str, Any]:
    made: dict[str, Any] = {"shape": list(shape), "block": list(size)}
    if payload.get("image") is not None:
        made["image"] = photo(payload["image"])
        made["imageSize"] = list(payload["image"].shape[:2])
    return made


def _bars(payload: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {"names": [plain(name, 80) for name in payload["names"]]}
    if payload.get("texts") is not None:
        made["texts"] = [plain(text, 60) for text in payload["texts"]]
    if payload.get("numbers") is not None:
        made["numbers"] = packed(payload["numbers"], "f32")
    return made


def _series(payload: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "xs": [rounded(one) for one in payload["x"].tolist()],
        "lines": [packed(line, "f32") for line in payload["lines"]],
        "xLabel": plain(payload["x_label"], 60),
        "yLabel": plain(payload["y_label"], 60),
    }


def _tokens(payload: Mapping[str, Any]) -> dict[str, Any]:
    return {"tokens": [plain(token.replace("\n", "↵"), 80) for token in payload["tokens"]]}


def _short(values: Any) -> list[float]:
    found: list[float] = np.round(values, _DECIMALS).tolist()
    return found


_MAKERS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "graph": _graph,
    "bars": _bars,
    "series": _series,
    "tokens": _tokens,
}
