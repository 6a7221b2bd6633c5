"""Ids as a record holds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def recorded_ids(ids: Sequence[int | str]) -> dict[str, Any]:
    """What a record says of the items' ids: nothing where they are positions from 0."""
    positions = range(len(ids))
    return {} if ids == positions or list(ids) == list(positions) else {"ids": list(ids)}
