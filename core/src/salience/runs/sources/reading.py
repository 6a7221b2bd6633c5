"""Items of a range, read by the domain."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, is_dataclass, replace
from itertools import pairwise
from typing import Any

from salience.data.broken import LeftOut
from salience.data.domain import Domain
from salience.engine.units import Unit, read
from salience.errors import InputError
from salience.runs.ranges import ItemRange
from salience.runs.sources.base import Source
from salience.support.notices import Hearing

# How what is wrong with an item begins: "item 3 ('a.png') …", "row 3, …".
_NUMBER = re.compile(r"^(item|row) \d+\b")


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
    found = _read(domain, source, items, bounds, like)
    if len(found) != stop - start:
        raise InputError(
            f"the domain read {len(found)} items where the data has {stop - start}; pass a list of "
            f"single items, and a file of several items by itself"
        )
    return found


def _read(
    domain: Domain,
    source: Source,
    items: ItemRange,
    bounds: tuple[int, int],
    like: Mapping[str, Any] | None,
) -> Unit:
    start, stop = bounds
    ids = None if items.ids is None else items.ids[start - items.start : stop - items.start]
    with source.reading(start, stop, items.held) as data:
        return read(domain, data, ids, offset=start, like=like)


@dataclass(frozen=True)
class Readable:
    """What can be read of a range in which some items cannot.

    Args:
        units: The items that can be read, in runs of such that follow each other.
        reasons: Position of each other item → what is wrong with it.
        names: Position of such items → what the data calls them, as far as that is known.
        notices: What else the user is to be told.
    """

    units: tuple[Unit, ...]
    reasons: Mapping[int, str]
    names: Mapping[int, Any]
    notices: Sequence[str]


def readable_items(
    domain: Domain,
    source: Source,
    items: ItemRange,
    bounds: tuple[int, int],
    like: Mapping[str, Any] | None = None,
) -> Readable | None:
    """Read what can be read between two positions of a range, in one reading.

    Returns:
        What was found; ``None`` where the domain does not leave out broken items, or cannot tell.
    """
    if not is_dataclass(domain) or getattr(domain, "on_error", None) is None:
        return None
    start, _ = bounds
    try:
        with Hearing() as hearing, LeftOut() as left_out:
            unit = _read(replace(domain, on_error="skip"), source, items, bounds, like)
    except Exception:  # there is none, or what is wrong is not one of them
        return None
    kept = left_out.kept(len(unit))
    if kept is None:
        return None
    ends = [at for at in range(1, len(kept)) if kept[at] != kept[at - 1] + 1]
    parts = ((a, unit.part(a, b)) for a, b in pairwise([0, *ends, len(kept)]))
    return Readable(
        units=tuple(replace(part, offset=start + kept[a]) for a, part in parts),
        reasons={
            start + at: _NUMBER.sub(rf"\g<1> {start + at}", source.placed(said, start))
            for at, said in left_out.reasons.items()
        },
        names={start + at: name for at, name in left_out.names.items()},
        notices=[sentence for sentence in hearing.sentences if sentence != left_out.sentence],
    )
