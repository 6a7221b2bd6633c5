"""A strip of points with their intervals beside a structure: one row a value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import floor, isfinite, log10

import numpy as np

from salience import colors, number_words
from salience_molgraph.pictures.cell import LEVELS, Cell
from salience_molgraph.pictures.scale import Scale, largest
from salience_molgraph.pictures.shapes import Dot, Rule, Shape, Text, shorten, text_width
from salience_molgraph.pictures.words import rounded

#: Most rows; of more values, those of the largest magnitude are shown.
MOST = 40
_ROW, _AXIS, _PLOT, _GAP = 17.0, 34.0, 170.0, 8.0
_NAME, _LABEL, _TICK = 11.5, 150.0, 10.5
#: Intervals that reach further than this multiple of the largest magnitude are cut, with an arrow.
_CUT = 3.0
At = Callable[[float], float]


@dataclass(frozen=True)
class Frame:
    """What strips above each other share, so that they can be compared.

    Args:
        ends: Ends of the axis.
        margins: Widths of the names at the left and of the numbers at the right.
    """

    ends: tuple[float, float]
    margins: tuple[float, float]

    def __or__(self, other: Frame) -> Frame:
        """The smallest frame that holds both."""
        (low, high), (first, last) = self.ends, other.ends
        margins = zip(self.margins, other.margins, strict=True)
        left, right = (max(pair) for pair in margins)
        return Frame((min(low, first), max(high, last)), (left, right))


@dataclass(frozen=True)
class Strip:
    """The rows of a molecule's values.

    Args:
        cell: The molecule and its values.
        scale: The colour scale, by which values are scaled.
        ratio: Share of the values to show, as for the structure.
        frame: What it shares with the strips of other molecules; its own where ``None``.
    """

    cell: Cell
    scale: Scale
    ratio: float = 1.0
    frame: Frame | None = None

    @cached_property
    def rows(self) -> list[int]:
        """Which values are shown, in their order."""
        values = self.cell.part.values
        shown = largest(values, self.ratio)
        if len(shown) <= MOST:
            return shown
        return sorted(sorted(shown, key=lambda i: -abs(float(values[i])))[:MOST])

    @property
    def names(self) -> list[str]:
        """Names of the rows; groups are numbered as in the structure."""
        part = self.cell.part
        numbered = self.cell.kind == "groups"
        return [f"{i + 1} {part.names[i]}" if numbered else part.names[i] for i in self.rows]

    @cached_property
    def own_frame(self) -> Frame:
        """What this strip needs by itself."""
        return Frame(self._ends(), self._margins())

    @property
    def _shared(self) -> Frame:
        return self.frame or self.own_frame

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in SVG units."""
        left, right = self._shared.margins
        height = _ROW * len(self.rows) + _AXIS + (14.0 if self._remark() else 0.0)
        return left + _PLOT + right, height

    def shapes(self, x: float, y: float) -> list[Shape]:
        """The rows and their axis, with the upper left corner at (x, y)."""
        left, _ = self._shared.margins
        start, stop = self._shared.ends
        x += left

        def at(value: float) -> float:
            return x + _PLOT * (min(max(value, start), stop) - start) / (stop - start)

        foot = y + _ROW * len(self.rows)
        found: list[Shape] = [Rule(at(0.0), y, at(0.0), foot, colors.LINE, kind="zero")]
        for row, (i, name) in enumerate(zip(self.rows, self.names, strict=True)):
            middle = y + _ROW * (row + 0.5)
            label = shorten(name, _NAME, _LABEL)
            found.append(Text(x - _GAP, middle + 4, label, _NAME, anchor="end", kind="row"))
            found += self._row(i, at, middle, (start, stop))
            words = Text(x + _PLOT + _GAP, middle + 4, self._value(i), _TICK, "start", kind="value")
            found.append(_muted(words))
        found.append(Rule(x, foot + 2, x + _PLOT, foot + 2, colors.LINE, kind="axis"))
        for tick in _ticks(start, stop):
            found.append(Rule(at(tick), foot + 2, at(tick), foot + 6, colors.LINE, kind="axis"))
            text = number_words(tick, sign=self.scale.signed)
            found.append(Text(at(tick), foot + 18, text, _TICK, color=colors.MUTED, kind="tick"))
        if self._remark():
            place = Text(x + _PLOT / 2, foot + 34, self._remark(), _TICK, kind="note")
            found.append(_muted(place))
        return found

    def _row(self, i: int, at: At, y: float, ends: tuple[float, float]) -> list[Shape]:
        """The intervals and the point of a value."""
        part = self.cell.part
        value = float(self.scale.scaling(part.values)[i])
        color = _color(value, signed=self.cell.signed)
        hollow = bool(part.uncertain[i])
        found: list[Shape] = []
        for level, width in zip(LEVELS[::-1], (1.4, 4.0), strict=True):
            low, high = (self._bound(level, side)[i] for side in (0, 1))
            if not (isfinite(low) and isfinite(high)):
                continue
            found.append(Rule(at(low), y, at(high), y, color, width, f"interval-{100 * level:g}"))
            if level == LEVELS[-1]:
                found += [
                    Text(place, y + 5, arrow, 16, anchor=anchor, color=color, kind="arrow")
                    for place, arrow, anchor, past in (
                        (at(ends[0]) - 1, "‹", "end", low < ends[0]),
                        (at(ends[1]) + 1, "›", "start", high > ends[1]),
                    )
                    if past
                ]
        found.append(Dot(at(value), y, 4.2, color, hollow, "point"))
        return found

    def _bound(self, level: float, side: int) -> np.ndarray:
        """Scaled lower or upper bounds."""
        scaling = self.scale.scaling
        ends = [scaling(self.cell.part.bound(level, one)) for one in (0, 1)]
        return np.minimum(*ends) if side == 0 else np.maximum(*ends)

    def _ends(self) -> tuple[float, float]:
        """Ends of the axis: those of the colour scale, or of intervals that reach further."""
        limit = self.scale.limit
        values = self.scale.scaling(self.cell.part.values)[self.rows]
        bounds = [self._bound(LEVELS[-1], side)[self.rows] for side in (0, 1)]
        every = np.concatenate([values, *bounds])
        every = every[np.isfinite(every)]
        low, high = -limit if self.scale.signed else 0.0, limit
        cut = _CUT * max(limit, float(np.abs(values).max(initial=0.0)))
        low = max(min(low, float(every.min(initial=0.0))), -cut)
        return low, min(max(high, float(every.max(initial=0.0))), cut)

    def _value(self, i: int) -> str:
        scaled = self.scale.scaling(self.cell.part.values)
        value, low, high = (
            float(column[i]) for column in (scaled, *(self._bound(LEVELS[-1], s) for s in (0, 1)))
        )
        peak = float(np.abs(scaled[self.rows]).max(initial=0.0))
        said = [rounded(v, peak, sign=self.cell.signed) for v in (value, low, high)]
        if not (isfinite(low) and isfinite(high)):
            return said[0]
        return f"{said[0]} ({said[1]} to {said[2]})"

    def _remark(self) -> str:
        shown, every = len(self.rows), len(self.cell.part.values)
        return f"the {shown} largest of {every}" if shown < every else ""

    def _margins(self) -> tuple[float, float]:
        names = [min(text_width(name, _NAME), _LABEL) for name in self.names]
        values = [text_width(self._value(i), _TICK) for i in self.rows]
        return max(names, default=0.0) + _GAP, max(values, default=0.0) + _GAP


def _color(value: float, *, signed: bool) -> str:
    if not signed:
        return colors.PLAIN
    return colors.NEGATIVE if value < 0 else colors.POSITIVE


def _muted(text: Text) -> Text:
    return Text(text.x, text.y, text.text, text.size, text.anchor, colors.MUTED, text.kind)


def _ticks(start: float, stop: float) -> Sequence[float]:
    """About three round numbers, 0 among them, from ``start`` to ``stop``."""
    rough = (stop - start) / 4.5
    unit = 10.0 ** floor(log10(rough))
    step = next(s * unit for s in (1, 2, 2.5, 5, 10) if s * unit >= rough * 0.999)
    first, last = int(np.ceil(start / step - 1e-9)), int(np.floor(stop / step + 1e-9))
    return [i * step for i in range(first, last + 1)]
