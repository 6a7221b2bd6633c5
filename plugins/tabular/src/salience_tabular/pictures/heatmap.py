"""The heat map of a table: the saliency of many rows, to compare rows with each other."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from salience import Explanation, InputError, Visualizer
from salience.colors import DATA, INK, LINE, SIGNED, colormap
from salience.scalers import Scaler, get_scaler
from salience_tabular.pictures.features import names_of, refusal_of
from salience_tabular.pictures.look import (
    add_note,
    item_name,
    item_title,
    mean_title,
    new_figure,
    note_below,
    plain,
    tidy,
)
from salience_tabular.pictures.panels import (
    has_errors,
    scaled_words,
    unit_label,
    value_label,
)
from salience_tabular.pictures.swarm import uncertain

Array = NDArray[np.floating[Any]]
_LABELLED_ROWS = 40
_LABELLED_FEATURES = 60


@dataclass(frozen=True)
class HeatMap(Visualizer):
    """A heat map of rows by features, coloured by saliency.

    Where there are several draws and the aggregator keeps signs, a cell whose sign is uncertain
    (p ≥ .05, so that the 95 % interval holds 0) has a ring, where cells are few enough to
    have names.

    :meth:`item` draws one row. :meth:`mean` draws all rows, one below the other, not their mean.

    Args:
        cmap: A colour map or its name; where ``None``, that of signed saliency with white at 0 if
            any value is negative, else ``"viridis"`` from 0.
        scaler: Name or function, applied to all rows of an explanation at once.
        title: Title in place of the row's number or id, or of "n rows".
        colorbar: Whether to draw the colour bar.
        rings: Whether cells whose sign is uncertain are marked.

    Raises:
        InputError: The scaler or the colour map is unknown.
    """

    formats: ClassVar[Collection[str]] = tuple(FigureCanvasBase.filetypes)
    draws_into_axes: ClassVar[bool] = True
    draws_into_figures: ClassVar[bool] = True
    max_panels: ClassVar[int | None] = None

    cmap: str | Colormap | None = None
    scaler: str | Scaler = "identity"
    title: str | None = None
    colorbar: bool = True
    rings: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        get_scaler(self.scaler)
        if self.cmap is not None:
            colormap(self.cmap)

    def refusal(self, explanation: Explanation) -> str | None:
        """Why an explanation cannot be drawn: it is not of features that all rows share."""
        return refusal_of(explanation)

    def item(self, explanation: Explanation, item: int) -> Figure:
        """Draw the heat map of one row."""
        title = self.title
        if title is None:
            title = item_title(explanation, item, width=2.6)
        return self._figure({title: explanation}, [item])

    def mean(self, explanation: Explanation) -> Figure:
        """Draw the heat map of all rows."""
        own = mean_title(explanation).removeprefix("mean of ")
        title = self.title if self.title is not None else own
        return self._figure({title: explanation}, range(len(explanation)))

    def draw(self, axes: Axes, explanation: Explanation, item: int | None) -> None:
        """Draw one row, or all rows, into the user's axes."""
        rows = list(range(len(explanation))) if item is None else [item]
        names = names_of(explanation)  # refuses saliency of another shape
        values = self._scaled(explanation)[rows]
        image = self._draw(axes, values, bool((values < 0).any()))
        notes = self._mark(axes, explanation, rows)
        own = mean_title(explanation).removeprefix("mean of ")
        title = own if item is None else item_title(explanation, item, width=3.0)
        axes.set_title(title if self.title is None else self.title, fontsize=11)
        if len(names) <= _LABELLED_FEATURES:
            axes.set_xticks(range(len(names)), names, rotation=90)
        if len(rows) <= _LABELLED_ROWS:
            axes.set_yticks(range(len(rows)), [item_name(explanation, row) for row in rows])
        tidy(axes, kept=())
        if self.colorbar:
            axes.figure.colorbar(image, ax=axes, label=self._label(explanation))
        note_below(axes, notes)

    def mean_grid(self, explanations: Mapping[str, Explanation]) -> Figure:
        """Draw all rows of each explanation, side by side."""
        lengths = {len(explanation) for explanation in explanations.values()}
        if len(lengths) > 1:
            raise InputError(
                f"heat maps side by side share their rows, but these explanations have "
                f"{sorted(lengths)} rows; draw them one by one"
            )
        return self.grid(explanations, range(lengths.pop()))

    def grid(self, explanations: Mapping[str, Explanation], items: Sequence[int]) -> Figure:
        """Draw one heat map of the rows ``items`` per explanation, each with its own scale."""
        return self._figure({plain(title): e for title, e in explanations.items()}, items)

    def _figure(self, panels: Mapping[str, Explanation], items: Sequence[int]) -> Figure:
        names = [names_of(explanation) for explanation in panels.values()]
        rows = list(items)
        scaled = [self._scaled(explanation)[rows] for explanation in panels.values()]
        longest = max(len(name) for own in names for name in own)
        n_features = max(len(own) for own in names)
        labelled = n_features <= _LABELLED_FEATURES
        slanted = labelled and n_features <= 8 and longest <= 16
        cell = min(max(4.4 / n_features, 0.24), 1.0)
        width = min(max(cell * n_features, 2.0) * len(panels), 11.0) + 1.0 * len(panels) + 0.8
        body = min(max(0.25 * len(rows), 0.4), 6.0)
        below = longest * (0.045 if slanted else 0.085) if labelled else 0.4
        figure = new_figure(width, body + below + 0.7, self.given_figure)
        grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        signed = any((values < 0).any() for values in scaled)
        notes: list[str] = []
        for axes, own, title, values in zip(grid, names, panels, scaled, strict=True):
            image = self._draw(axes, values, signed)
            notes += self._mark(axes, panels[title], rows)
            axes.set_title(title, fontsize=11)
            if labelled:
                axes.set_xticks(range(len(own)), own)
                turn = {"rotation": 30, "ha": "right"} if slanted else {"rotation": 90}
                for label in axes.get_xticklabels():
                    label.set(rotation_mode="anchor" if slanted else "default", **turn)
            else:
                axes.set_xlabel(f"{len(own)} features", fontsize=10, color=INK)
            tidy(axes, kept=())
            axes.tick_params(length=0 if labelled else 3)
            if self.colorbar:
                _colorbar(figure, axes, image, body)
                if axes is grid[-1]:
                    figure.axes[-1].set_ylabel(self._label(panels[title]), fontsize=9, color=INK)
        if len(rows) == 1:
            grid[0].set_yticks([])
        elif len(rows) <= _LABELLED_ROWS:
            first = next(iter(panels.values()))
            grid[0].set_yticks(range(len(rows)), [item_name(first, item) for item in rows])
        else:
            grid[0].set_ylabel("row", fontsize=10, color=INK)
        add_note(figure, notes)
        return figure

    def _label(self, explanation: Explanation) -> str:
        """What values are, and how they are scaled."""
        words = scaled_words(self.scaler, f"all {len(explanation)} rows")
        comma = " " if explanation.is_complete and explanation.signed and not words else ", "
        return f"{value_label(explanation)}{comma}{words or plain(unit_label(explanation), 60)}"

    def _mark(self, axes: Axes, explanation: Explanation, rows: Sequence[int]) -> list[str]:
        """Draw a ring into each cell whose sign is uncertain, and say what it is."""
        if not self.rings:
            return []
        chosen = explanation.iloc[list(rows)]
        n_features = explanation.only.flat.shape[1]
        if len(rows) > _LABELLED_ROWS or n_features > _LABELLED_FEATURES:
            tested = chosen.signed and has_errors(chosen)
            return ["uncertain signs are not marked in so many cells"] if tested else []
        found = uncertain(chosen)
        if found is None or not found.any():
            return []
        y, x = np.nonzero(found)
        axes.scatter(x, y, s=16, facecolors="none", edgecolors=INK, linewidths=0.8)
        about = explanation.interval_about
        return [f"rings: sign uncertain (p ≥ .05), the 95 % interval of {about} holds 0"]

    def _scaled(self, explanation: Explanation) -> Array:
        values = explanation.values.detach().cpu().double().numpy()
        return get_scaler(self.scaler)(values)(values)

    def _draw(self, axes: Axes, values: Array, signed: bool) -> AxesImage:
        peak = float(np.abs(values).max()) or 1.0
        cmap = colormap(self.cmap if self.cmap is not None else SIGNED if signed else DATA)
        scale = Normalize(-peak if signed else 0.0, peak)
        return axes.imshow(values, cmap=cmap, norm=scale, aspect="auto", interpolation="nearest")


def _colorbar(figure: Figure, axes: Axes, image: AxesImage, height: float) -> None:
    bar = figure.colorbar(image, ax=axes, fraction=0.08, pad=0.02, aspect=height / 0.13)
    bar.locator = MaxNLocator(max(2, min(int(height * 3), 7)), steps=[1, 2, 5, 10])
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, color=LINE, labelcolor=INK)
