"""The page layout of a figure, in inches: equal cells, text beside them, one colour bar."""

from __future__ import annotations

import textwrap
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter

from salience import colors
from salience_vision.pictures.captions import shortened
from salience_vision.pictures.place import (
    EDGE,
    GAP,
    Bar,
    Heading,
    Place,
    Texts,
    fitting,
    inches,
    number,
    ticks,
)

_INK, _GREY = colors.INK, colors.MUTED
_BAR = 0.14
# Length of the arrows of a colour bar, as a share of it.
_ARROW = 0.03


class Page:
    """A figure with a grid of axes without frames, which have the aspect ratio of the pictures.

    Args:
        rows: Number of rows.
        heads: Title of each column; where empty, the page has one column without a title.
        columns: Number of columns, where they have no titles.
        ratio: Width divided by height of the pictures.
        labels: For each row, its name and the lines below the name, drawn at the left of the row;
            no labels where empty.
        heading: Title and attribution.
        bar: The colour bar, at the right of the pictures; ``None`` for none.
        side: Root of the area of a picture in inches; chosen by the number of pictures where 0.
        figure: Figure or subfigure to fill, which is empty; a new one where ``None``.

    Raises:
        InputError: The figure is too small for the page.
    """

    def __init__(
        self,
        rows: int,
        heads: tuple[str, ...] = (),
        *,
        ratio: float,
        columns: int = 1,
        labels: tuple[tuple[str, tuple[str, ...]], ...] = (),
        heading: Heading | None = None,
        bar: Bar | None = None,
        side: float = 0.0,
        figure: Any = None,
    ) -> None:
        columns = len(heads) or columns
        side = side or (1.9 if heads or rows * columns > 1 else 4.4)
        texts = Texts(heads, tuple(labels), heading or Heading(), bar)
        shape = rows, columns, ratio
        if figure is None:
            place = Place.of(shape, texts, side)
            figure = Figure(figsize=place.size, dpi=150, facecolor="white")
            self._corner, self._size = (0.0, 0.0), place.size
        else:
            given = inches(figure)
            place = fitting(shape, texts, given)
            spare = [max(0.0, g - own) / 2 for g, own in zip(given, place.size, strict=True)]
            self._corner, self._size = (spare[0], spare[1]), given
        self.figure: Figure = figure
        self._place = place
        #: Width of a picture in inches.
        self.cell_width = place.cell[0]
        self.axes = [[self._add(row, column) for column in range(columns)] for row in range(rows)]
        self._write_all(texts)
        if bar is not None:
            self._draw_bar(bar)

    def _write_all(self, texts: Texts) -> None:
        place = self._place
        top = place.bottom + place.high
        for column, head in enumerate(place.heads):
            x = place.left + column * (place.cell[0] + GAP) + place.cell[0] / 2
            self._write(x, top + 0.06, head, 9, _INK, ha="center")
        if place.thanks:
            self._write(place.left, 0.06, "\n".join(place.thanks), 7, _GREY, va="bottom")
        for row, (name, more) in enumerate(texts.names):
            self._label(row, name, "\n".join(more))
        top = place.size[1] - EDGE
        room = int((place.size[0] - place.left) * 11)
        if texts.heading.title:
            self._write(place.left, top, shortened(texts.heading.title, room), 11.5, _INK, va="top")
        if texts.heading.subtitle:
            line = shortened(texts.heading.subtitle, int(room * 1.2))
            self._write(place.left, top - 0.25, line, 9.5, _GREY, va="top")

    def _draw_bar(self, bar: Bar) -> None:
        """Draw the colour bar, aligned with the top of the first row."""
        place = self._place
        left, top = place.left + place.width + 0.12, place.bottom + place.high
        axes = self._axes(left, top - place.bar, _BAR, place.bar)
        how: dict[str, Any] = {"extend": bar.ends, "extendfrac": _ARROW, "alpha": bar.alpha}
        drawn = self.figure.colorbar(bar.colours, cax=axes, **how)
        drawn.outline.set_visible(False)
        norm: Any = bar.colours.norm
        stepped = isinstance(norm, BoundaryNorm)
        drawn.locator = FixedLocator(list(norm.boundaries)) if stepped else ticks()
        drawn.formatter = FuncFormatter(lambda value, _: number(value))
        drawn.ax.tick_params(labelsize=8, length=2.5, color=_GREY, labelcolor=_INK)
        drawn.set_label(bar.label(place.bar), size=8.5, color=_GREY)
        if bar.below:
            y = (top - place.bar) - (0.16 if bar.ends == "both" else 0.1)
            self._write(left, y, "\n".join(bar.below), 7.5, _GREY, va="top", linespacing=1.3)

    def _label(self, row: int, name: str, below: str) -> None:
        place = self._place
        middle = place.bottom + place.high - row * (place.cell[1] + GAP) - place.cell[1] / 2
        right = place.left - 0.12
        self._write(right, middle + 0.03, name, 9, _INK, ha="right", va="bottom")
        self._write(right, middle - 0.03, below, 8, _GREY, ha="right", va="top")

    def _add(self, row: int, column: int) -> Axes:
        place = self._place
        width, high = place.cell
        left = place.left + column * (width + GAP)
        bottom = place.bottom + place.high - high - row * (high + GAP)
        axes = self._axes(left, bottom, width, high)
        axes.set_axis_off()
        return axes

    def _axes(self, left: float, bottom: float, width: float, high: float) -> Axes:
        x, y = self._fraction(left, bottom)
        axes: Axes = self.figure.add_axes((x, y, width / self._size[0], high / self._size[1]))
        return axes

    def _fraction(self, x: float, y: float) -> tuple[float, float]:
        """A place on the page as fractions of the figure."""
        (right, up), (width, height) = self._corner, self._size
        return (right + x) / width, (up + y) / height

    def _write(self, x: float, y: float, text: str, size: float, color: str, **how: Any) -> None:
        # File names may contain dollar signs, which must not be parsed as mathematics.
        place = self._fraction(x, y)
        self.figure.text(*place, text, size=size, color=color, parse_math=False, **how)


def write_into(axes: Axes, words: str, width: float) -> None:
    """Write words into the upper left corner of a panel."""
    if words:
        axes.text(
            0.02,
            0.98,
            shortened(words, max(int(width * 13), 6)),
            transform=axes.transAxes,
            va="top",
            size=7.5,
            color=colors.INK,
            parse_math=False,
            bbox={"boxstyle": "square,pad=0.2", "fc": colors.GROUND, "ec": "none", "alpha": 0.85},
        )


def bar_beside(axes: Axes, bar: Bar) -> None:
    """Draw a colour bar beside axes of the user's, and the lines below them."""
    figure: Any = axes.figure
    how: dict[str, Any] = {"extend": bar.ends, "extendfrac": _ARROW, "alpha": bar.alpha}
    drawn = figure.colorbar(bar.colours, ax=axes, label=bar.words, **how)
    drawn.outline.set_visible(False)
    drawn.ax.tick_params(labelsize=8, length=2.5, color=_GREY, labelcolor=_INK)
    if bar.notes:
        width = axes.get_position().width * inches(figure)[0]
        axes.annotate(
            "\n".join(textwrap.wrap("; ".join(bar.notes), max(int(15 * width), 24))),
            (0.0, 0.0),
            (0, -4),
            xycoords="axes fraction",
            textcoords="offset points",
            va="top",
            fontsize=7.5,
            color=_GREY,
            annotation_clip=False,
        )
