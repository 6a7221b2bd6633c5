"""The plot of a spectrum: intensity coloured by saliency, and saliency with its standard error."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.collections import LineCollection
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from salience import Explanation, Visualizer, colors, score_words
from salience.scalers import Scaler, get_scaler

Array = NDArray[np.floating[Any]]


# A frozen dataclass again. Its fields are the options of the plot: visualize(0, cmap="jet").
@dataclass(frozen=True)
class SpectrumPlot(Visualizer):
    """Two panels: intensity coloured by saliency above, saliency with its 95 % interval below.

    The interval is :meth:`salience.Explanation.interval`; the note below says what it is of.

    Args:
        cmap: Colour map of the saliency, or its name. Its middle is at 0, so a diverging map fits.
        scaler: Name or function that scales the saliency: ``"abs_max"``, ``"normalize"``,
            ``"min_max"``, ``"identity"``.
        title: Title in place of the item's id and f, or of the number of items of a mean.
    """

    formats: ClassVar[Collection[str]] = tuple(FigureCanvasBase.filetypes)
    draws_into_figures: ClassVar[bool] = True

    cmap: str | Colormap = colors.SIGNED
    scaler: str | Scaler = "abs_max"
    title: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        get_scaler(self.scaler)
        colors.colormap(self.cmap)  # raises InputError for an unknown map

    # Asked before drawing, also for explanations of other domains: what is told the user then.
    def refusal(self, explanation: Explanation) -> str | None:
        """Why an explanation cannot be drawn: it is not of the wavelengths of spectra."""
        found = [annotation.get("intensity") for annotation in explanation.annotations]
        known = len(found) == len(explanation) and "wavelengths" in explanation.dataset_info
        lengths = {one.shape[-1] if isinstance(one, Tensor) else None for one in found}
        values = next(iter(explanation.saliency.values())).values
        shape = tuple(values.shape) if isinstance(values, Tensor) else ()
        if len(explanation.saliency) == 1 and known and len(shape) == 2 and lengths <= {shape[1]}:
            return None
        return (
            f"a spectrum is drawn of the saliency of spectra, shape (item, wavelength), but got "
            f"{shape or 'ragged items'}; pick the domain's own visualizer"
        )

    def item(self, explanation: Explanation, item: int) -> Figure:
        """Draw one spectrum."""
        intensity = explanation.annotations[item]["intensity"]
        one = explanation.item(item)
        # What f is of this item, in words: "class 2, probability .39, logit 9.25".
        said = score_words(explanation, item)
        title = f"spectrum {explanation.ids[item]}" + (f": {said}" if said else "")
        # A single draw has no standard error, and thus no interval.
        drawn = bool(one.only.flat_error.isfinite().any())
        interval = tuple(bound[0] for bound in one.interval(0.95)) if drawn else None
        note = f"band: 95 % interval of {one.interval_about}" if drawn else ""
        return self._figure(explanation, intensity, (one.values[0], interval), title, note)

    # Omit `mean` where items do not share positions (molecules): the base class then raises.
    def mean(self, explanation: Explanation) -> Figure:
        """Draw the mean spectrum with the mean saliency."""
        each = [annotation["intensity"] for annotation in explanation.annotations]
        intensity = sum(each) / len(explanation)
        several = len(explanation) > 1
        interval = explanation.mean_interval(0.95, over="items") if several else None
        title = f"mean of {len(explanation)} spectra"
        note = "band: 95 % interval over spectra" if several else ""
        return self._figure(explanation, intensity, (explanation.mean(), interval), title, note)

    def _figure(
        self,
        explanation: Explanation,
        intensity: Any,
        drawn: tuple[Tensor, Any],
        title: str,
        note: str,
    ) -> Figure:
        x = np.asarray(explanation.dataset_info["wavelengths"], dtype=float)
        values, interval = drawn
        saliency = _numpy(values)
        # Values and bounds share one scaling.
        scaling = get_scaler(self.scaler)(saliency)
        saliency = scaling(saliency)
        # Figure, not pyplot: a library should leave no figure open and change no global setting.
        # A figure of the user's, visualize(0, figure=...), keeps its size.
        figure: Figure | None = self.given_figure
        if figure is None:
            figure = Figure(figsize=(7.0, 4.2), layout="constrained", dpi=150)
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        peak = float(np.abs(saliency).max()) or 1.0
        for channel in _numpy(intensity):
            points = np.column_stack([x, channel])
            lines = LineCollection(
                list(np.stack([points[:-1], points[1:]], axis=1)),
                array=(saliency[:-1] + saliency[1:]) / 2,
                cmap=colors.colormap(self.cmap),
                norm=Normalize(-peak, peak),
                linewidth=2.5,
                capstyle="round",
            )
            above.add_collection(lines)
        above.autoscale_view()
        above.set(title=title if self.title is None else self.title, ylabel="intensity")
        # An id may hold dollar signs, which are no formula.
        above.title.set_parse_math(False)
        figure.colorbar(lines, ax=above, label="saliency", pad=0.01).outline.set_visible(False)
        below.axhline(0.0, color=colors.LINE, linewidth=0.8)
        below.plot(x, saliency, color=colors.INK, linewidth=1.2)
        if interval is not None:
            low, high = (scaling(_numpy(bound)) for bound in interval)
            below.fill_between(x, low, high, color=colors.LINE, alpha=0.4, linewidth=0)
            figure.supxlabel(note, x=0.99, ha="right", fontsize=8, color=colors.MUTED)
        unit = explanation.dataset_info["unit"]
        xlabel = unit if unit == "position" else f"wavelength ({unit})"
        below.set(xlabel=xlabel, ylabel="saliency", xlim=(x.min(), x.max()) if len(x) > 1 else None)
        for axes in (above, below):
            axes.spines[["top", "right"]].set_visible(False)
        return figure


def _numpy(tensor: Tensor) -> Array:
    return tensor.detach().cpu().double().numpy()
