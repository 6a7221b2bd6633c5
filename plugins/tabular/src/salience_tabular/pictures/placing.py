"""Where panels stand: computed from the widths of texts, which is quicker than measuring them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from matplotlib import font_manager, rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.textpath import TextToPath
from matplotlib.transforms import ScaledTranslation
from numpy.typing import NDArray

from salience.colors import GROUND

#: Room at the edges of a figure, in inches.
PAD = 0.08
#: Size in points of the labels of ticks, their distance from the axes, and that of a label.
TICK, TICK_PAD, LABEL_PAD = 9.0, 7.0, 4.0
# Height of a line of text by the size of its font.
_LINE = 1.2
_PATHS = TextToPath()


def width_of(text: str, points: float) -> float:
    """Width of the widest line of a text in inches, to a few percent.

    Args:
        text: The text.
        points: Size of its font.
    """
    family = tuple(rcParams["font.family"])
    lines = text.replace(r"\$", "$").split("\n")
    # Letters in a picture of pixels stand somewhat further apart.
    return 1.03 * max(sum(_advance(char, family) for char in line) for line in lines) * points / 72


def height_of(text: str, points: float) -> float:
    """Height of a text of some lines in inches; 0 where it is empty."""
    return (text.count("\n") + 1) * points * _LINE / 72 if text else 0.0


def fitted(text: str, inches: float, points: float) -> str:
    """A text on as many lines as it needs to be at most so wide; words that are wider are cut."""
    lines: list[str] = []
    for part in text.split("\n"):
        cut = " ".join(piece for word in part.split(" ") for piece in _cut(word, inches, points))
        lines += _lines(_words(cut, points), inches)
    return "\n".join(lines)


def _cut(word: str, inches: float, points: float) -> list[str]:
    """A word in pieces that are at most so wide."""
    pieces, width = [""], 0.0
    for char in word:
        own = width_of(char, points)
        if pieces[-1] and width + own > inches:
            pieces.append("")
            width = 0.0
        pieces[-1] += char
        width += own
    return pieces


def balanced(text: str, inches: float, points: float) -> str:
    """A text on as many lines as :func:`fitted` makes, of lengths as equal as can be."""
    return "\n".join(
        line for part in text.split("\n") for line in _balanced(_words(part, points), inches)
    )


def _balanced(words: Sequence[tuple[str, float]], inches: float) -> list[str]:
    found = _lines(words, inches)
    low, high = 0.0, inches
    for _ in range(6 if len(found) > 1 else 0):
        middle = (low + high) / 2
        tried = _lines(words, middle)
        if len(tried) > len(found):
            low = middle
        else:
            found, high = tried, middle
    return found


def _words(line: str, points: float) -> list[tuple[str, float]]:
    """The words of a line, and their widths with a space before them."""
    return [(word, width_of(f" {word}", points)) for word in line.split(" ")]


def _lines(words: Sequence[tuple[str, float]], inches: float) -> list[str]:
    """Words in lines that are at most so wide, where a word is not wider."""
    lines, filled = [words[0][0]], words[0][1]
    for word, width in words[1:]:
        filled += width
        if filled <= inches:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
            filled = width
    return lines


@cache
def _advance(char: str, family: tuple[str, ...]) -> float:
    """How far a character moves the next one, by the size of the font."""
    font = font_manager.FontProperties(family=list(family), size=100)
    # Between two others, since spaces have no ink.
    around, without = (
        _PATHS.get_text_width_height_descent(text, font, ismath=False)[0]
        for text in (f"x{char}x", "xx")
    )
    return float(around - without) / 100


@dataclass(frozen=True)
class Spaces:
    """Sizes of the parts of a figure with panels of one size, in inches.

    Args:
        panel: Width and height of each panel.
        left: From the edge to the first panels.
        right: From the last panels to the edge.
        top: From the edge to the first line of panels.
        bottom: From the last line of panels to the edge.
        between: Between panels that belong together.
        blocks: Between blocks of panels.
        lines: Between lines of panels.
    """

    panel: tuple[float, float]
    left: float
    right: float
    top: float
    bottom: float
    between: float
    blocks: float
    lines: float

    def width(self, n_blocks: int, per_block: int) -> float:
        """Width of the figure."""
        block = per_block * self.panel[0] + (per_block - 1) * self.between
        return self.left + n_blocks * block + (n_blocks - 1) * self.blocks + self.right

    def height(self, n_lines: int) -> float:
        """Height of the figure."""
        return self.top + n_lines * self.panel[1] + (n_lines - 1) * self.lines + self.bottom

    def figure(
        self, n_lines: int, n_blocks: int, per_block: int
    ) -> tuple[Figure, NDArray[np.object_]]:
        """An empty figure and its axes, of shape (n_lines, n_blocks × per_block)."""
        width, height = self.width(n_blocks, per_block), self.height(n_lines)
        # Between blocks is a column without axes, as wide as what is left of the distance.
        rest = max((self.blocks - 2 * self.between) / self.panel[0], 1e-3)
        columns = ([1.0] * per_block + [rest]) * n_blocks
        figure = Figure(figsize=(width, height), dpi=150, facecolor=GROUND)
        grid = figure.add_gridspec(
            n_lines,
            len(columns) - 1,
            width_ratios=columns[:-1],
            left=self.left / width,
            right=1 - self.right / width,
            top=1 - self.top / height,
            bottom=self.bottom / height,
            # A share of the mean width of all columns, those without axes among them.
            wspace=self.between / (self.panel[0] * sum(columns[:-1]) / (len(columns) - 1)),
            hspace=self.lines / self.panel[1],
        )
        used = [c for c in range(len(columns) - 1) if (c + 1) % (per_block + 1)]
        axes = [[figure.add_subplot(grid[r, c]) for c in used] for r in range(n_lines)]
        found = np.empty((n_lines, len(used)), object)
        found[:] = axes
        return figure, found


class Placed(ConstrainedLayoutEngine):
    """Constrained layout, which leaves panels where they were placed until something is changed.

    Constrained layout measures all texts of a figure twice. Where the texts and the size of the
    figure are those that the panels were placed for, there is nothing to measure.

    Args:
        figure: The figure, with all its texts.
    """

    def __init__(self, figure: Figure) -> None:
        super().__init__(w_pad=PAD, h_pad=PAD)
        self._placed = _state(figure)

    def execute(self, fig: Any) -> Any:
        """Place the panels, where the figure was changed."""
        if _state(fig) == self._placed:
            return None
        for axes in fig.axes:
            _free_labels(axes)
            for text in axes.texts:  # which stand beside the panel
                text.set_in_layout(True)
        return super().execute(fig)


def place_labels(axes: Axes, names: float) -> None:
    """Put the labels of axes below and beside those of its ticks, and the title above the axes.

    Matplotlib would measure all ticks to find these places, several times for each drawing.

    Args:
        axes: The axes.
        names: Width of the labels at the vertical axis, in inches.
    """
    scale = axes.figure.dpi_scale_trans
    below = (TICK_PAD + TICK * _LINE + LABEL_PAD) / 72
    beside = names + (TICK_PAD / 2 + LABEL_PAD) / 72
    down, aside = ScaledTranslation(0, -below, scale), ScaledTranslation(-beside, 0, scale)
    axes.xaxis.set_label_coords(0.5, 0.0, transform=axes.transAxes + down)
    axes.yaxis.set_label_coords(0.0, 0.5, transform=axes.transAxes + aside)


def _free_labels(axes: Axes) -> None:
    """Put the labels beside the ticks as they are now."""
    box = axes.get_window_extent()
    pad = LABEL_PAD / 72 * axes.figure.figure.dpi
    boxes = [text.get_window_extent() for text in _shown(axes.get_xticklabels())]
    low = min((one.y0 for one in boxes), default=box.y0) - pad
    boxes = [text.get_window_extent() for text in _shown(axes.get_yticklabels())]
    left = min((one.x0 for one in boxes), default=box.x0) - pad
    axes.xaxis.set_label_coords(0.5, (low - box.y0) / box.height)
    axes.yaxis.set_label_coords((left - box.x0) / box.width, 0.5)


def _shown(texts: Sequence[Any]) -> list[Any]:
    return [text for text in texts if text.get_visible() and text.get_text()]


def _state(figure: Figure) -> tuple[Any, ...]:
    """What the places of panels depend on."""
    texts = [*figure.texts]
    sizes: list[Any] = [tuple(figure.get_size_inches())]
    for axes in figure.axes:
        texts += [axes.title, axes.xaxis.label, axes.yaxis.label, *axes.texts]
        sizes += [axis.get_tick_params().get("labelsize") for axis in (axes.xaxis, axes.yaxis)]
    return (*sizes, *((text.get_text(), text.get_fontsize()) for text in texts))
