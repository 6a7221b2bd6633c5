"""Where pictures and texts are on a page, in inches."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from typing import Any

from matplotlib.cm import ScalarMappable
from matplotlib.ticker import MaxNLocator

from salience import InputError
from salience_vision.pictures.captions import shortened

#: Gap between pictures, and width of the page's edge, in inches.
GAP, EDGE = 0.08, 0.15
# The smallest height of a bar with lines below it, and the largest; the room above these lines,
# and the height of one.
_BAR_LEAST, _BAR_MOST, _TICKS, _FINE = 1.1, 4.6, 0.2, 0.14
_LETTER, _LINE = 0.075, 0.19
# The smallest root of the area of a picture that is drawn into a given figure.
_SIDE_LEAST = 0.5


@dataclass(frozen=True)
class Heading:
    """Title and attribution of a page.

    Args:
        title: Text at the top.
        subtitle: Text below the title, in smaller letters.
        credit: Attribution of the photos, at the bottom.
    """

    title: str = ""
    subtitle: str = ""
    credit: str = ""


@dataclass(frozen=True, eq=False)
class Bar:
    """A colour bar, with the lines below it.

    Args:
        colours: The range and the colour map.
        words: Label, which is wrapped to the height of the bar.
        ends: Which ends are arrows: matplotlib's parameter ``extend``.
        alpha: Opacity of the colours; ``None`` for opaque ones.
        notes: Sentences below it.
    """

    colours: ScalarMappable
    words: str
    ends: str = "neither"
    alpha: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def below(self) -> tuple[str, ...]:
        """The lines below it."""
        return tuple(line for note in self.notes for line in textwrap.wrap(note, 24))

    @property
    def under(self) -> float:
        """Height of the lines below, in inches."""
        return _TICKS + _FINE * len(self.below) if self.below else 0.0

    def label(self, high: float) -> str:
        """The label of a bar of a height in inches."""
        letters = max(int(high * 14), 10)
        lines = self.words.split("\n")
        return "\n".join(part for line in lines for part in textwrap.wrap(line, letters))

    def room(self, high: float) -> float:
        """Width that a bar of a height, its label and the lines below it take, in inches."""
        norm: Any = self.colours.norm
        places = ticks().tick_values(norm.vmin or 0.0, norm.vmax or 1.0)
        letters = max(len(number(tick)) for tick in places)
        own = 0.47 + _LETTER * letters + _FINE * (self.label(high).count("\n") + 1)
        longest = max((len(line) for line in self.below), default=0)
        return max(own, 0.25 + 0.062 * longest)


@dataclass(frozen=True, eq=False)
class Texts:
    """The texts of a page, and its colour bar."""

    heads: tuple[str, ...]
    labels: tuple[tuple[str, tuple[str, ...]], ...]
    heading: Heading
    bar: Bar | None

    @property
    def names(self) -> list[tuple[str, list[str]]]:
        """Name of each row, and the lines below it."""
        return [
            (shortened(name, 20), [part for line in words for part in textwrap.wrap(line, 22)[:2]])
            for name, words in self.labels
        ]


@dataclass(frozen=True)
class Place:
    """Where things are on a page, in inches from its lower left corner.

    Args:
        cell: Width and height of a picture.
        left: Left edge of the pictures.
        width: Width of all pictures.
        bottom: Lower edge of the pictures.
        high: Height of all pictures.
        size: Width and height of the page.
        bar: Height of the colour bar; 0 where there is none.
        heads: Titles of the columns, wrapped.
        thanks: Lines of the attribution.
    """

    cell: tuple[float, float]
    left: float
    width: float
    bottom: float
    high: float
    size: tuple[float, float]
    bar: float
    heads: tuple[str, ...]
    thanks: tuple[str, ...]

    @staticmethod
    def of(shape: tuple[int, int, float], texts: Texts, side: float) -> Place:
        """The place of pictures of a size.

        Args:
            shape: Number of rows and of columns, and width divided by height of a picture.
            texts: The texts of the page.
            side: Root of the area of a picture.
        """
        rows, columns, ratio = shape
        cell = side * ratio**0.5, side / ratio**0.5
        lines = [line for name, below in texts.names for line in (name, *below)]
        longest = max(map(len, lines), default=0)
        left = EDGE + (longest * _LETTER + 0.2 if texts.labels else 0.0)
        width = columns * cell[0] + (columns - 1) * GAP
        high = rows * cell[1] + (rows - 1) * GAP
        heads = tuple(_wrapped(head, cell[0]) for head in texts.heads)
        n_lines = max((head.count("\n") + 1 for head in heads), default=0)
        heading = 0.3 * bool(texts.heading.title) + 0.22 * bool(texts.heading.subtitle)
        above = heading + _LINE * n_lines
        spare, bar, room = 0.0, 0.0, EDGE
        if texts.bar is not None:
            under = texts.bar.under
            spare = max(0.0, _BAR_LEAST + under - high)
            bar = min(high + spare - under, _BAR_MOST)
            room = texts.bar.room(bar)
        letters = max(int(15 * (left + width + room)), 20)
        thanks = tuple(textwrap.wrap(texts.heading.credit, letters))
        bottom = EDGE + spare + 0.15 * len(thanks)
        size = left + width + room, bottom + high + above + EDGE
        return Place(cell, left, width, bottom, high, size, bar, heads, thanks)

    def fits(self, given: tuple[float, float]) -> bool:
        """Whether the page is not larger than a given size."""
        return self.size[0] <= given[0] and self.size[1] <= given[1]


def inches(figure: Any) -> tuple[float, float]:
    """Width and height of a figure or subfigure in inches."""
    box, dpi = figure.bbox, figure.get_figure(root=True).dpi
    return box.width / dpi, box.height / dpi


def fitting(shape: tuple[int, int, float], texts: Texts, given: tuple[float, float]) -> Place:
    """The place of the largest pictures with which a page fits into a given size."""
    low, high = _SIDE_LEAST, max(given)
    place = Place.of(shape, texts, low)
    if not place.fits(given):
        needed = " × ".join(f"{math.ceil(10 * n) / 10:g}" for n in place.size)
        raise InputError(
            f"the figure of {given[0]:.3g} × {given[1]:.3g} inches is too small for this picture, "
            f"which takes {needed} or more; pass a larger one, or leave out title and colorbar"
        )
    for _ in range(12):
        side = (low + high) / 2
        found = Place.of(shape, texts, side)
        if found.fits(given):
            low, place = side, found
        else:
            high = side
    return place


def ticks() -> MaxNLocator:
    """Ticks of a colour bar."""
    return MaxNLocator(4, steps=[1, 2, 2.5, 5, 10])


def number(value: float) -> str:
    """A number at a tick."""
    return f"{value:.3g}".replace("-", "−")


def _wrapped(head: str, inches: float) -> str:
    lines = textwrap.wrap(head, max(int(inches * 11), 8))
    if len(lines) > 3:
        lines = [*lines[:2], shortened(" ".join(lines[2:]), max(int(inches * 11), 8))]
    return "\n".join(lines)
