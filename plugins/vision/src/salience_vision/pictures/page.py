"""The page layout of a figure, in inches: equal cells, text beside them, one colour bar."""

from __future__ import annotations

import textwrap
from typing import Any

from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import BoundaryNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from salience import colors
from salience_vision.pictures.captions import shortened

_INK, _GREY = colors.INK, colors.MUTED
_GAP, _EDGE = 0.08, 0.15
_BAR, _BAR_MOST = 0.14, 4.6
# The smallest height of a bar with lines below it, the room above them, and the height of a line.
_BAR_LEAST, _TICKS, _FINE = 1.1, 0.2, 0.14
_ARROW = 0.03
_LETTER, _LINE = 0.075, 0.19


class Page:
    """A figure with a grid of axes without frames, which have the aspect ratio of the pictures.

    Args:
        rows: Number of rows.
        heads: Title of each column; where empty, the page has one column without a title.
        columns: Number of columns, where they have no titles.
        ratio: Width divided by height of the pictures.
        labels: For each row, its name and the lines below the name, drawn at the left of the row;
            no labels where empty.
        title: Text at the top of the page.
        subtitle: Text below the title, in smaller letters.
        bar: Range of the colour bar, for which room is left at the right; ``None`` for no bar.
        below: Lines below the colour bar.
        credit: Attribution of the photos, at the bottom of the page.
        side: Root of the area of a picture in inches; chosen by the number of pictures where 0.
    """

    def __init__(
        self,
        rows: int,
        heads: tuple[str, ...] = (),
        *,
        ratio: float,
        columns: int = 1,
        labels: tuple[tuple[str, tuple[str, ...]], ...] = (),
        title: str = "",
        subtitle: str = "",
        bar: Normalize | None = None,
        below: tuple[str, ...] = (),
        side: float = 0.0,
        credit: str = "",
    ) -> None:
        columns = len(heads) or columns
        side = side or (1.9 if heads or rows * columns > 1 else 4.4)
        self._cell = side * ratio**0.5, side / ratio**0.5
        #: Width of a picture in inches.
        self.cell_width = self._cell[0]
        names = [
            (shortened(name, 20), [part for line in words for part in textwrap.wrap(line, 22)[:2]])
            for name, words in labels
        ]
        longest = max((len(line) for name, below in names for line in (name, *below)), default=0)
        self._left = _EDGE + (longest * _LETTER + 0.2 if labels else 0.0)
        self._width = columns * self._cell[0] + (columns - 1) * _GAP
        self._high = rows * self._cell[1] + (rows - 1) * _GAP
        wrapped = [_wrapped(head, self._cell[0]) for head in heads]
        lines = max((head.count("\n") + 1 for head in wrapped), default=0)
        above = 0.3 * bool(title) + 0.22 * bool(subtitle) + _LINE * lines
        width = self._left + self._width + (_bar_room(bar, below) if bar else _EDGE)
        self._below = below
        self._under = _TICKS + _FINE * len(below) if below else 0.0
        spare = max(0.0, _BAR_LEAST + self._under - self._high) if below else 0.0
        thanks = textwrap.wrap(credit, max(int(width * 15), 20))
        self._bottom = _EDGE + spare + 0.15 * len(thanks)
        height = self._bottom + self._high + above + _EDGE
        self._size = width, height
        self.figure = Figure(figsize=(width, height), dpi=150, facecolor="white")
        self.axes = [[self._add(row, column) for column in range(columns)] for row in range(rows)]
        for column, head in enumerate(wrapped):
            x = self._left + column * (self._cell[0] + _GAP) + self._cell[0] / 2
            self._write(x, self._bottom + self._high + 0.06, head, 9, _INK, ha="center")
        if thanks:
            self._write(self._left, 0.06, "\n".join(thanks), 7, _GREY, va="bottom")
        for row, (name, more) in enumerate(names):
            self._label(row, name, "\n".join(more))
        top = height - _EDGE
        room = int((width - self._left) * 11)
        if title:
            self._write(self._left, top, shortened(title, room), 11.5, _INK, va="top")
        if subtitle:
            self._write(
                self._left, top - 0.25, shortened(subtitle, int(room * 1.2)), 9.5, _GREY, va="top"
            )

    def bar(
        self, colours: ScalarMappable, words: str, *, extend: str, alpha: float | None
    ) -> Colorbar:
        """Draw the colour bar at the right of the cells, aligned with the top of the first row.

        Args:
            colours: The range and the colour map of the bar.
            words: Label of the bar.
            extend: Which ends of the bar are arrows: matplotlib's parameter ``extend``.
            alpha: Opacity of the colours; ``None`` for opaque ones.

        Returns:
            The colour bar.
        """
        high = min(self._high + (self._bottom - _EDGE) - self._under, _BAR_MOST)
        left, top = self._left + self._width + 0.12, self._bottom + self._high
        axes = self._axes(left, top - high, _BAR, high)
        bar = self.figure.colorbar(colours, cax=axes, extend=extend, extendfrac=_ARROW, alpha=alpha)
        bar.outline.set_visible(False)
        norm: Any = colours.norm
        stepped = isinstance(norm, BoundaryNorm)
        bar.locator = FixedLocator(list(norm.boundaries)) if stepped else _ticks()
        bar.formatter = FuncFormatter(lambda value, _: _number(value))
        bar.ax.tick_params(labelsize=8, length=2.5, color=_GREY, labelcolor=_INK)
        bar.set_label(words, size=8.5, color=_GREY)
        if self._below:
            lines = "\n".join(self._below)
            y = (top - high) - (0.16 if extend == "both" else 0.1)
            self._write(left, y, lines, 7.5, _GREY, va="top", linespacing=1.3)
        return bar

    def _label(self, row: int, name: str, below: str) -> None:
        middle = self._bottom + self._high - row * (self._cell[1] + _GAP) - self._cell[1] / 2
        right = self._left - 0.12
        self._write(right, middle + 0.03, name, 9, _INK, ha="right", va="bottom")
        self._write(right, middle - 0.03, below, 8, _GREY, ha="right", va="top")

    def _add(self, row: int, column: int) -> Axes:
        wide_cell, high = self._cell
        left = self._left + column * (wide_cell + _GAP)
        axes = self._axes(
            left, self._bottom + self._high - high - row * (high + _GAP), wide_cell, high
        )
        axes.set_axis_off()
        return axes

    def _axes(self, left: float, bottom: float, wide_cell: float, high: float) -> Axes:
        width, height = self._size
        box = (left / width, bottom / height, wide_cell / width, high / height)
        return self.figure.add_axes(box)

    def _write(self, x: float, y: float, text: str, size: float, color: str, **how: Any) -> None:
        # File names may contain dollar signs, which must not be parsed as mathematics.
        place = x / self._size[0], y / self._size[1]
        self.figure.text(*place, text, size=size, color=color, parse_math=False, **how)


def _ticks() -> MaxNLocator:
    return MaxNLocator(4, steps=[1, 2, 2.5, 5, 10])


def _number(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")


def _bar_room(norm: Normalize, below: tuple[str, ...]) -> float:
    ticks = _ticks().tick_values(norm.vmin or 0.0, norm.vmax or 1.0)
    room = 0.75 + _LETTER * max(len(_number(tick)) for tick in ticks)
    longest = max((len(line) for line in below), default=0)
    return max(room, 0.25 + 0.062 * longest)


def _wrapped(head: str, inches: float) -> str:
    lines = textwrap.wrap(head, max(int(inches * 11), 8))
    if len(lines) > 2:
        lines = [lines[0], shortened(" ".join(lines[1:]), max(int(inches * 11), 8))]
    return "\n".join(lines)
