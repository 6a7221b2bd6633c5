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
from salience_tabular.pictures.look import add_note, new_figure, number_ticks, wrapped
from salience_tabular.pictures.panels import Panel

SHARES = ("all", "row", "column", "none")
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
    """

    blocks: Sequence[Sequence[Cell]]
    share: str = "all"
    ncols: int = 1
    is_grid: bool = False
    has_text: bool = False
    one_order: bool = False

    def drawn(self, orders: Sequence[NDArray[np.intp]], draw: Drawing) -> Figure:
        """The figure.

        Args:
            orders: For each block, the features that it shows, from top to bottom.
            draw: Draws a cell into axes.
        """
        ncols = min(self.ncols, len(self.blocks))
        per_block, n_lines = len(self.blocks[0]), -(-len(self.blocks) // ncols)
        shown = max(len(order) for order in orders)
        width, height = self._size(ncols * per_block, n_lines, shown)
        figure = new_figure(width, height)
        grid = figure.subplots(n_lines, ncols * per_block, squeeze=False)
        for number, (block, order) in enumerate(zip(self.blocks, orders, strict=True)):
            line, start = number // ncols, (number % ncols) * per_block
            last = number + ncols >= len(self.blocks)
            for axes, cell in zip(grid[line, start : start + per_block], block, strict=True):
                first = axes is grid[line, start]
                draw(axes, cell, labelled=first, written=self.has_text, order=order)
                self._dress(axes, cell, line=line, last=last)
                if first and cell.row_label:
                    label = wrapped(cell.row_label, self._pitch(shown) - 0.1)
                    axes.set_ylabel(label, fontsize=9, color=INK)
        for axes in grid.flat[len(self.blocks) * per_block :]:
            axes.set_visible(False)
        for column in grid.T:
            figure.align_ylabels(column)
        add_note(figure, self._notes(shown))
        return figure

    def _dress(self, axes: Axes, cell: Cell, *, line: int, last: bool) -> None:
        """Title, labels and limits of a panel."""
        if line == 0 and cell.title:
            axes.set_title(cell.title, fontsize=11 if not self.is_grid else 10.5)
        axes.set_xlim(*cell.limits)
        number_ticks(axes)
        if last or cell.is_mean:
            axes.set_xlabel(cell.label, fontsize=9.5, color=INK)
        elif self.share in ("all", "column"):
            axes.tick_params(axis="x", labelbottom=False)

    def _size(self, n_columns: int, n_lines: int, shown: int) -> tuple[float, float]:
        longest = max(len(name) for block in self.blocks for name in block[0].names)
        names = min(0.4 + 0.068 * longest, 3.2) * (n_columns // max(len(self.blocks[0]), 1))
        if n_columns == 1:
            width = 3.6 + names + (1.5 if self.has_text else 0.0)
        else:
            width = names + 2.7 * n_columns
        return width, self._pitch(shown) * n_lines + 1.15

    def _pitch(self, shown: int) -> float:
        """Height of a line of panels in inches."""
        labels = 0.45 if self.share not in ("all", "column") or self.blocks[0][0].is_mean else 0.1
        return 0.3 + labels + 0.27 * max(shown, 2)

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
