"""The visualizer: renders one item's saliency, the data set's mean, or a grid of both."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from salience.errors import InputError
from salience.support.files import write_whole

if TYPE_CHECKING:
    from salience.results.explanation import Explanation


class Figure(Protocol):
    """What a visualizer returns; a matplotlib figure is one."""

    def savefig(self, fname: IO[bytes], *, format: str) -> None:
        """Write the picture in a format such as ``"png"`` or ``"svg"``; ValueError if unknown."""


class NoMeanError(InputError):
    """A mean over items was asked for, of items that share no positions."""


class Visualizer(ABC):
    """Renders saliency. A frozen dataclass whose fields are the look."""

    @abstractmethod
    def item(self, explanation: Explanation, item: int) -> Any:
        """The figure of one item."""

    def mean(self, explanation: Explanation) -> Any:
        """The figure of the mean over the data set, where items share their positions."""
        raise NoMeanError(
            f"{type(self).__name__} draws single items only, since items do not share positions; "
            f"pass the number of an item, e.g. visualize(0)"
        )

    def grid(self, explanations: Mapping[str, Explanation], items: Sequence[int]) -> Any:
        """One figure of items (rows) × explanations (columns, titled by their names)."""
        raise InputError(f"{type(self).__name__} draws no grids; draw items one by one")


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure to ``path``, whole or not at all; the suffix names the format.

    Raises:
        InputError: The path has no suffix, or one that the figure cannot write.
    """
    path = Path(path)
    suffix = path.suffix.removeprefix(".").lower()
    if not suffix:
        raise InputError(f"the path {str(path)!r} has no suffix; end it in .png or .svg")

    def write(stream: IO[bytes]) -> None:
        try:
            figure.savefig(stream, format=suffix)
        except ValueError as error:
            raise InputError(f"cannot write a picture as {suffix!r}: {error}") from error

    write_whole(path, write)
