"""Rows and means of a table, feature by feature: what bars and points have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.colors import is_color_like
from matplotlib.figure import Figure
from numpy.typing import NDArray

from salience import Explanation, InputError, Visualizer
from salience.colors import INK
from salience.errors import brief, nearest
from salience.scalers import Scaler, get_scaler
from salience_tabular.pictures.features import names_of, refusal_of, values_of
from salience_tabular.pictures.look import (
    item_title,
    mean_title,
    note_below,
    number_ticks,
    plain,
    row_label,
)
from salience_tabular.pictures.marks import draw_bars
from salience_tabular.pictures.panels import (
    LEVEL,
    Panel,
    of_item,
    of_mean,
    scaled_words,
    scaling_of,
    unit_label,
    value_label,
)
from salience_tabular.pictures.sheet import Cell, Sheet, check_layout, default_share

_SORTS = ("descending", "ascending", "table")
_SCALES = ("explanation", "item")
# Numbers of more features are a wall of text, and take longer to draw than all the rest.
_WRITTEN = 20


@dataclass(frozen=True)
class FeaturePlot(Visualizer):
    """Base of pictures with one line per feature; subclasses draw the marks of a row."""

    formats: ClassVar[Collection[str]] = tuple(FigureCanvasBase.filetypes)
    draws_into_axes: ClassVar[bool] = True
    draws_into_figures: ClassVar[bool] = True
    #: Levels of the intervals of a row, the widest first.
    levels: ClassVar[tuple[float, ...]] = (LEVEL,)
    #: Whether the picture of a row has the values as text, where there are not too many.
    writes_values: ClassVar[bool] = False

    sort: bool | str = "descending"
    num_visualize: int | None = 30
    scaler: str | Scaler = "identity"
    scale: str = "explanation"
    share: str | None = None
    ncols: int | None = None
    title: str | None = None
    color: str | None = None
    xlabel: str | None = None
    values: bool = True
    output_name: str = ""
    unit: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        get_scaler(self.scaler)
        words = {True: "descending", False: "table"}
        sort = words[self.sort] if isinstance(self.sort, bool) else self.sort
        if sort not in _SORTS:
            raise InputError(f"sort={brief(self.sort)}; {nearest(sort, _SORTS)}")
        object.__setattr__(self, "sort", sort)
        if self.scale not in _SCALES:
            raise InputError(f"scale={brief(self.scale)}; {nearest(self.scale, _SCALES)}")
        check_layout(self.share, self.ncols)
        if self.color is not None and not is_color_like(self.color):
            raise InputError(
                f"color={brief(self.color)}; pass a colour of matplotlib, as '#4477aa'"
            )
        if self.num_visualize is not None and self.num_visualize < 1:
            raise InputError(
                f"num_visualize={self.num_visualize} leaves nothing to draw; "
                f"pass at least 1, or None for all"
            )

    @abstractmethod
    def draw_marks(self, axes: Axes, names: Sequence[str], panel: Panel, *, written: bool) -> None:
        """Draw the features of a row, from top to bottom.

        Args:
            axes: The axes.
            names: Label of each feature.
            panel: Values of these features, and their intervals.
            written: Whether there is room for the values as text.
        """

    def refusal(self, explanation: Explanation) -> str | None:
        """Why an explanation cannot be drawn: it is not of features that all rows share."""
        return refusal_of(explanation)

    def item(self, explanation: Explanation, item: int) -> Figure:
        """Draw one row."""
        cell = self._cell(explanation, item)
        shown = min(len(cell.names), self.num_visualize or len(cell.names))
        written = self.writes_values and shown <= _WRITTEN
        return self._finished(Sheet([[cell]], has_text=written))

    def mean(self, explanation: Explanation) -> Figure:
        """Draw the mean over all rows, of magnitudes and of signed values."""
        return self._finished(Sheet([self._mean_cells(explanation)], share="none"))

    def draw(self, axes: Axes, explanation: Explanation, item: int | None) -> None:
        """Draw one row, or the mean of magnitudes, into the user's axes."""
        cell = self._mean_cells(explanation)[0] if item is None else self._cell(explanation, item)
        self._draw(axes, cell, labelled=True, written=False)
        axes.set_title(cell.title, fontsize=11)
        axes.set_xlabel(cell.label, fontsize=10, color=INK)
        axes.set_xlim(*cell.limits)
        number_ticks(axes)
        note_below(axes, cell.notes())

    def grid(self, explanations: Mapping[str, Explanation], items: Sequence[int]) -> Figure:
        """Draw a grid of small panels: one row of panels per item, one column per explanation.

        The panels of an item show the same features in the same order. The rank of a feature is
        given by its largest magnitude in any of the explanations.

        Raises:
            InputError: The explanations have different features.
        """
        check_features(explanations)
        share = self.share or default_share(list(explanations.values()))
        blocks = [[self._cell(e, item, t) for t, e in explanations.items()] for item in items]
        blocks = self._scaled(blocks, share)
        return self._finished(Sheet(blocks, share=share, ncols=self.ncols or 1, is_grid=True))

    def mean_grid(self, explanations: Mapping[str, Explanation]) -> Figure:
        """Draw the means of several explanations: magnitudes, and signed values below them."""
        check_features(explanations)
        share = self.share or default_share(list(explanations.values()))
        columns = [
            [cell.titled(plain(title)) for cell in self._mean_cells(e)]
            for title, e in explanations.items()
        ]
        blocks = [[own[0] for own in columns]]
        if all(len(own) == 2 for own in columns):
            blocks.append([own[1] for own in columns])
        return self._finished(Sheet(blocks, share=share, is_grid=True, one_order=True))

    def _cell(self, explanation: Explanation, item: int, title: str | None = None) -> Cell:
        """What is drawn of one row; in a grid, the scaling is left to the panels that share it."""
        panel = of_item(explanation, item, self.levels)
        names = names_of(explanation)
        held = values_of(explanation) if self.values else None
        if held is not None:
            names = [f"{name} = {held.text(item, i)}" for i, name in enumerate(names)]
        words = (self.output_name, self.unit)
        if title is not None:
            label = row_label(explanation, item, *words)
            return Cell(panel, names, plain(title), row_label=label, explanation=explanation)
        shared = self._sees_all and len(explanation) > 1
        every = explanation.values.detach().cpu().double().numpy()
        of = f"all {len(explanation)} rows" if shared else "the row"
        scaling = scaling_of(self.scaler, [panel], every if shared else None)
        panel, limits = panel.scaled(scaling), panel.scaled(scaling).reach()
        if self.scale == "explanation":
            ends = scaling(np.array([every.min(), every.max()]))
            limits = (min(limits[0], *ends), max(limits[1], *ends))
        name = self.title if self.title is not None else item_title(explanation, item, *words)
        label = self._label(explanation.item(item), panel.label, of)
        return Cell(
            panel, names, name, label=label, limits=_padded(limits), explanation=explanation
        )

    @property
    def _sees_all(self) -> bool:
        # Shares of a sum are those of a row.
        return self.scale == "explanation" and self.scaler != "normalize"

    def _mean_cells(self, explanation: Explanation) -> list[Cell]:
        """The means of magnitudes and of signed values, each scaled by itself."""
        names = names_of(explanation)
        title = self.title if self.title is not None else mean_title(explanation)
        cells: list[Cell] = []
        for of in ("magnitude", "value") if explanation.signed else ("value",):
            panel = of_mean(explanation, of)
            panel = panel.scaled(scaling_of(self.scaler, [panel], None))
            label = self._label(explanation, panel.label, "the panel")
            cells.append(
                Cell(
                    panel,
                    names,
                    "" if cells else title,
                    label=label,
                    limits=_padded(panel.reach()),
                    explanation=explanation,
                    is_mean=True,
                )
            )
        return cells

    def _scaled(self, blocks: Sequence[Sequence[Cell]], share: str) -> list[list[Cell]]:
        """The panels of a grid, scaled as they share it."""
        groups: dict[object, list[tuple[int, int]]] = {}
        for r, row in enumerate(blocks):
            for c in range(len(row)):
                name = {"all": 0, "row": r, "column": c, "none": (r, c)}[share]
                groups.setdefault(name, []).append((r, c))
        found = [list(row) for row in blocks]
        words = {"all": "the picture", "none": "the panel"}.get(share, f"the {share}")
        words = "the panel" if self.scaler == "normalize" else words
        for places in groups.values():
            cells = [found[r][c] for r, c in places]
            scaling = scaling_of(self.scaler, [cell.panel for cell in cells], None)
            panels = []
            for cell in cells:
                own = scaling
                if self.scaler == "normalize":
                    own = scaling_of(self.scaler, [cell.panel], None)
                panels.append(cell.panel.scaled(own))
            ends = [panel.reach() for panel in panels]
            limits = _padded((min(low for low, _ in ends), max(high for _, high in ends)))
            for (r, c), cell, panel in zip(places, cells, panels, strict=True):
                label = self._label(cell.explanation, panel.label, words)
                found[r][c] = cell.scaled(panel, label, limits)
        return found

    def _label(self, explanation: Explanation, label: str, of: str) -> str:
        """Label of an axis: what the values are, and how they are scaled."""
        if self.xlabel is not None:
            return self.xlabel
        words = scaled_words(self.scaler, of)
        if words:
            return f"{label}\n{words}" if len(label) + len(words) > 45 else f"{label}, {words}"
        unit = plain(unit_label(explanation, self.output_name, self.unit), 60)
        comma = " " if explanation.is_complete and explanation.signed else ", "
        if ", signed" in label:
            what = value_label(explanation)
            return label.replace(what, f"{what}{comma}{unit}", 1).replace(", signed", "\nsigned")
        return label if "|" in label and not explanation.is_complete else f"{label}{comma}{unit}"

    def _order(self, panels: Sequence[Panel], *, is_mean: bool) -> NDArray[np.intp]:
        """Indices of the features that a row of panels shows, from top to bottom."""
        # The first panel of a mean shows magnitudes, by which both are ordered.
        sizes = [np.abs(panel.values) for panel in (panels[:1] if is_mean else panels)]
        if len({panel.label for panel in panels}) > 1:  # of different units
            sizes = [size / (size.max() or 1.0) for size in sizes]
        size = np.stack(sizes).max(0)
        order = np.argsort(-size, kind="stable")[: self.num_visualize]
        if self.sort == "table":
            return np.sort(order)
        return order[::-1] if self.sort == "ascending" else order

    def _draw(
        self,
        axes: Axes,
        cell: Cell,
        *,
        labelled: bool,
        written: bool,
        order: NDArray[np.intp] | None = None,
    ) -> None:
        if order is None:
            order = self._order([cell.panel], is_mean=cell.is_mean)
        names = [cell.names[i] if labelled else "" for i in order]
        panel = cell.panel.of(order)
        if cell.is_mean:
            draw_bars(axes, names, panel.values, panel.intervals, color=self.color)
        else:
            self.draw_marks(axes, names, panel, written=written)

    def _finished(self, sheet: Sheet) -> Figure:
        """The figure of a sheet."""
        orders = []
        for row in sheet.blocks:
            panels = [cell.panel for cell in (sheet.blocks[0] if sheet.one_order else row)]
            is_mean = row[0].is_mean and not sheet.one_order
            orders.append(self._order(panels, is_mean=is_mean))
        return replace(sheet, figure=self.given_figure).drawn(orders, self._draw)


def check_features(explanations: Mapping[str, Explanation]) -> None:
    """Raise InputError where explanations of a grid have different features."""
    first = names_of(next(iter(explanations.values())))
    for title, explanation in explanations.items():
        if names_of(explanation) != first:
            raise InputError(
                f"explanation {title!r} has other features than the first of the grid; "
                f"draw them one by one"
            )


def _padded(limits: tuple[float, float]) -> tuple[float, float]:
    low, high = limits
    room = (high - low) * 0.04 or 1.0
    return low - room * (low < 0 or low == high), high + room
