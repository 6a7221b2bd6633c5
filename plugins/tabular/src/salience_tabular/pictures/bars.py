"""The bar plot of a table's features: saliency as bars, with lines for its intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from salience_tabular.pictures.marks import draw_bars
from salience_tabular.pictures.panels import Panel
from salience_tabular.pictures.rows import FeaturePlot


@dataclass(frozen=True)
class BarPlot(FeaturePlot):
    """One horizontal bar per feature: saliency, with lines for its 95 % interval.

    The interval is that of :meth:`salience.Explanation.interval`: of a further draw where
    parameters of the model were drawn, else of the mean over draws. A bar is hollow where the
    interval holds 0, which is where the unadjusted p-value is at least .05. Magnitudes have no
    p-values and no hollow bars. The mean over rows is that of magnitudes, which cannot cancel,
    beside the mean of signed values; its intervals are over rows and over draws.

    The settings are those of :class:`PointPlot`.

    Raises:
        InputError: A setting is unknown or out of range.
    """

    def draw_marks(self, axes: Axes, names: Sequence[str], panel: Panel, *, written: bool) -> None:
        """Draw the bars of a row."""
        draw_bars(axes, names, panel.values, panel.intervals, hollow=panel.hollow, color=self.color)
