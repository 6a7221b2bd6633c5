"""The beeswarm: the saliency of all rows, feature by feature, coloured by the features' values."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_rgba
from matplotlib.figure import Figure
from numpy.typing import NDArray

from salience import Explanation, InputError, Visualizer
from salience.colors import DATA, INK, colormap
from salience.scalers import Scaler, get_scaler
from salience_tabular.pictures.features import names_of, refusal_of, values_of
from salience_tabular.pictures.look import (
    add_note,
    item_name,
    new_figure,
    note_below,
    number_ticks,
    plain,
    rows_title,
)
from salience_tabular.pictures.marks import frame_features, guides, sign_colors
from salience_tabular.pictures.panels import (
    numbers,
    scaled_words,
    unit_label,
    value_label,
)
from salience_tabular.pictures.rows import check_features
from salience_tabular.pictures.swarm import (
    UNORDERED,
    Points,
    area_of,
    data_colors,
    has_no_order,
    hollow_note,
    mark_row,
    offsets,
    shades,
    uncertain,
)

# Width of the axes and height of a feature, in points (1/72 inch).
_WIDTH, _HEIGHT = 320.0, 27.0


@dataclass(frozen=True)
class Beeswarm(Visualizer):
    """One point per row and feature: its saliency, coloured by the value of the feature.

    Points that would overlap lie beside each other. Colours go from low to high values of each
    feature (its 5 and 95 % quantiles), in original units where the domain knows them, or from the
    first to the second of two categories. More categories have no order, and are grey; see
    :class:`Scatter`. A point is hollow where the sign of the saliency is uncertain
    (p ≥ .05). More than 3000 points are pixels in SVG and PDF files as well.

    :meth:`mean` draws all rows, not their mean; :meth:`item` draws all rows and marks one.

    Args:
        num_visualize: Number of features to draw, those of the largest mean magnitude; all where
            ``None``.
        scaler: Name or function, applied to all rows of an explanation at once.
        title: Title in place of "n rows".
        xlabel: Label of the horizontal axis in place of what the values are.
        colorbar: Whether to draw the colour bar.
        output_name: What f is: ``"log solubility"``.
        unit: Unit of f.

    Raises:
        InputError: A setting is unknown or out of range.
    """

    formats: ClassVar[Collection[str]] = tuple(FigureCanvasBase.filetypes)
    draws_into_axes: ClassVar[bool] = True
    draws_into_figures: ClassVar[bool] = True
    max_panels: ClassVar[int | None] = None

    num_visualize: int | None = 20
    scaler: str | Scaler = "identity"
    title: str | None = None
    xlabel: str | None = None
    colorbar: bool = True
    output_name: str = ""
    unit: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        get_scaler(self.scaler)
        if self.num_visualize is not None and self.num_visualize < 1:
            raise InputError(
                f"num_visualize={self.num_visualize} leaves nothing to draw; "
                f"pass at least 1, or None for all"
            )

    def refusal(self, explanation: Explanation) -> str | None:
        """Why an explanation cannot be drawn: it is not of features that all rows share."""
        return refusal_of(explanation)

    def item(self, explanation: Explanation, item: int) -> Figure:
        """Draw all rows, and mark one by rings."""
        return self._figure({"": explanation}, item)

    def mean(self, explanation: Explanation) -> Figure:
        """Draw all rows."""
        return self._figure({"": explanation}, None)

    def grid(self, explanations: Mapping[str, Explanation], items: Sequence[int]) -> Figure:
        """Draw the rows ``items`` of each explanation, side by side, features in one order."""
        chosen = {title: e.iloc[list(items)] for title, e in explanations.items()}
        return self._figure(chosen, None)

    def mean_grid(self, explanations: Mapping[str, Explanation]) -> Figure:
        """Draw all rows of each explanation, side by side, with the features in one order."""
        return self._figure(explanations, None)

    def draw(self, axes: Axes, explanation: Explanation, item: int | None) -> None:
        """Draw all rows into the user's axes, and mark one by rings where it is named."""
        names = names_of(explanation)
        order = self._order([explanation])
        marked = uncertain(explanation)
        self._draw(axes, explanation, [names[i] for i in order], (order, marked), item)
        axes.set_title(rows_title(explanation, "", self.title), fontsize=11)
        notes = self._notes({"": explanation}, [marked], len(order), item)
        note_below(axes, [*notes, _color_note(explanation)])

    def _figure(self, explanations: Mapping[str, Explanation], item: int | None) -> Figure:
        check_features(explanations)
        every = list(explanations.values())
        names, order = names_of(every[0]), self._order(every)
        labels = [names[i] for i in order]
        longest = max(map(len, labels))
        colored = any(values_of(e) is not None for e in every)
        width = 0.4 + 0.068 * longest + 4.7 * len(every) + 0.8 * self.colorbar * colored
        figure = new_figure(width, 1.2 + _HEIGHT / 72 * max(len(order), 3), self.given_figure)
        grid = figure.subplots(1, len(every), squeeze=False)[0]
        marked = [uncertain(e) for e in every]
        for axes, (title, e), hollow in zip(grid, explanations.items(), marked, strict=True):
            shown = labels if axes is grid[0] else [""] * len(labels)
            self._draw(axes, e, shown, (order, hollow), item)
            axes.set_title(rows_title(e, title, self.title), fontsize=11)
        if self.colorbar and colored:
            _color_bar(figure, grid)
        add_note(figure, self._notes(explanations, marked, len(order), item))
        return figure

    def _order(self, explanations: Sequence[Explanation]) -> NDArray[np.intp]:
        """Indices of the features, the largest mean magnitude in any explanation first."""
        sizes = [numbers(e.mean("magnitude")) for e in explanations]
        size = np.max([own / (own.max() or 1.0) for own in sizes], axis=0)
        return np.argsort(-size, kind="stable")[: self.num_visualize]

    def _draw(
        self,
        axes: Axes,
        explanation: Explanation,
        labels: Sequence[str],
        drawn: tuple[NDArray[np.intp], NDArray[np.bool_] | None],
        item: int | None,
    ) -> None:
        order, marked = drawn
        values = numbers(explanation.values)
        values = get_scaler(self.scaler)(values)(values)[:, order]
        area = area_of(len(values))
        diameter = 2 * np.sqrt(area / np.pi) + 0.6
        # The axis is as long for all features, so that its share that a feature fills counts.
        span = float(np.ptp(values)) or 1.0
        y = np.empty_like(values)
        for row in range(len(order)):
            length = _WIDTH * float(np.ptp(values[:, row])) / span
            away = offsets(values[:, row], diameter, max(length, diameter), 0.42 * _HEIGHT)
            y[:, row] = row + away / _HEIGHT
        hollow = np.zeros(values.shape, bool) if marked is None else marked[:, order]
        colors = self._colors(explanation, values, order)
        # One point of each feature after the other, so that no row always lies on top.
        points = Points(values.ravel(), y.ravel(), colors.reshape(-1, 4), hollow.ravel(), area)
        points.draw(axes)
        if item is not None:
            mark_row(axes, values[item], y[item], area)
        frame_features(axes, labels)
        guides(axes, len(order))
        room = 0.04 * span
        axes.set_xlim(min(float(values.min()), 0.0) - room, max(float(values.max()), 0.0) + room)
        number_ticks(axes)
        axes.set_xlabel(self._label(explanation), fontsize=9.5, color=INK)

    def _colors(
        self, explanation: Explanation, values: Any, order: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Colour of each point, shape (B, F, 4): of the feature's value, else of the sign."""
        held = values_of(explanation)
        made = np.empty((*values.shape, 4))
        for row, feature in enumerate(order):
            shade = shades(held, int(feature), len(values))
            if has_no_order(held, int(feature)):
                made[:, row] = to_rgba(UNORDERED)
            elif shade is None:
                own = sign_colors(values[:, row], signed=explanation.signed)
                made[:, row] = [to_rgba(color) for color in own]
            else:
                made[:, row] = data_colors(shade)
        return made

    def _label(self, explanation: Explanation) -> str:
        if self.xlabel is not None:
            return self.xlabel
        what = value_label(explanation)
        words = scaled_words(self.scaler, f"all {len(explanation)} rows")
        if words:
            return f"{what}, {words}"
        comma = " " if explanation.is_complete and explanation.signed else ", "
        return f"{what}{comma}{plain(unit_label(explanation, self.output_name, self.unit), 60)}"

    def _notes(
        self,
        explanations: Mapping[str, Explanation],
        marked: Sequence[NDArray[np.bool_] | None],
        shown: int,
        item: int | None,
    ) -> list[str]:
        """Sentences on hollow points, the marked row and features that are left out."""
        found = []
        for (title, e), hollow in zip(explanations.items(), marked, strict=True):
            note = hollow_note(e, hollow)
            found.append(f"{plain(title)}, {note}" if note and len(explanations) > 1 else note)
        first = next(iter(explanations.values()))
        total = first.values.shape[1]
        if item is not None:
            found.append(f"rings: {item_name(first, item)}")
        held = values_of(first)
        if any(has_no_order(held, feature) for feature in range(total)):
            found.append("grey: categories, which have no order")
        if shown < total:
            found.append(f"the {shown} features of the largest mean magnitude, of {total}")
        return found


def _color_note(explanation: Explanation) -> str:
    return "" if values_of(explanation) is None else "colour: value of the feature, dark is low"


def _color_bar(figure: Figure, axes: Any) -> None:
    shade = ScalarMappable(Normalize(0.0, 1.0), colormap(DATA))
    drawn = figure.colorbar(shade, ax=list(axes), fraction=0.025, pad=0.015, aspect=30)
    drawn.set_ticks([0.0, 1.0], labels=["low", "high"])
    drawn.set_label("feature value", fontsize=9, color=INK, labelpad=-16)
    drawn.outline.set_visible(False)
    drawn.ax.tick_params(length=0, labelsize=9, labelcolor=INK)
