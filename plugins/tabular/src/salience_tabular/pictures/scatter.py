"""The scatter of one feature: its value in every row against its saliency."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from salience import Explanation, InputError, Visualizer
from salience.colors import INK, LINE, MUTED
from salience.errors import brief, nearest
from salience_tabular.held import FeatureValues
from salience_tabular.pictures.features import names_of, refusal_of, values_of
from salience_tabular.pictures.look import (
    add_note,
    item_name,
    new_figure,
    note_below,
    plain,
    rows_title,
    tidy,
)
from salience_tabular.pictures.marks import sign_colors
from salience_tabular.pictures.panels import (
    LEVEL,
    Array,
    has_errors,
    numbers,
    unit_label,
    value_label,
)
from salience_tabular.pictures.rows import check_features
from salience_tabular.pictures.swarm import (
    Points,
    area_of,
    hollow_note,
    mark_row,
    offsets,
    uncertain,
)

# Intervals of more points hide them.
_LINES, _LINES_OF_STRIPS = 300, 100
_WIDTH, _HEIGHT = 300.0, 230.0

_NO_VALUES = (
    "a scatter needs the values of the features, which this explanation does not hold; explain "
    "columns of a table anew, without pooling"
)


@dataclass(frozen=True)
class Scatter(Visualizer):
    """One point per row: the value of a feature against its saliency, with 95 % intervals.

    Values are in original units where the domain knows these. The categories of a categorical
    feature, up to 30, are strips of points. A point is hollow where the sign of the saliency is
    uncertain (p ≥ .05); intervals are drawn for up to 300 rows, in strips for up to 100.

    :meth:`mean` draws all rows, not their mean; :meth:`item` draws all rows and marks one.

    Args:
        feature: Name of the feature, or its position from 0; the one of the largest mean magnitude
            where ``None``.
        title: Title in place of the name of the explanation, or of "n rows".
        xlabel: Label of the horizontal axis in place of the feature's name.
        ylabel: Label of the vertical axis in place of what the values are.
        color: One colour for all points; where ``None``, positive and negative points differ.
        output_name: What f is: ``"log solubility"``.
        unit: Unit of f.

    Raises:
        InputError: A setting is unknown.
    """

    formats: ClassVar[Collection[str]] = tuple(FigureCanvasBase.filetypes)
    draws_into_axes: ClassVar[bool] = True
    draws_into_figures: ClassVar[bool] = True
    max_panels: ClassVar[int | None] = None

    feature: str | int | None = None
    title: str | None = None
    xlabel: str | None = None
    ylabel: str | None = None
    color: str | None = None
    output_name: str = ""
    unit: str = ""

    def refusal(self, explanation: Explanation) -> str | None:
        """Why an explanation cannot be drawn: it holds no values, or no features of all rows."""
        if reason := refusal_of(explanation):
            return reason
        return _NO_VALUES if values_of(explanation) is None else None

    def item(self, explanation: Explanation, item: int) -> Figure:
        """Draw all rows, and mark one by a ring."""
        return self._figure({"": explanation}, item)

    def mean(self, explanation: Explanation) -> Figure:
        """Draw all rows."""
        return self._figure({"": explanation}, None)

    def grid(self, explanations: Mapping[str, Explanation], items: Sequence[int]) -> Figure:
        """Draw the rows ``items`` of each explanation, side by side."""
        return self._figure({t: e.iloc[list(items)] for t, e in explanations.items()}, None)

    def mean_grid(self, explanations: Mapping[str, Explanation]) -> Figure:
        """Draw all rows of each explanation, side by side."""
        return self._figure(explanations, None)

    def draw(self, axes: Axes, explanation: Explanation, item: int | None) -> None:
        """Draw all rows into the user's axes, and mark one by a ring where it is named."""
        notes = self._draw(axes, explanation, self._place([explanation]), item)
        axes.set_title(rows_title(explanation, "", self.title), fontsize=11)
        note_below(axes, notes)

    def _figure(self, explanations: Mapping[str, Explanation], item: int | None) -> Figure:
        check_features(explanations)
        every = list(explanations.values())
        at = self._place(every)
        figure = new_figure(0.9 + 4.7 * len(every), 3.9, self.given_figure)
        grid = figure.subplots(1, len(every), squeeze=False)[0]
        notes = []
        for axes, (title, e) in zip(grid, explanations.items(), strict=True):
            own = self._draw(axes, e, at, item)
            notes += [
                f"{plain(title)}, {note}" if title and len(every) > 1 else note for note in own
            ]
            axes.set_title(rows_title(e, title, self.title), fontsize=11)
        add_note(figure, notes)
        return figure

    def _place(self, explanations: Sequence[Explanation]) -> int:
        """Position of the feature.

        Raises:
            InputError: There is no such feature.
        """
        names = names_of(explanations[0])
        if self.feature is None:
            sizes = [numbers(e.mean("magnitude")) for e in explanations]
            return int(np.argmax(np.max([own / (own.max() or 1.0) for own in sizes], axis=0)))
        if isinstance(self.feature, int) and not isinstance(self.feature, bool):
            if -len(names) <= self.feature < len(names):
                return self.feature % len(names)
            raise InputError(f"feature={self.feature}; pass 0 to {len(names) - 1}, or a name")
        variable = next(iter(explanations[0].saliency))
        full = explanations[0].column_names(variable)
        known = names if full is None or len(full) != len(names) else [str(name) for name in full]
        if not isinstance(self.feature, str) or known.count(self.feature) != 1:
            raise InputError(
                f"feature={brief(self.feature)} is no feature; {nearest(self.feature, known)}"
            )
        return known.index(self.feature)

    def _draw(self, axes: Axes, explanation: Explanation, at: int, item: int | None) -> list[str]:
        """Draw the points, and return the sentences of the note."""
        held = values_of(explanation)
        if held is None:
            raise InputError(_NO_VALUES)
        y = numbers(explanation.values)[:, at]
        area = area_of(len(y))
        x = self._across(axes, held, at, y, area)
        marked = uncertain(explanation)
        hollow = np.zeros(len(y), bool) if marked is None else marked[:, at]
        own = sign_colors(y, self.color, signed=explanation.signed)
        colors = np.array([to_rgba(color) for color in own])
        notes = []
        limit = _LINES if held.categories[at] is None else _LINES_OF_STRIPS
        if has_errors(explanation) and len(y) <= limit:
            low, high = (numbers(bound)[:, at] for bound in explanation.interval(LEVEL))
            known = np.isfinite(low) & np.isfinite(high)
            axes.vlines(x[known], low[known], high[known], color=LINE, linewidth=0.8, zorder=2)
            notes.append(f"lines: 95 % interval of {explanation.interval_about}")
        Points(x, y, colors, hollow, area).draw(axes)
        if not y.any():
            axes.set_ylim(-1.0, 1.0)
        axes.axhline(0.0, color=MUTED, linewidth=0.8, zorder=1)
        if item is not None:
            mark_row(axes, x[[item]], y[[item]], area)
            notes.append(f"ring: {item_name(explanation, item)}")
        tidy(axes, kept=("bottom", "left"))
        names = names_of(explanation)
        axes.set_xlabel(names[at] if self.xlabel is None else self.xlabel, fontsize=10, color=INK)
        axes.set_ylabel(self._label(explanation), fontsize=9.5, color=INK)
        note = hollow_note(explanation, None if marked is None else marked[:, at])
        return [*notes, *([note] if note else [])]

    def _across(self, axes: Axes, held: FeatureValues, at: int, y: Array, area: float) -> Array:
        """Where the points lie along the horizontal axis: their values, or strips of categories."""
        values, names = held.values[:, at], held.categories[at]
        if names is None:
            return values
        codes = np.unique(values)
        if len(codes) > 30:
            raise InputError(
                f"the feature has {len(codes)} categories, more than the 30 strips that can be "
                f"read; choose rows, as in explanation.iloc[mask]"
            )
        x = np.empty(len(values))
        diameter = 2 * np.sqrt(area / np.pi) + 0.6
        width = _WIDTH / len(codes)
        span = float(np.ptp(y)) or 1.0
        for place, code in enumerate(codes):
            rows = values == code
            length = max(_HEIGHT * float(np.ptp(y[rows])) / span, diameter)
            x[rows] = place + offsets(y[rows], diameter, length, 0.4 * width) / width
        texts = [held.words(float(code), at) for code in codes]
        turned = sum(map(len, texts)) > 40
        axes.set_xticks(range(len(codes)), texts)
        for label in axes.get_xticklabels() if turned else ():
            label.set(rotation=30, ha="right", rotation_mode="anchor")
        axes.set_xlim(-0.6, len(codes) - 0.4)
        return x

    def _label(self, explanation: Explanation) -> str:
        if self.ylabel is not None:
            return self.ylabel
        comma = " " if explanation.is_complete and explanation.signed else ", "
        words = plain(unit_label(explanation, self.output_name, self.unit), 40)
        return f"{value_label(explanation)}{comma}{words}"
