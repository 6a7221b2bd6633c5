"""The plot of a signal: its channels, coloured by saliency."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.figure import Figure
from torch import Tensor

from salience import Explanation, Visualizer, colors, score_words


# It has no `mean`: signals of different lengths share no positions, which the base class says.
@dataclass(frozen=True)
class SignalPlot(Visualizer):
    """The channels of a signal over time, on a background coloured by the saliency of each time.

    Args:
        cmap: Name of the colour map, whose middle is at 0.
    """

    formats: ClassVar[Collection[str]] = tuple(FigureCanvasBase.filetypes)
    draws_into_figures: ClassVar[bool] = True

    cmap: str = colors.SIGNED

    def __post_init__(self) -> None:
        super().__post_init__()
        colors.colormap(self.cmap)  # raises InputError for an unknown map

    def refusal(self, explanation: Explanation) -> str | None:
        """Why an explanation cannot be drawn: it is not of the times of signals."""
        each = [one.shape for one in next(iter(explanation.saliency.values())).values]
        signals = [annotation.get("signal") for annotation in explanation.annotations]
        known = each == [one.shape[1:] if isinstance(one, Tensor) else None for one in signals]
        return None if known else "a signal is drawn of its times; pick another visualizer"

    def item(self, explanation: Explanation, item: int) -> Figure:
        """Draw one signal."""
        signal = explanation.annotations[item]["signal"]
        saliency = explanation.item(item).values[0]
        # A figure of the user's, visualize(0, figure=...), keeps its size.
        figure = self.given_figure or Figure(figsize=(7.0, 3.2), layout="constrained", dpi=150)
        axes, rate = figure.subplots(), explanation.dataset_info["rate"]
        largest = float(saliency.abs().max()) or 1.0
        image = axes.imshow(
            saliency.double().cpu().numpy()[None],
            cmap=colors.colormap(self.cmap),
            vmin=-largest,
            vmax=largest,
            aspect="auto",
            extent=(-0.5 / rate, (len(saliency) - 0.5) / rate, 0.0, 1.0),
            transform=axes.get_xaxis_transform(),
        )
        time = np.arange(len(saliency)) / rate
        axes.plot(time, signal.double().cpu().numpy().T, color=colors.INK, linewidth=1.2)
        words = score_words(explanation, item)
        title = f"signal {explanation.ids[item]}" + (f": {words}" if words else "")
        axes.set(title=title, xlabel="time (s)", ylabel="value")
        axes.title.set_parse_math(False)  # an id may hold dollar signs, which are no formula
        figure.colorbar(image, ax=axes, label="saliency", pad=0.01)
        return figure
