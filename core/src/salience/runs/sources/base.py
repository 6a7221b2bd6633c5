"""What a source is: a data set of which any range of items is read, in any process."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any


class Source(ABC):
    """A data set of known length. It pickles, without the items that :meth:`held` hands over."""

    @abstractmethod
    def __len__(self) -> int: ...

    def held(self, start: int, stop: int) -> Any:
        """The items of a range, where another process cannot read them by their positions."""
        return None

    @abstractmethod
    def reading(self, start: int, stop: int, held: Any = None) -> AbstractContextManager[Any]:
        """A context with the items of a range, in a form that the domain reads inside of it.

        Args:
            start: Position of the first.
            stop: Position behind the last.
            held: What :meth:`held` returned for a range that contains this one.
        """

    def placed(self, said: str, start: int) -> str:
        """What a domain says of a range, with places in the whole of the data.

        Args:
            said: The sentence.
            start: Position of the first item of the range.
        """
        return said

    def names(self, start: int, stop: int, held: Any = None) -> Sequence[Any] | None:
        """What the items of a range are called, as far as that is known without reading them.

        Args:
            start: Position of the first.
            stop: Position behind the last.
            held: As for :meth:`reading`.
        """
        return None

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """What tells this data from other data, in JSON types."""
