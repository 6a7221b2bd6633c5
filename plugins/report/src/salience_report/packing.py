"""Arrays as base64: what a page holds of saliency, errors and p-values.

Values are divided by their largest magnitude and rounded to float16, which has 11 significant bits:
the rounding error is at most 2⁻¹¹ (0.05 %) of a value, and at most 2⁻²⁵ of the largest for values
below 2⁻¹⁴ of it.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Name of a type in a page → its dtype.
_TYPES = {"f16": "<f2", "f32": "<f4", "u8": "u1"}


def packed(values: Any, kind: str = "f16") -> dict[str, Any]:
    """An array as base64, to be read by the page.

    Args:
        values: Numbers; NaN is kept.
        kind: ``"f16"`` or ``"f32"``, scaled by the largest magnitude; or ``"u8"``.

    Returns:
        The entries ``type``, ``data`` and ``scale``.
    """
    array = np.asarray(values, dtype=np.float64).ravel()
    finite = np.abs(array[np.isfinite(array)])
    scale = float(finite.max()) if kind != "u8" and finite.size and finite.max() > 0 else 1.0
    data = (array / scale).astype(_TYPES[kind]).tobytes()
    return {"type": kind, "data": b64encode(data).decode(), "scale": scale}


def unpacked(entry: Mapping[str, Any]) -> NDArray[np.float64]:
    """The numbers that :func:`packed` wrote, float64, as the page reads them."""
    array = np.frombuffer(b64decode(entry["data"]), dtype=_TYPES[entry["type"]])
    return np.asarray(array.astype(np.float64) * entry["scale"])


def rounded(value: float, digits: int = 6) -> float | None:
    """A number in so many significant digits; ``None`` where it is not finite."""
    return float(f"{value:.{digits}g}") if np.isfinite(value) else None


def as_island(data: Any) -> str:
    """Data as JSON that no HTML parser takes for markup."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def common(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Take the entries that all items share out of them, and return these."""
    if len(items) < 2:
        return {}
    first = items[0]
    shared = {
        key: value
        for key, value in first.items()
        if all(key in item and item[key] == value for item in items)
    }
    for item in items:
        for key in shared:
            del item[key]
    return shared
