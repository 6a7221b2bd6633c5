"""What reports draw of a photo: the photo below a map of its saliency."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from salience import Explanation
from salience_vision.pictures.captions import caption


def payload_of(explanation: Explanation, item: int) -> Mapping[str, Any] | None:
    """The photo of an item; ``None`` where the saliency is no map of one.

    Maps of pooled blocks and of layers inside the model are smaller than the photo, and are drawn
    as large.

    Args:
        explanation: The explanation.
        item: Position of the photo, from 0.
    """
    maps = [s for s in explanation.saliency.values() if s.counts is None and s.flat.ndim == 3]
    if len(explanation.saliency) != 1 or not maps:
        return None
    note = explanation.annotations[item] if explanation.annotations else {}
    made: dict[str, Any] = {"view": "raster", "image": note.get("image")}
    made["name"] = caption(explanation, item)[0]
    if note.get("credit"):
        made["credit"] = str(note["credit"])
    return made
