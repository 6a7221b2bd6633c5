"""The bar plot of a table's features: saliency as bars, with lines for its intervals."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.colors import is_color_like
from matplotlib.figure import Figure
from numpy.typing import NDArray

from salience import Explanation, InputError, Visualizer
from salience.colors import GROUND, INK, LINE, NEGATIVE, PLAIN, POSITIVE
from salience.errors import brief, nearest
from salience.scalers import Scaler, get_scaler
from salience_tabular.pictures.look import (
    add_note,
    item_title,
    mean_title,
    names_of,
    new_figure,
    plain,
    tidy,
)
from salience_tabular.pictures.panels import Array, Interval, Panel, of_item, of_mean


@dataclass(frozen=True)
class BarPlot(Visualizer):
    """One horizontal bar per feature: saliency, with lines for its 95 % interval.

    The interval is that of :meth:`salience.Explanation.interval`: of a further draw where
    parameters of the model were drawn, else of the mean over draws. A bar is hollow where the
    interval holds 0, which is where the unadjusted p-value is at least .05. Magnitudes have no
    p-values and no hollow bars. The mean over rows is that of magnitudes, which cannot cancel,
    beside the mean of signed values; its intervals are over rows and over draws.

    Args:
        sort: ``"descending"`` magnitude from the top, or ``True``; ``"ascending"``; ``"table"``
            for the order of the table, or ``False``.
        num_visualize: Number of features to draw, those of the largest magnitude; all where
            ``None``.
        scaler: Name or function, applied to all features, including those that are not drawn:
            ``"identity"``, ``"abs_max"``, ``"normalize"`` (to a sum of 1), ``"min_max"``.
        title: Title in place of the row's number or id, or of "mean of n rows".
        color: One colour for all bars; where ``None``, positive and negative bars differ.
        xlabel: Label of the horizontal axis in place of "saliency".

    Raises:
        InputError: The scaler is unknown, or ``num_visualize`` is less than 1.
    """

    formats: ClassVar[Collection[str]] = tuple(FigureCanvasBase.filetypes)

    sort: bool | str = "descending"
    num_visualize: int | None = 30
    scaler: str | Scaler = "identity"
    title: str | None = None
    color: str | None = None
    xlabel: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        get_scaler(self.scaler)
        words = {True: "descending", False: "table"}
        sort = words[self.sort] if isinstance(self.sort, bool) else self.sort
        choice = ("descending", "ascending", "table")
        if sort not in choice:
            raise InputError(f"sort={brief(self.sort)}; {nearest(sort, choice)}")
        object.__setattr__(self, "sort", sort)
        if self.color is not None and not is_color_like(self.color):
            raise InputError(
                f"color={brief(self.color)}; pass a colour of matplotlib, as '#4477aa'"
            )
        if self.num_visualize is not None and self.num_visualize < 1:
            raise InputError(
                f"num_visualize={self.num_visualize} leaves nothing to draw; "
                f"pass at least 1, or None for all"
            )

    def item(self, explanation: Explanation, item: int) -> Figure:
        """Draw the bars of one row."""
        names, panel = names_of(explanation), of_item(explanation, item, self.scaler)
        title = self.title if self.title is not None else item_title(explanation, item)
        return self._figure(names, [[panel]], [title], [])

    def mean(self, explanation: Explanation) -> Figure:
        """Draw the bars of the mean over all rows, of magnitudes and of signed values."""
        names = names_of(explanation)
        kinds = ("magnitude", "value") if explanation.signed else ("value",)
        panels = [of_mean(explanation, self.scaler, of) for of in kinds]
        title = self.title if self.title is not None else mean_title(explanation)
        return self._figure(names, [panels], [title, *[""] * (len(kinds) - 1)], [])

    def grid(self, explanations: Mapping[str, Explanation], items: Sequence[int]) -> Figure:
        """Draw a grid of small panels: one row of panels per item, one column per explanation.

        The panels of an item show the same features in the same order. The rank of a feature is
        given by its largest magnitude in any of the explanations.

        Raises:
            InputError: The explanations have different features.
        """
        first = next(iter(explanations.values()))
        names = names_of(first)
        for title, explanation in explanations.items():
            if names_of(explanation) != names:
                raise InputError(
                    f"explanation {title!r} has other features than the first of the grid; "
                    f"draw them one by one"
                )
        panels = [[of_item(e, item, self.scaler) for e in explanations.values()] for item in items]
        rows = [item_title(first, item) for item in items]
        return self._figure(names, panels, [plain(title) for title in explanations], rows)

    def _order(self, panels: Sequence[Panel]) -> NDArray[np.intp]:
        """Indices of the features that a row of panels shows, from top to bottom."""
        # The first panel of a mean shows magnitudes, by which both are ordered.
        size = np.abs(np.stack([panel.values for panel in panels])).max(0)
        if any(panel.label == "mean |saliency|" for panel in panels):
            size = panels[0].values
        order = np.argsort(-size, kind="stable")[: self.num_visualize]
        if self.sort == "table":
            return np.sort(order)
        return order[::-1] if self.sort == "ascending" else order

    def _figure(
        self,
        names: Sequence[str],
        panels: Sequence[Sequence[Panel]],
        titles: Sequence[str],
        rows: Sequence[str],
    ) -> Figure:
        orders = [self._order(row) for row in panels]
        shown, n_columns = len(orders[0]), len(titles)
        width = 6.0 if n_columns == 1 else 1.8 + 2.9 * n_columns
        height = (0.34 + 0.27 * max(shown, 3)) * len(panels) + 1.05
        figure = new_figure(width, height)
        # Scaled values have one range, so all panels share the axis. Unscaled saliency may differ
        # in magnitude between methods, so only the panels of one explanation share it.
        shared: Literal["col", "all"] = "col" if self.scaler == "identity" else "all"
        grid = figure.subplots(len(panels), n_columns, sharex=shared, squeeze=False)
        for axes_row, row, order in zip(grid, panels, orders, strict=True):
            for axes, panel in zip(axes_row, row, strict=True):
                chosen = [names[i] for i in order] if axes is axes_row[0] else [""] * shown
                draw_bars(
                    axes,
                    chosen,
                    panel.values[order],
                    [(low[order], high[order]) for low, high in panel.intervals],
                    hollow=None if panel.hollow is None else panel.hollow[order],
                    color=self.color,
                )
        for axes, title in zip(grid[0], titles, strict=True):
            axes.set_title(title, fontsize=11)
        for axes, label in zip(grid[:, 0], rows, strict=False):
            axes.set_ylabel(label, fontsize=10, color=INK)
        figure.align_ylabels(grid[:, 0])
        for axes, panel in zip(grid[-1], panels[-1], strict=True):
            xlabel = self.xlabel if self.xlabel is not None else self._label(panel)
            axes.set_xlabel(xlabel, fontsize=10, color=INK)
        add_note(figure, _notes(panels, titles, shown, len(names)))
        return figure

    def _label(self, panel: Panel) -> str:
        scaled = _SCALED.get(self.scaler, "scaled") if isinstance(self.scaler, str) else "scaled"
        return f"{panel.label}, {scaled}" if scaled else panel.label


_SCALED = {
    "identity": "",
    "abs_max": "largest magnitude = 1",
    "normalize": "magnitudes sum to 1",
    "min_max": "from smallest to largest",
}


def draw_bars(
    axes: Axes,
    names: Sequence[str],
    values: Array,
    intervals: Sequence[Interval] = (),
    *,
    hollow: NDArray[np.bool_] | None = None,
    color: str | None = None,
) -> None:
    """Draw horizontal bars into the caller's axes, with the first bar at the top.

    Args:
        axes: The matplotlib axes to draw into.
        names: A label for each bar.
        values: Length of each bar, shape (F,).
        intervals: Lower and upper bounds, shape (F,) each, of intervals that are drawn as lines;
            the first the thinnest. A bound that is NaN has no line.
        hollow: Bars that are drawn as outlines, bool of shape (F,).
        color: One colour for all bars; where ``None``, positive and negative bars differ.
    """
    at = np.arange(len(values))
    signed = bool((values < 0).any())
    colors = [color or (PLAIN if not signed else POSITIVE if v >= 0 else NEGATIVE) for v in values]
    outlined = np.zeros(len(values), bool) if hollow is None else hollow
    faces = [GROUND if empty else own for empty, own in zip(outlined, colors, strict=True)]
    axes.barh(at, values, height=0.66, color=faces, edgecolor=colors, linewidth=1.2)
    for number, (low, high) in enumerate(intervals):
        known = np.isfinite(low) & np.isfinite(high)
        width = 1.1 if number == 0 else 3.0
        axes.hlines(at[known], low[known], high[known], color=INK, linewidth=width, zorder=4)
    axes.set_yticks(at, names)
    axes.set_ylim(len(values) - 0.5, -0.5)
    axes.locator_params(axis="x", nbins=5)
    tidy(axes)
    axes.tick_params(axis="y", length=0)
    axes.axvline(0.0, color=LINE, linewidth=0.8, zorder=3)


def _notes(
    panels: Sequence[Sequence[Panel]], titles: Sequence[str], shown: int, total: int
) -> list[str]:
    """Sentences that say what lines and hollow bars mean, and how many features are drawn."""
    flat = [panel for row in panels for panel in row]
    by_title = {
        title: [note for row in panels for note in row[column].notes if note.startswith("lines")]
        for column, title in enumerate(titles)
    }
    # Explanations may differ in what their intervals are of.
    differ = len({note for own in by_title.values() for note in own}) > 1
    notes = [f"{title}, {own[0]}" for title, own in by_title.items() if own and differ]
    others = dict.fromkeys(note for panel in flat for note in panel.notes)
    notes += [note for note in others if not (differ and note.startswith("lines"))]
    if len(flat) > 1:  # counts of single panels would be many
        notes = [note for note in notes if "FDR" not in note]
    if shown < total:
        notes.append(f"the {shown} largest of {total} features")
    return notes
