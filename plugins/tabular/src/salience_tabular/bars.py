"""The bar plot of a table's features: saliency as bars, its standard error as whiskers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.colors import is_color_like
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from salience import Explanation, InputError, Visualizer
from salience.errors import brief
from salience.scalers import Scaler, get_scaler
from salience_tabular.look import (
    FAINT,
    INK,
    NEGATIVE,
    PLAIN,
    POSITIVE,
    item_title,
    mean_title,
    names_of,
    new_figure,
    plain,
    tidy,
)

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class BarPlot(Visualizer):
    """One horizontal bar per feature: saliency, with whiskers of one standard error over the draws.

    Args:
        sort: Whether features are drawn by decreasing magnitude from the top; otherwise they are
            drawn in the order of the table.
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

    sort: bool = True
    num_visualize: int | None = 30
    scaler: str | Scaler = "identity"
    title: str | None = None
    color: str | None = None
    xlabel: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        get_scaler(self.scaler)
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
        bars = self._bars(explanation.values[item], explanation.std_error[item])
        title = self.title if self.title is not None else item_title(explanation, item)
        return self._figure(names_of(explanation), [[bars]], [title], [])

    def mean(self, explanation: Explanation) -> Figure:
        """Draw the bars of the mean over all rows."""
        names = names_of(explanation)
        bars = self._bars(explanation.mean(), explanation.mean_std_error())
        title = self.title if self.title is not None else mean_title(explanation)
        return self._figure(names, [[bars]], [title], [])

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
        panels = [
            [self._bars(e.values[item], e.std_error[item]) for e in explanations.values()]
            for item in items
        ]
        rows = [item_title(first, item) for item in items]
        return self._figure(names, panels, [plain(title) for title in explanations], rows)

    def _bars(self, values: Tensor, errors: Tensor) -> tuple[Array, Array]:
        numbers = values.detach().cpu().double().numpy()
        scaling = get_scaler(self.scaler)(numbers)
        return scaling(numbers), scaling.error(errors.detach().cpu().double().numpy())

    def _order(self, panels: Sequence[tuple[Array, Array]]) -> NDArray[np.intp]:
        """Indices of the features that a row of panels shows, from top to bottom."""
        size = np.abs(np.stack([values for values, _ in panels])).max(0)
        order = np.argsort(-size, kind="stable")[: self.num_visualize]
        return order if self.sort else np.sort(order)

    def _figure(
        self,
        names: Sequence[str],
        panels: Sequence[Sequence[tuple[Array, Array]]],
        titles: Sequence[str],
        rows: Sequence[str],
    ) -> Figure:
        orders = [self._order(row) for row in panels]
        shown, n_columns = len(orders[0]), len(titles)
        width = 6.0 if n_columns == 1 else 1.6 + 2.5 * n_columns
        height = (0.34 + 0.27 * max(shown, 3)) * len(panels) + 0.95
        figure = new_figure(width, height)
        # Scaled values have one range, so all panels share the axis. Unscaled saliency may differ
        # in magnitude between methods, so only the panels of one explanation share it.
        shared: Literal["col", "all"] = "col" if self.scaler == "identity" else "all"
        grid = figure.subplots(len(panels), n_columns, sharex=shared, squeeze=False)
        for axes_row, row, order in zip(grid, panels, orders, strict=True):
            for axes, (values, errors) in zip(axes_row, row, strict=True):
                chosen = [names[i] for i in order] if axes is axes_row[0] else [""] * shown
                draw_bars(axes, chosen, values[order], errors[order], color=self.color)
        for axes, title in zip(grid[0], titles, strict=True):
            axes.set_title(title, fontsize=11)
        for axes, label in zip(grid[:, 0], rows, strict=False):
            axes.set_ylabel(label, fontsize=10, color=INK)
        figure.align_ylabels(grid[:, 0])
        for axes in grid[-1]:
            xlabel = self.xlabel if self.xlabel is not None else "saliency"
            axes.set_xlabel(xlabel, fontsize=10, color=INK)
        note = _note(panels, shown, len(names))
        if note:
            figure.supxlabel(note, x=0.99, ha="right", fontsize=7.5, color=FAINT)
        return figure


def draw_bars(
    axes: Axes,
    names: Sequence[str],
    values: Array,
    errors: Array | None = None,
    *,
    color: str | None = None,
) -> None:
    """Draw horizontal bars into the caller's axes, with the first bar at the top.

    Args:
        axes: The matplotlib axes to draw into.
        names: A label for each bar.
        values: Length of each bar, shape (F,).
        errors: Half length of each whisker, shape (F,); a bar whose error is NaN has no whisker.
            ``None`` draws no whiskers.
        color: One colour for all bars; where ``None``, positive and negative bars differ.
    """
    at = np.arange(len(values))
    signed = bool((values < 0).any())
    colors = [color or (PLAIN if not signed else POSITIVE if v >= 0 else NEGATIVE) for v in values]
    axes.barh(at, values, height=0.72, color=colors)
    known = np.isfinite(errors) if errors is not None else np.zeros(len(values), bool)
    if errors is not None and known.any():
        axes.errorbar(
            values[known],
            at[known],
            xerr=errors[known],
            fmt="none",
            ecolor=INK,
            elinewidth=1.1,
            capsize=2.5,
        )
    axes.set_yticks(at, names)
    axes.set_ylim(len(values) - 0.5, -0.5)
    axes.locator_params(axis="x", nbins=5)
    tidy(axes)
    axes.tick_params(axis="y", length=0)
    axes.axvline(0.0, color=FAINT, linewidth=0.8, zorder=3)


def _note(panels: Sequence[Sequence[tuple[Array, Array]]], shown: int, total: int) -> str:
    """Footnote that explains the whiskers and says how many features are drawn; may be empty."""
    parts = []
    if any(np.isfinite(errors).any() for row in panels for _, errors in row):
        parts.append("whiskers: ±1 standard error over the draws")
    if shown < total:
        parts.append(f"the {shown} largest of {total} features")
    return "; ".join(parts)
