"""Mutants of visualizers."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import IO, Any

import matplotlib
from matplotlib import pyplot
from matplotlib.figure import Figure

from salience_template.dense import Spectra, SpectrumPlot

from .mutant import breaks
from .sound import ON_SPECTRA

CALLS = count()
GIVEN = {**ON_SPECTRA, "domain": Spectra()}


class Changed(SpectrumPlot):
    """A plot of which something is changed afterwards."""

    def item(self, explanation: Any, item: int) -> Any:
        return self.changed(SpectrumPlot.item(self, explanation, item), explanation, item)

    def changed(self, figure: Any, explanation: Any, item: int) -> Any:
        return figure


@breaks("pictures_are_drawn", "visualizer", **GIVEN)
class DrawsNothing(Changed):
    """Returns an empty figure"""

    def changed(self, figure: Any, explanation: Any, item: int) -> Any:
        return Figure()


@breaks("pictures_are_drawn", "visualizer", **GIVEN)
class DrawsFirstItem(Changed):
    """Draws the first item only"""

    def changed(self, figure: Any, explanation: Any, item: int) -> Any:
        return figure if item == 0 else None


@breaks("mean_is_drawn_or_refused", "visualizer", **GIVEN)
class DrawsEmptyMean(SpectrumPlot):
    """Draws an empty mean"""

    def mean(self, explanation: Any) -> Any:
        return Figure()


@breaks("mean_is_drawn_or_refused", "visualizer", **GIVEN)
class RaisesAtMean(SpectrumPlot):
    """Raises NotImplementedError where there is no mean"""

    def mean(self, explanation: Any) -> Any:
        raise NotImplementedError


@breaks("grid_is_drawn_or_refused", "visualizer", **GIVEN)
class RaisesAtGrid(SpectrumPlot):
    """Raises NotImplementedError where there are no grids"""

    def grid(self, explanations: Any, items: Any) -> Any:
        raise NotImplementedError


class Svg:
    """A figure that writes SVG of its own, with a text in it."""

    def __init__(self, text: str, figure: Any) -> None:
        self.text, self.figure = text, figure

    def savefig(self, fname: IO[bytes], *, format: str) -> None:
        if format != "svg":
            self.figure.savefig(fname, format=format)
            return
        shapes = "<rect/><rect/><rect/>"
        fname.write(f"<svg>{shapes}<text>{self.text}</text></svg>".encode())


@breaks("text_is_escaped", "visualizer", **GIVEN)
class WritesCode(Changed):
    """Writes ids into SVG as they are"""

    def changed(self, figure: Any, explanation: Any, item: int) -> Any:
        return Svg(str(explanation.ids[item]), figure)


@breaks("text_is_escaped", "visualizer", **GIVEN)
class ParsesFormulas(Changed):
    """Takes dollar signs in ids for formulas"""

    def changed(self, figure: Any, explanation: Any, item: int) -> Any:
        figure.axes[0].title.set_parse_math(True)
        return figure


@breaks("formats_can_be_written", "visualizer", **GIVEN)
class ListsUnknownFormats(SpectrumPlot):
    """Lists a format that it does not write"""

    formats = ("png", "svg", "bmp3")


@breaks("formats_can_be_written", "visualizer", **GIVEN)
class ListsDots(SpectrumPlot):
    """Lists suffixes with a dot"""

    formats = (".png", ".svg")


@breaks("explanation_is_left_unchanged", "visualizer", **GIVEN)
class ScalesSaliency(Changed):
    """Scales the saliency of the explanation in place"""

    def changed(self, figure: Any, explanation: Any, item: int) -> Any:
        next(iter(explanation.saliency.values())).flat.mul_(0.5)
        return figure


@breaks("explanation_is_left_unchanged", "visualizer", **GIVEN)
class AddsToAnnotations(Changed):
    """Adds an entry to an annotation"""

    def changed(self, figure: Any, explanation: Any, item: int) -> Any:
        explanation.annotations[item][f"drawn {next(CALLS)}"] = True
        return figure


@breaks("global_state_is_left_unchanged", "visualizer", **GIVEN)
class OpensPyplot(Changed):
    """Leaves a figure of pyplot open"""

    def changed(self, figure: Any, explanation: Any, item: int) -> Any:
        pyplot.figure()
        return figure


@breaks("global_state_is_left_unchanged", "visualizer", **GIVEN)
class SetsFonts(Changed):
    """Changes a global setting of matplotlib"""

    def changed(self, figure: Any, explanation: Any, item: int) -> Any:
        matplotlib.rcParams["font.size"] += 1
        return figure


@breaks("draws_twice_alike", "visualizer", **GIVEN)
class DrawsByCall(Changed):
    """Draws something else at each call"""

    def changed(self, figure: Any, explanation: Any, item: int) -> Any:
        for n in range(next(CALLS)):
            figure.axes[0].plot([0, 1], [n, n])
        return figure


@breaks("given_figures_are_drawn_into", "visualizer", **GIVEN)
class IgnoresFigure(Changed):
    """Draws a figure of its own where one is given"""

    def into(self, figure: Any) -> Any:
        return self


@breaks("given_figures_are_drawn_into", "visualizer", **GIVEN)
class ResizesFigure(Changed):
    """Changes the size of the figure that is given"""

    def changed(self, figure: Any, explanation: Any, item: int) -> Any:
        figure.set_size_inches(3, 2)
        return figure


class IntoAxes(SpectrumPlot):
    """Draws a line into axes."""

    draws_into_axes = True

    def draw(self, axes: Any, explanation: Any, item: int | None) -> None:
        axes.plot(explanation.values[item or 0])


@breaks("given_axes_are_drawn_into", "visualizer", **GIVEN)
class DrawsNoAxes(IntoAxes):
    """Says that it draws into axes, and draws nothing"""

    def draw(self, axes: Any, explanation: Any, item: int | None) -> None:
        return


@breaks("given_axes_are_drawn_into", "visualizer", **GIVEN)
class DrawsOtherAxes(IntoAxes):
    """Draws into the last axes of the figure"""

    def draw(self, axes: Any, explanation: Any, item: int | None) -> None:
        super().draw(axes.figure.axes[-1], explanation, item)


@breaks("other_explanations_are_refused", "visualizer", **GIVEN)
class RaisesKeyError(Changed):
    """Raises KeyError for what it cannot draw"""

    def refusal(self, explanation: Any) -> str | None:
        return None

    def item(self, explanation: Any, item: int) -> Any:
        known: Callable[[str], Any] = explanation.dataset_info.__getitem__
        known("wavelengths")
        return SpectrumPlot.item(self, explanation, item)
