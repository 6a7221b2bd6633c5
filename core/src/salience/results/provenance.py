"""The form in which a provenance record holds the ids of the items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def recorded_ids(ids: Sequence[int | str]) -> dict[str, Any]:
    """The ``"ids"`` entry of a provenance record; empty where the ids are just 0, 1, 2, …."""
    positions = range(len(ids))
    return {} if ids == positions or list(ids) == list(positions) else {"ids": list(ids)}
