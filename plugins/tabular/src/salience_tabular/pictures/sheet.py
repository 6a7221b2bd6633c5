"""Panels in a figure: which share an axis, where labels stand, and the note below them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from salience import Explanation, InputError
from salience.colors import INK
from salience.errors import brief, nearest
from salience_tabular.pictures.look import (
    NOTE,
    count_texts,
    laid_out,
    note_lines,
    number_ticks,
    width_of_figure,
    write_note,
)
from salience_tabular.pictures.marks import VALUE, value_texts
from salience_tabular.pictures.panels import Panel
from salience_tabular.pictures.placing import (
    LABEL_PAD,
    PAD,
    TICK,
    TICK_PAD,
    Placed,
    Spaces,
    balanced,
    fitted,
    height_of,
    place_labels,
    width_of,
)

SHARES = ("all", "row", "column", "none")
# Size of the labels of axes in points, and the distance of panels beside each other in inches.
_LABEL, _BETWEEN = 9.5, 0.34
#: Draws a cell: axes, cell, whether features are labelled, whether values are written, the order.
Drawing = Callable[..., None]


@dataclass(frozen=True, eq=False)
class Cell:
    """What one panel of a figure shows.

    Args:
        panel: The values.
        names: Label of each feature.
        title: Title of the panel, or of its column in a grid.
        label: Label of the axis.
        row_label: Label of the row of a grid: its item, and what f is.
        limits: Ends of the axis.
        explanation: What is drawn.
        is_mean: Whether it is a mean over rows.
    """

    panel: Panel
    names: Sequence[str]
    title: str
    explanation: Explanation
    label: str = ""
    row_label: str = ""
    limits: tuple[float, float] = (0.0, 1.0)
    is_mean: bool = False

    def scaled(self, panel: Panel, label: str, limits: tuple[float, float]) -> Cell:
        """The cell with scaled values."""
        return replace(self, panel=panel, label=label, limits=limits)

    def titled(self, title: str) -> Cell:
        """The cell with another title."""
        return replace(self, title=title)

    def notes(self, shown: int | None = None) -> list[str]:
        """The sentences below the panel.

        Args:
            shown: Number of features that are drawn, where that is known.
        """
        total = len(self.names)
        more = f"the {shown} largest of {total} features" if shown and shown < total else ""
        return [*self.panel.notes, more]


@dataclass(frozen=True, eq=False)
class Sheet:
    """The panels of a figure, as rows of cells.

    Args:
        blocks: Rows of cells; in a grid those of one item each.
        share: What shares an axis: ``"all"`` panels, those of a ``"row"`` or a ``"column"``, or
            ``"none"``.
        ncols: Number of blocks beside each other.
        is_grid: Whether titles are those of columns, and rows have labels.
        has_text: Whether values are written beside the panel.
        one_order: Whether all rows show the features of the first.
        figure: Figure or subfigure of the user's to fill; a new one where ``None``.
    """

    blocks: Sequence[Sequence[Cell]]
    share: str = "all"
    ncols: int = 1
    is_grid: bool = False
    has_text: bool = False
    one_order: bool = False
    figure: Any = None

    def drawn(self, orders: Sequence[NDArray[np.intp]], draw: Drawing) -> Figure:
        """The figure.

        Args:
            orders: For each block, the features that it shows, from top to bottom.
            draw: Draws a cell into axes.
        """
        ncols = min(self.ncols, len(self.blocks))
        n_lines = -(-len(self.blocks) // ncols)
        names = self._width_of_names(orders)
        spaces, note = self._spaces(orders, names, ncols)
        per_block = len(self.blocks[0])
        if self.figure is None:
            figure, grid = spaces.figure(n_lines, ncols, per_block)
        else:
            figure = laid_out(self.figure)
            grid = figure.subplots(n_lines, ncols * per_block, squeeze=False)
        for number, (block, order) in enumerate(zip(self.blocks, orders, strict=True)):
            line, start = number // ncols, (number % ncols) * len(block)
            last = number + ncols >= len(self.blocks)
            for axes, cell in zip(grid[line, start : start + len(block)], block, strict=True):
                first = axes is grid[line, start]
                draw(axes, cell, labelled=first, written=self.has_text, order=order)
                self._dress(axes, cell, spaces, line=line, first=first, last=last)
                if self.figure is None:
                    place_labels(axes, names)
        for axes in grid.flat[len(self.blocks) * len(self.blocks[0]) :]:
            axes.set_visible(False)
        write_note(figure, note)
        if self.figure is None:
            figure.set_layout_engine(Placed(figure))
        else:
            count_texts(figure)
        return figure

    def _dress(
        self, axes: Axes, cell: Cell, spaces: Spaces, *, line: int, first: bool, last: bool
    ) -> None:
        """Title, labels and limits of a panel."""
        if line == 0 and cell.title:
            axes.set_title(cell.title, fontsize=self._title_size, y=1.0)
        if first and cell.row_label:
            axes.set_ylabel(_row_label(cell, spaces.panel), fontsize=TICK, color=INK)
        axes.set_xlim(*cell.limits)
        number_ticks(axes)
        if last or cell.is_mean:
            axes.set_xlabel(_axis_label(cell, spaces.panel), fontsize=_LABEL, color=INK)
        elif self.share in ("all", "column"):
            axes.tick_params(axis="x", labelbottom=False)

    @property
    def _title_size(self) -> float:
        return 10.5 if self.is_grid else 11.0

    def _width_of_names(self, orders: Sequence[NDArray[np.intp]]) -> float:
        """Width of the widest label of a feature, in inches."""
        shown = {
            block[0].names[i]
            for block, order in zip(self.blocks, orders, strict=True)
            for i in order
        }
        return max((width_of(name, TICK) for name in shown), default=0.0)

    def _spaces(
        self, orders: Sequence[NDArray[np.intp]], names: float, ncols: int
    ) -> tuple[Spaces, str]:
        """Sizes of the parts of the figure, in inches, and the lines of the note."""
        block, cells = self.blocks[0], [cell for block in self.blocks for cell in block]
        shown, is_mean = max(map(len, orders)), self.blocks[0][0].is_mean
        panel = (3.6 if len(block) * ncols == 1 else 2.45, 0.25 + 0.27 * max(shown, 2))
        ticks = TICK_PAD / 72 + height_of("0", TICK)
        label = max(height_of(_axis_label(cell, panel), _LABEL) for cell in cells) + LABEL_PAD / 72
        lines = 0.2 + ticks * (is_mean or self.share in ("row", "none")) + label * is_mean
        rows = max(height_of(_row_label(cell, panel), TICK) for cell in cells)
        left = names + rows + (TICK_PAD + LABEL_PAD * (rows > 0)) / 72
        values = value_texts(cells[0].panel.of(orders[0])) if self.has_text else []
        right = max((width_of(text, VALUE) + 0.2 for text in values), default=0.12)
        # Titles are centred, and may be wider than their panels.
        over = max(width_of(cell.title, self._title_size) for cell in block) - panel[0]
        head = max(height_of(cell.title, self._title_size) for cell in block)
        between = max(_BETWEEN, over + PAD)
        spaces = Spaces(
            panel,
            left=max(left, over / 2) + PAD,
            right=max(right, over / 2) + PAD,
            top=head + 6 / 72 + PAD,
            bottom=ticks + label + PAD,
            between=between,
            blocks=max(left + 0.2, 2 * between),
            lines=lines,
        )
        width = spaces.width(ncols, len(block))
        if self.figure is not None:
            given = width_of_figure(self.figure)
            room = (given - width) / (ncols * len(block))
            spaces = replace(spaces, panel=(max(panel[0] + room, 0.8), panel[1]))
            width = 0.95 * given
        note = note_lines(self._notes(shown), width)
        room = height_of(note, NOTE) + 0.12 if note else 0.0
        return replace(spaces, bottom=spaces.bottom + room), note

    def _notes(self, shown: int) -> list[str]:
        """Sentences that say what lines and hollow marks mean, and how many features are drawn."""
        cells = [cell for block in self.blocks for cell in block]
        total = len(cells[0].names)
        lines: dict[str, list[str]] = {}
        others: list[str] = []
        for cell in cells:
            for note in cell.panel.notes:
                if "interval" in note:
                    titles = lines.setdefault(note, [])
                    titles += [] if cell.title in titles else [cell.title]
                elif "FDR" not in note or len(cells) == 1:
                    others.append(note)
        every = {cell.title for cell in cells if cell.panel.notes}
        # Explanations may differ in what their intervals are of.
        notes = [
            note if set(titles) == every or not self.is_grid else f"{', '.join(titles)}, {note}"
            for note, titles in lines.items()
        ]
        if len(cells) > 1 and not cells[0].is_mean:
            others += _found(cells)
        if shown < total:
            others.append(f"the {shown} largest of {total} features")
        return [*notes, *others]


def _axis_label(cell: Cell, panel: tuple[float, float]) -> str:
    """The label of the axis, on as many lines as it needs below its panel."""
    return balanced(cell.label, panel[0] + _BETWEEN / 2, _LABEL)


def _row_label(cell: Cell, panel: tuple[float, float]) -> str:
    """The label of the row, on as many lines as it needs beside its panel."""
    plain = cell.row_label.replace(r"\$", "$")  # no line ends between the two characters
    return fitted(plain, panel[1] + 0.1, TICK).replace("$", r"\$")


def _found(cells: Sequence[Cell]) -> list[str]:
    """How many features differ from 0 at a false discovery rate, of all panels of a column."""
    counts: dict[str, list[int]] = {}
    for cell in cells:
        if cell.panel.found is not None:
            own = counts.setdefault(cell.title, [0, 0])
            own[0] += cell.panel.found
            own[1] += len(cell.names)
    each = [
        f"{found} of {total} values{f' ({title})' if len(counts) > 1 and title else ''}"
        for title, (found, total) in counts.items()
    ]
    return [f"at FDR 5 % in each row: {', '.join(each)}"] if each else []


def default_share(explanations: Sequence[Explanation]) -> str:
    """All panels share a scale where their values are of one kind."""

    def kind(explanation: Explanation) -> tuple[Any, ...]:
        record: Mapping[str, Any] = explanation.provenance
        calculator = record.get("calculator") or {}
        aggregator = record.get("aggregator") or {}
        return (calculator.get("name"), aggregator.get("name"), str(record.get("output")))

    kinds = {kind(explanation) for explanation in explanations}
    return "all" if len(kinds) == 1 else "column"


def check_layout(share: object, ncols: object) -> None:
    """Raise InputError for settings of grids that are none."""
    if share is not None and (not isinstance(share, str) or share not in SHARES):
        raise InputError(f"share={brief(share)}; {nearest(share, SHARES)}")
    if ncols is not None and (isinstance(ncols, bool) or not isinstance(ncols, int) or ncols < 1):
        raise InputError(f"ncols={brief(ncols)}; pass a whole number from 1 on")
