"""Ranges of items: how a data set is cut into units, what a worker gets, and what it reports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

from salience.errors import InputError, brief
from salience.shown import ShortRepr


@dataclass(frozen=True)
class Bounds:
    """Units of a data set: unit k holds the items from k · unit_items on.

    Args:
        n_items: Number of items of the data set.
        unit_items: Number of items of each unit; the last one may have fewer.
    """

    n_items: int
    unit_items: int

    def __len__(self) -> int:
        return -(-self.n_items // self.unit_items)

    def of(self, unit: int) -> tuple[int, int]:
        """First item of a unit, and the one behind its last."""
        start = unit * self.unit_items
        return start, min(start + self.unit_items, self.n_items)


@dataclass(frozen=True)
class ItemRange(ShortRepr):
    """What a worker gets: a range of the items of a unit.

    Args:
        unit: Number of the unit.
        start: Position of the first item in the data set.
        stop: Position behind the last item.
        held: The items themselves, where the worker cannot read them by their positions.
        ids: The user's ids of the items; ``None`` where there are none.
        labels: The user's labels of the items; ``None`` where there are none.
        left_out: Positions of items that are recorded as failed and not tried, with the reason.
        writes: Whether a file is written; else the items are only tried.
    """

    unit: int
    start: int
    stop: int
    held: Any = None
    ids: Sequence[int | str] | None = None
    labels: Sequence[Any] | None = None
    left_out: tuple[tuple[int, str], ...] = ()
    writes: bool = True

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def bare(self) -> ItemRange:
        """This range without what belongs to its items."""
        return replace(self, held=None, ids=None, labels=None)

    def parts(self) -> Iterator[tuple[int, int]]:
        """Start and stop of the runs of items that are tried."""
        start = self.start
        for position, _ in sorted(self.left_out):
            if position > start:
                yield start, position
            start = position + 1
        if start < self.stop:
            yield start, self.stop


@dataclass(frozen=True)
class Report(ShortRepr):
    """What a worker says of a range of items.

    Args:
        range: The range, without what belongs to its items.
        lost: Why there is nothing: how the process ended; ``None`` where the range was done.
        failed: Position of each item that failed, and the reason.
        notices: What the user is to be told.
        n_draws: Number of draws, summed over items.
    """

    range: ItemRange
    lost: str | None = None
    failed: tuple[tuple[int, str], ...] = ()
    notices: tuple[str, ...] = ()
    n_draws: int = 0


def stripe_of(given: Any) -> tuple[int, int]:
    """Rank and number of the programs that share a run: ``(0, 1)`` where ``None``.

    Raises:
        InputError: It is no pair of whole numbers with 0 ≤ rank < world.
    """
    if given is None:
        return 0, 1
    pair = tuple(given) if isinstance(given, tuple | list) else ()
    integers = all(isinstance(n, Integral) and not isinstance(n, bool) for n in pair)
    if len(pair) != 2 or not integers or not 0 <= pair[0] < pair[1]:
        raise InputError(
            f"stripe is {brief(given)}; pass (rank, world) with 0 ≤ rank < world, or leave it out"
        )
    return int(pair[0]), int(pair[1])
