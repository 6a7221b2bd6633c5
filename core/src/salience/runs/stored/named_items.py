"""Items of a result set by their ids."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from salience.data.names import plain_name
from salience.errors import InputError, brief

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
        single = isinstance(chosen, str | int) or not hasattr(chosen, "__len__")
        places: list[int] = []
        for one in [chosen] if single else list(chosen):
            name = plain_name(one)
            found = [] if name is None else self._places(name)
            if not found:
                raise InputError(
                    f"no item of these has the id {brief(one, 60)}; look at .ids, and at .failed "
                    f"for those that could not be explained"
                )
            places += found
        return self._take(places)
