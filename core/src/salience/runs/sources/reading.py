"""Items of a range, read by the domain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from salience.data.domain import Domain
from salience.engine.units import Unit, read
from salience.errors import InputError
from salience.runs.ranges import ItemRange
from salience.runs.sources.base import Source


def read_items(
    domain: Domain,
    source: Source,
    items: ItemRange,
    bounds: tuple[int, int],
    like: Mapping[str, Any] | None = None,
) -> Unit:
    """Read the items between two positions of a range, with their ids.

    Args:
        domain: The domain.
        source: The data.
        items: The range.
        bounds: Position of the first item, and the one behind the last.
        like: As for :func:`salience.engine.units.read`.

    Raises:
        InputError: An item cannot be read, or is several.
    """
    start, stop = bounds
    ids = None if items.ids is None else items.ids[start - items.start : stop - items.start]
    with source.reading(start, stop, items.held) as data:
        found = read(domain, data, ids, offset=start, like=like)
    if len(found) != stop - start:
        raise InputError(
            f"the domain read {len(found)} items where the data has {stop - start}; pass a list of "
            f"single items, and a file of several items by itself"
        )
    return found
