"""Which items are shown where a page cannot hold all: those that matter most."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def chosen(
    n_kept: int, errors: Floats, certainty: Floats, classes: Sequence[object]
) -> tuple[list[int], str]:
    """Positions of the items to show, in order, and why these.

    A third each are those with the largest error, those that are least certain, and items of each
    class in turn. Where errors or certainty are unknown, the others take their
    places.

    Args:
        n_kept: Number of items to show, less than there are.
        errors: Error of each prediction, NaN where unknown.
        certainty: Certainty of each item, NaN where unknown.
        classes: True or predicted class of each item; ``None`` where there are no classes.

    Returns:
        The positions, and words such as "67 with the largest error, 33 of each class in turn".
    """
    rest = "of each class in turn" if len(set(classes)) > 1 else "spread evenly over the data"
    queues = {
        "with the largest error": _ranked(-errors),
        "that are least certain": _ranked(certainty),
        rest: _in_turn(classes),
    }
    queues = {words: queue for words, queue in queues.items() if queue}
    taken: dict[int, str] = {}
    places = {words: iter(queue) for words, queue in queues.items()}
    while len(taken) < n_kept:
        for words in list(places):
            item = next((one for one in places[words] if one not in taken), None)
            if item is None:
                del places[words]
            elif len(taken) < n_kept:
                taken[item] = words
    counts = {words: list(taken.values()).count(words) for words in queues}
    said = ", ".join(f"{number} {words}" for words, number in counts.items() if number)
    return sorted(taken), said


def _ranked(keys: Floats) -> list[int]:
    """Items with a known key, the smallest key first."""
    known = np.flatnonzero(np.isfinite(keys))
    if not len(known) or keys[known].min() == keys[known].max():
        return []
    return [int(i) for i in known[np.argsort(keys[known], kind="stable")]]


def _in_turn(classes: Sequence[object]) -> list[int]:
    """One item of each class in turn, and of a class items evenly spread."""
    members: dict[object, list[int]] = {}
    for item, name in enumerate(classes):
        members.setdefault(name, []).append(item)
    spread = [_spread(own) for own in members.values()]
    longest = max(len(own) for own in spread)
    return [own[i] for i in range(longest) for own in spread if i < len(own)]


def _spread(items: list[int]) -> list[int]:
    """Items in the order in which halving intervals meets them, so that any start is even."""
    bits = max(1, (len(items) - 1).bit_length())
    order = sorted(range(len(items)), key=lambda i: int(f"{i:0{bits}b}"[::-1], 2))
    return [items[i] for i in order]
