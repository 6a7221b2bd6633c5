"""The plot of a set of points: a scatter, coloured by saliency."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar

from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.figure import Figure
from torch import Tensor

from salience import Explanation, Visualizer, colors, score_words


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

    # Asked before drawing, also for explanations of other domains: what is told the user then.
    def refusal(self, explanation: Explanation) -> str | None:
        """Why an explanation cannot be drawn: it is not of points in a plane."""
        each = next(iter(explanation.saliency.values())).values
        known = len(explanation.saliency) == 1 and len(explanation.annotations) == len(each)
        for annotation, saliency in zip(explanation.annotations, each, strict=False):
            points = annotation.get("points")
            known &= isinstance(points, Tensor) and saliency.shape == points.shape[:1]
            known &= isinstance(points, Tensor) and points.shape[1] >= 2
        if known:
            return None
        return (
            "points are drawn of two features or more and a value for each point, and this is "
            "other data or saliency; pick another visualizer"
        )

    def item(self, explanation: Explanation, item: int) -> Figure:
        """Draw one set."""
        points = explanation.annotations[item]["points"]
        saliency = explanation.item(item).values[0]
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
