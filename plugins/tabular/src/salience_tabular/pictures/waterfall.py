"""The waterfall: how the saliency of the features leads from f(baseline) to f(x)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from salience import (
    Explanation,
    InputError,
    NoMeanError,
    Visualizer,
    is_placeholder,
    score_name,
)
from salience.colors import GROUND, INK, LINE, MUTED, UNCERTAIN
from salience_tabular.pictures.features import names_of, refusal_of, values_of
from salience_tabular.pictures.look import (
    add_note,
    count_texts,
    item_title,
    leave_room,
    new_figure,
    note_below,
    number_ticks,
    plain,
    tidy,
)
from salience_tabular.pictures.marks import rounded, sign_colors, write_beside
from salience_tabular.pictures.panels import Array, Panel, of_item
from salience_tabular.pictures.sheet import check_layout

# A gap below this share of the largest step has no step of its own.
_SMALL = 1e-3


@dataclass(frozen=True, eq=False)
class Steps:
    """The steps of a waterfall, from f(baseline) to f(x).

    Args:
        start: f(baseline).
        end: f(x).
        names: Label of each step.
        sizes: Size of each step, shape (S,); they lead from ``start`` to ``end``.
        panel: The values of the features among the steps, the first of them, with intervals.
        notes: Sentences below the picture.
    """

    start: float
    end: float
    names: Sequence[str]
    sizes: Array
    panel: Panel
    notes: Sequence[str]


@dataclass(frozen=True)
class Waterfall(Visualizer):
    """Steps from f(baseline) to f(x), one for the saliency of each feature.

    Each step has its own interval, that of the feature's saliency, drawn from where the step
    begins; intervals of sums of steps are not known from those of the steps and are not drawn. A
    step is hollow where its sign is uncertain (p ≥ .05). What the saliency leaves unexplained,
    f(x) − f(baseline) − Σ saliency, is the last step, so that the steps end at f(x). f(baseline)
    is f(x) less its change from the baseline, a mean over draws (``explanation.delta``).

    Only methods whose saliency sums to f(x) − f(baseline) have such steps, as integrated gradients
    do (Sundararajan et al., "Axiomatic attribution for deep networks", 2017).

    Args:
        num_visualize: Number of features with a step of their own, those of the largest magnitude;
            the others share one, without an interval. All where ``None``.
        ncols: Number of panels beside each other in a grid of one explanation.
        title: Title in place of the row's name and f.
        color: One colour for all steps; where ``None``, positive and negative steps differ.
        xlabel: Label of the horizontal axis in place of what f is.
        output_name: What f is: ``"log solubility"``.
        unit: Unit of f.

    Raises:
        InputError: A setting is out of range.
    """

    formats: ClassVar[Collection[str]] = tuple(FigureCanvasBase.filetypes)
    draws_into_axes: ClassVar[bool] = True
    draws_into_figures: ClassVar[bool] = True

    num_visualize: int | None = 15
    ncols: int | None = None
    title: str | None = None
    color: str | None = None
    xlabel: str | None = None
    output_name: str = ""
    unit: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_layout(None, self.ncols)
        if self.num_visualize is not None and self.num_visualize < 1:
            raise InputError(
                f"num_visualize={self.num_visualize} leaves nothing to draw; "
                f"pass at least 1, or None for all"
            )

    def refusal(self, explanation: Explanation) -> str | None:
        """Why an explanation cannot be drawn: its features do not sum to a change of f."""
        if reason := refusal_of(explanation):
            return reason
        known = explanation.delta.isfinite() & explanation.score.isfinite()
        try:
            check_sums(explanation, int(known.int().argmax()))
        except InputError as error:
            return str(error)
        return None

    def item(self, explanation: Explanation, item: int) -> Figure:
        """Draw the steps of one row."""
        steps = self._steps(explanation, item)
        longest = max(map(len, steps.names))
        width = 4.6 + min(0.4 + 0.068 * longest, 3.2)
        figure = new_figure(width, 1.5 + 0.3 * (len(steps.names) + 2), self.given_figure)
        axes = figure.subplots()
        self._draw(axes, steps, explanation.item(item), is_single=True)
        axes.set_title(self._title(explanation, item), fontsize=11)
        if self.given_figure is None:
            leave_room(figure)
        else:
            count_texts(figure)
        add_note(figure, steps.notes)
        return figure

    def mean(self, explanation: Explanation) -> Figure:
        """Refuse to draw steps of many rows.

        Raises:
            NoMeanError: Always.
        """
        raise NoMeanError(
            "a waterfall is of one row; pass its number or id, e.g. visualize(0), or draw the mean "
            "by visualizer='points'"
        )

    def draw(self, axes: Axes, explanation: Explanation, item: int | None) -> None:
        """Draw the steps of one row into the user's axes.

        Raises:
            NoMeanError: No row is named.
        """
        if item is None:
            self.mean(explanation)
            return
        steps = self._steps(explanation, item)
        self._draw(axes, steps, explanation.item(item))
        axes.set_title(self._title(explanation, item), fontsize=11)
        note_below(axes, steps.notes)

    def grid(self, explanations: Mapping[str, Explanation], items: Sequence[int]) -> Figure:
        """Draw items (rows) × explanations (columns); each panel has its own axis."""
        panels = [
            (e, item, self._steps(e, item), f"{plain(title)}, " if len(explanations) > 1 else "")
            for item in items
            for title, e in explanations.items()
        ]
        width = len(explanations) if len(explanations) > 1 else min(self.ncols or 1, len(items))
        lines = -(-len(panels) // width)
        tallest = max(len(steps.names) for _, _, steps, _ in panels)
        longest = max(len(name) for _, _, steps, _ in panels for name in steps.names)
        each = 4.2 + min(0.4 + 0.068 * longest, 3.2)
        figure = new_figure(
            each * width, 0.8 + lines * (0.9 + 0.27 * (tallest + 2)), self.given_figure
        )
        grid = figure.subplots(lines, width, squeeze=False)
        for axes, (e, item, steps, title) in zip(grid.flat, panels, strict=False):
            self._draw(axes, steps, e.item(item))
            axes.set_title(f"{title}{self._title(e, item)}", fontsize=10)
        for axes in grid.flat[len(panels) :]:
            axes.set_visible(False)
        notes = [note for _, _, steps, _ in panels for note in steps.notes if "FDR" not in note]
        add_note(figure, notes)
        return figure

    def _title(self, explanation: Explanation, item: int) -> str:
        if self.title is not None:
            return self.title
        return item_title(explanation, item, self.output_name, self.unit)

    def _steps(self, explanation: Explanation, item: int) -> Steps:
        """The steps of a row.

        Raises:
            InputError: The saliency does not sum to a change of f.
        """
        names = names_of(explanation)
        check_sums(explanation, item)
        panel = of_item(explanation, item)
        held = values_of(explanation)
        if held is not None:
            names = [f"{name} = {held.text(item, i)}" for i, name in enumerate(names)]
        order = np.argsort(-np.abs(panel.values), kind="stable")[: self.num_visualize]
        end, delta = float(explanation.score[item]), float(explanation.delta[item])
        own = panel.of(order)
        sizes, labels = list(own.values), [names[i] for i in order]
        rest = len(names) - len(order)
        if rest:
            sizes.append(panel.values.sum() - own.values.sum())
            labels.append(f"{rest} other features" if rest > 1 else "1 other feature")
        gap, largest = delta - float(panel.values.sum()), float(np.abs(sizes).max(initial=0.0))
        notes = [_without_plural(note) for note in panel.notes]
        if abs(gap) > _SMALL * max(largest, abs(delta)):
            sizes.append(gap)
            labels.append("not explained (gap)")
        else:
            notes.append("what is not explained is below .1 %")
        if rest:
            notes.append(f"the {rest} others have no interval here, nor have sums of steps")
        elif panel.intervals:
            notes.append("sums of steps have no interval here")
        return Steps(end - delta, end, labels, np.array(sizes), own, notes)

    def _draw(
        self, axes: Axes, steps: Steps, explanation: Explanation, *, is_single: bool = False
    ) -> None:
        ends = steps.start + np.cumsum(steps.sizes)
        begins = ends - steps.sizes
        count, n_own = len(steps.sizes), len(steps.panel.values)
        at = np.arange(1, count + 1)
        colors = sign_colors(steps.sizes, self.color, signed=True)
        colors[n_own:] = [UNCERTAIN] * (count - n_own)
        hollow = np.zeros(count, bool)
        if steps.panel.hollow is not None:
            hollow[:n_own] = steps.panel.hollow
        faces = [GROUND if empty else c for empty, c in zip(hollow, colors, strict=True)]
        axes.barh(at, steps.sizes, 0.6, begins, color=faces, edgecolor=colors, linewidth=1.2)
        for low, high in steps.panel.intervals[:1]:
            known = np.isfinite(low) & np.isfinite(high)
            base = begins[:n_own][known]
            axes.hlines(at[:n_own][known], base + low[known], base + high[known], color=INK, lw=1.1)
        levels = np.concatenate([[steps.start], ends])
        axes.vlines(levels, np.arange(count + 1), np.arange(count + 1) + 1, color=LINE, lw=0.8)
        axes.plot([steps.start], [0], "D", color=INK, markersize=5, zorder=5)
        axes.plot([steps.end], [count + 1], "D", color=INK, markersize=5, zorder=5)
        _labels(axes, steps, is_single=is_single)
        label = score_name(explanation, self.output_name, self.unit)
        axes.set_xlabel(self.xlabel if self.xlabel is not None else plain(label, 60), color=INK)
        axes.set_xlim(*_limits(steps, begins))
        number_ticks(axes)


def _limits(steps: Steps, begins: Array) -> tuple[float, float]:
    """Ends of the axis, with room for the marks."""
    found = [begins, begins + steps.sizes, np.array([steps.start, steps.end])]
    own = begins[: len(steps.panel.values)]
    found += [own + bound for interval in steps.panel.intervals[:1] for bound in interval]
    every = np.concatenate(found)
    low, high = float(np.nanmin(every)), float(np.nanmax(every))
    room = 0.04 * (high - low) or 1.0
    return low - room, high + room


def check_sums(explanation: Explanation, item: int) -> None:
    """Raise InputError where the saliency of a row does not sum to a change of f."""
    aggregator = (explanation.provenance.get("aggregator") or {}).get("name", "raw")
    calculator = (explanation.provenance.get("calculator") or {}).get("name", "the method")
    known = bool(explanation.delta[item].isfinite()) and bool(explanation.score[item].isfinite())
    if known and (aggregator == "raw" or is_placeholder(aggregator)):
        return
    raise InputError(
        f"a waterfall needs saliency that sums to f(x) − f(baseline), which that of {calculator!r} "
        f"aggregated by {aggregator!r} does not; explain by 'integrated_gradients' and aggregate "
        f"by 'raw'"
    )


def _labels(axes: Axes, steps: Steps, *, is_single: bool) -> None:
    """Names of the steps at the left, and their sizes at the right."""
    count = len(steps.sizes)
    names = ["f(baseline)", *steps.names, "f(x)"]
    axes.set_yticks(np.arange(count + 2), names)
    axes.set_ylim(count + 1.6, -0.6)
    tidy(axes)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    largest = max(abs(steps.start), abs(steps.end), float(np.abs(steps.sizes).max()))
    texts = [rounded(steps.start, largest)]
    texts += [rounded(float(size), largest, sign=True) for size in steps.sizes]
    texts += [rounded(steps.end, largest)]
    colors = [INK, *[MUTED] * count, INK]
    write_beside(axes, texts, colors, in_layout=not is_single)


def _without_plural(note: str) -> str:
    return note.replace("lines: 95 % interval of", "lines: each step's own 95 % interval, of")
