"""The plot of a set of points: a scatter, coloured by saliency."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar

from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.figure import Figure
from torch import Tensor

from salience import Explanation, InputError, Visualizer, colors, score_words


# It has no `mean`: points of different sets share no positions, which the base class says.
@dataclass(frozen=True)
class PointPlot(Visualizer):
    """The first two features of the points of a set, coloured by saliency.

    Args:
        cmap: Name of the colour map, whose middle is at 0.
    """

    formats: ClassVar[Collection[str]] = tuple(FigureCanvasBase.filetypes)
    draws_into_figures: ClassVar[bool] = True

    cmap: str = colors.SIGNED

    def __post_init__(self) -> None:
        super().__post_init__()
        colors.colormap(self.cmap)  # raises InputError for an unknown map

    def item(self, explanation: Explanation, item: int) -> Figure:
        """Draw one set."""
        points = explanation.annotations[item].get("points") if explanation.annotations else None
        saliency = explanation.item(item).values[0]
        if (
            not isinstance(points, Tensor)
            or points.shape[1] < 2
            or saliency.shape != points.shape[:1]
        ):
            raise InputError(
                f"points are drawn of two features or more and a value for each point, but item "
                f"{item} has saliency of shape {tuple(saliency.shape)}; pick another visualizer"
            )
        # A figure of the user's, visualize(0, figure=...), keeps its size.
        figure: Figure | None = self.given_figure
        if figure is None:
            figure = Figure(figsize=(4.6, 4.0), layout="constrained", dpi=150)
        axes = figure.subplots()
        largest = float(saliency.abs().max()) or 1.0
        x, y = points[:, :2].double().cpu().numpy().T
        drawn = axes.scatter(
            x,
            y,
            c=saliency.double().cpu().numpy(),
            cmap=colors.colormap(self.cmap),
            vmin=-largest,
            vmax=largest,
            edgecolors=colors.LINE,
        )
        words = score_words(explanation, item)
        title = f"set {explanation.ids[item]}" + (f": {words}" if words else "")
        xlabel, ylabel = explanation.dataset_info["names"][:2]
        axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
        for text in (axes.title, axes.xaxis.label, axes.yaxis.label):
            text.set_parse_math(False)  # a name may hold dollar signs, which are no formula
        figure.colorbar(drawn, ax=axes, label="saliency", pad=0.01)
        return figure
