"""Base class of visualizers, which render one item, the mean over a data set, or a grid."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from copy import copy
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar, Protocol, Self

from salience.errors import InputError, brief, nearest
from salience.naming import path_of
from salience.support.files import write_whole
from salience.support.settings import CheckedSettings
from salience.visualize.alternative import alternative_of
from salience.visualize.display import ground_of, showing

if TYPE_CHECKING:
    from salience.results.explanation import Explanation


class Figure(Protocol):
    """Interface of the figures that visualizers return; matplotlib's figures satisfy it."""

    def savefig(self, fname: IO[bytes], *, format: str) -> None:
        """Write the picture to an open file, in a format such as ``"png"`` or ``"svg"``.

        Raises:
            ValueError: The format is unknown.
        """


class NoMeanError(InputError):
    """A mean over items was requested, but the items have no positions in common."""


class Visualizer(CheckedSettings, ABC):
    """Renders saliency as figures; a frozen dataclass whose fields set the appearance."""

    def __init_subclass__(cls, **options: Any) -> None:
        """Let the figures that the class draws show themselves in notebooks."""
        super().__init_subclass__(**options)
        for name in ("item", "mean", "grid", "mean_grid"):
            if name in cls.__dict__ and not getattr(
                cls.__dict__[name], "__isabstractmethod__", False
            ):
                setattr(cls, name, showing(cls.__dict__[name]))

    #: Formats in which its figures can be written; where empty, only writing shows it.
    formats: ClassVar[Collection[str]] = ()
    #: Whether :meth:`draw` draws into axes of matplotlib that the user passes.
    draws_into_axes: ClassVar[bool] = False
    #: Whether its figures can be drawn into a figure of the user's, :attr:`given_figure`.
    draws_into_figures: ClassVar[bool] = False
    #: Most panels of a grid, items × explanations; any number where ``None``.
    max_panels: ClassVar[int | None] = 100

    @property
    def given_figure(self) -> Any:
        """Figure or subfigure of matplotlib to draw into, which is empty; ``None`` for a new one.

        A class that draws into it sets :attr:`draws_into_figures`. It keeps the figure's size.
        """
        return self.__dict__.get("_given_figure")

    def into(self, figure: Any) -> Self:
        """This visualizer, drawing into a figure or subfigure of the user's."""
        found = copy(self)
        object.__setattr__(found, "_given_figure", figure)
        return found

    def check_format(self, suffix: str) -> None:
        """Raise InputError where its figures cannot be written in a format.

        Args:
            suffix: Suffix of the file, without a dot.
        """
        if self.formats and suffix.lower() not in self.formats:
            raise InputError(
                f"cannot write a picture as {brief(suffix)}; {nearest(suffix, self.formats)}"
            )

    def refusal(self, explanation: Explanation) -> str | None:
        """Why an explanation cannot be drawn, and what to do instead; ``None`` where it can.

        It is asked before anything is drawn, and its sentence is what the user is told. The default
        refuses nothing.

        Args:
            explanation: An explanation of any domain.
        """
        return None

    @abstractmethod
    def item(self, explanation: Explanation, item: int) -> Any:
        """The figure of the item at position ``item``, from 0."""

    def mean(self, explanation: Explanation) -> Any:
        """The figure of the mean over the data set.

        Raises:
            NoMeanError: The items have no positions in common; always raised by default.
        """
        raise NoMeanError(
            f"{type(self).__name__} draws single items only, since items do not share positions; "
            f"pass the number of an item, e.g. visualize(0)"
        )

    def grid(self, explanations: Mapping[str, Explanation], items: Sequence[int]) -> Any:
        """The figure of items (rows) × explanations (columns with their titles).

        Raises:
            InputError: The visualizer draws no grids; always raised by default.
        """
        raise InputError(f"{type(self).__name__} draws no grids; draw items one by one")

    def mean_grid(self, explanations: Mapping[str, Explanation]) -> Any:
        """The figure of the means of several explanations, side by side with their titles.

        Raises:
            InputError: The visualizer draws no such grids; always raised by default.
        """
        raise InputError(
            f"{type(self).__name__} draws no grids of means; draw the means one by one by "
            f"visualize()"
        )

    def draw(self, axes: Any, explanation: Explanation, item: int | None) -> None:
        """Draw into axes of matplotlib; a class that does so sets :attr:`draws_into_axes`.

        Args:
            axes: The axes, of a figure of the user's, which keeps its size and layout.
            explanation: What to draw.
            item: Position of the item, from 0; the mean over the data set where ``None``.

        Raises:
            InputError: The visualizer draws into no axes; always raised by default.
        """
        raise InputError(
            f"{type(self).__name__} draws figures of its own, not into ax=; leave ax out and use "
            f"the figure that is returned"
        )


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure to ``path`` atomically, in the format that the suffix names.

    SVG files of figures that :meth:`Explanation.visualize` and :func:`salience.grid` returned have
    a text in place of the picture: ``role="img"``, ``<title>`` and ``<desc>``.

    Raises:
        InputError: The path has no suffix, or one that the figure cannot write.
    """
    path = path_of(path)
    suffix = path.suffix.removeprefix(".").lower()
    if not suffix:
        raise InputError(f"the path {str(path)!r} has no suffix; end it in .png or .svg")

    ground = ground_of(figure)

    def write(stream: IO[bytes]) -> None:
        try:
            words = alternative_of(figure) if suffix == "svg" else None
            if words is None:
                figure.savefig(stream, format=suffix, **ground)
                return
            plain = BytesIO()
            figure.savefig(plain, format=suffix, **ground)
            stream.write(words.written_into(plain.getvalue()))
        except ValueError as error:
            raise InputError(f"cannot write a picture as {suffix!r}: {error}") from error

    write_whole(path, write)
