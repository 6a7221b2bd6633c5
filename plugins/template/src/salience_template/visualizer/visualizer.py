"""A visualizer that needs nothing of the data: saliency along one axis as stripes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar

from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.figure import Figure
from torch import Tensor

from salience import Explanation, NoMeanError, Visualizer, colors


# A frozen dataclass, whose fields are the options of the plot, as in visualize(0, cmap="bwr").
@dataclass(frozen=True)
class Stripes(Visualizer):
    """A stripe for each position of an item, coloured by its saliency.

    Args:
        cmap: Name of the colour map, whose middle is at 0.
    """

    #: Suffixes of the files that its figures can be written to.
    formats: ClassVar[Collection[str]] = tuple(FigureCanvasBase.filetypes)
    #: Whether it draws into a figure of the user's: visualize(0, figure=...).
    draws_into_figures: ClassVar[bool] = True

    cmap: str = colors.SIGNED

    def __post_init__(self) -> None:
        super().__post_init__()
        colors.colormap(self.cmap)  # raises InputError for an unknown map

    # Asked before drawing, of explanations of any domain: what is told the user then.
    def refusal(self, explanation: Explanation) -> str | None:
        """Why an explanation cannot be drawn: its saliency has several axes, or variables."""
        each = [one for saliency in explanation.saliency.values() for one in saliency.values[:1]]
        if len(each) == 1 and each[0].ndim == 1:
            return None
        shapes = ", ".join(str(tuple(one.shape)) for one in each)
        return (
            f"stripes are drawn of saliency along one axis, but that of an item has the shape "
            f"{shapes}; pick another visualizer, or name axes in the layout's reduce"
        )

    def item(self, explanation: Explanation, item: int) -> Figure:
        """Draw one item."""
        return self._figure(explanation.item(item).values[0], f"item {explanation.ids[item]}")

    # Omit `mean` where items never share positions: the base class then refuses.
    def mean(self, explanation: Explanation) -> Figure:
        """Draw the mean over the data set."""
        if not isinstance(explanation.values, Tensor):
            raise NoMeanError("items of different lengths have no mean; draw them one by one")
        return self._figure(explanation.mean(), f"mean of {len(explanation)} items")

    def _figure(self, saliency: Tensor, title: str) -> Figure:
        # Figure, not pyplot: a library should leave no figure open and change no global setting.
        figure: Figure | None = self.given_figure
        if figure is None:
            figure = Figure(figsize=(7.0, 1.6), layout="constrained", dpi=150)
        axes = figure.subplots()
        largest = float(saliency.abs().max()) or 1.0
        stripes = axes.imshow(
            saliency.double().cpu().numpy()[None],
            cmap=colors.colormap(self.cmap),
            vmin=-largest,
            vmax=largest,
            aspect="auto",
        )
        axes.set(title=title, xlabel="position", yticks=[])
        axes.title.set_parse_math(False)  # an id may hold dollar signs, which are no formula
        figure.colorbar(stripes, ax=axes, label="saliency", pad=0.01)
        return figure
