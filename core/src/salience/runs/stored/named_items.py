"""Items of a result set by their ids."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from salience.data.names import plain_name
from salience.errors import InputError, brief
from salience.results.selection import entries

Items = TypeVar("Items")


class NamedItems(Generic[Items]):
    """Finds items of a result set by their ids.

    Args:
        places: Gives the places of the items with an id.
        take: Gives the items at some places.
    """

    def __init__(
        self, places: Callable[[int | str], list[int]], take: Callable[[list[int]], Items]
    ) -> None:
        self._places = places
        self._take = take

    def __getitem__(self, chosen: Any) -> Items:
        """The items with an id, or with each id of a list.

        Raises:
            InputError: No item has the id.
        """
        if isinstance(chosen, slice):
            raise InputError("loc takes an id or a list of ids; write results[2:5] for a slice")
        several = None if isinstance(chosen, tuple) else entries(chosen)
        places: list[int] = []
        for one in [chosen] if several is None else several:
            name = plain_name(one)
            found = [] if name is None else self._places(name)
            if not found:
                raise InputError(
                    f"no item of these has the id {brief(one, 60)}; look at .ids, and at .failed "
                    f"for those that could not be explained"
                )
            places += found
        if not places:
            raise InputError("no id was given; pass at least one")
        return self._take(places)
