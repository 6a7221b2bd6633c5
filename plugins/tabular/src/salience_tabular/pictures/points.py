"""The plot of points: the saliency of each feature with its 66 and 95 % intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from matplotlib.axes import Axes

from salience_tabular.pictures.marks import draw_points
from salience_tabular.pictures.panels import INNER, LEVEL, Panel
from salience_tabular.pictures.rows import FeaturePlot


@dataclass(frozen=True)
class PointPlot(FeaturePlot):
    """One point per feature with lines for its 66 and 95 % intervals, beside ``name = value``.

    The intervals are those of :meth:`salience.Explanation.interval`: of a further draw where
    parameters of the model were drawn, else of the mean over draws. A point is hollow where the
    95 % interval holds 0, which is where the unadjusted p-value is at least .05. Magnitudes have
    no p-values and no hollow points, and a single draw has no lines. Up to 20 values are written
    beside their points. Points and several levels avoid what bars and one interval invite: taking
    values inside the bar for likelier than those outside (Newman and Scholl, "Bar graphs depicting
    averages are perceptually misinterpreted", 2012), and the end of the interval for a cliff
    (Helske et al., "Can visualization alleviate dichotomous thinking?", 2021).

    The mean over rows is drawn as bars from 0: that of magnitudes, which cannot cancel, beside the
    mean of signed values; its intervals are over rows and over draws.

    Args:
        sort: ``"descending"`` magnitude from the top, or ``True``; ``"ascending"``; ``"table"``
            for the order of the table, or ``False``.
        num_visualize: Number of features to draw, those of the largest magnitude; all where
            ``None``.
        scaler: Name or function: ``"identity"``, ``"abs_max"``, ``"normalize"`` (each row or mean
            to a sum of 1), ``"min_max"``. It sees all that shares a scale, including features that
            are not drawn.
        scale: What the picture of one row shares its axis and its scaling with: ``"explanation"``,
            all rows, so that their pictures can be compared, or ``"item"``, none.
        share: What shares an axis and a scaling in a grid: ``"all"`` panels, those of a ``"row"``
            or of a ``"column"``, or ``"none"``. Where ``None``, all panels if all the explanations
            are of one method and output, and else those of a column.
        ncols: Number of rows of the table beside each other in a grid, each with its explanations.
        title: Title in place of the row's name and f, or of "mean of n rows".
        color: One colour for all marks; where ``None``, positive and negative marks differ.
        xlabel: Label of the horizontal axis in place of what the values are.
        values: Whether the value of each feature stands beside its name, where it is known.
        output_name: What f is, for titles and labels: ``"log solubility"``.
        unit: Unit of f: ``"log₁₀ mol/L"``.

    Raises:
        InputError: A setting is unknown or out of range.
    """

    levels: ClassVar[tuple[float, ...]] = (LEVEL, INNER)
    writes_values: ClassVar[bool] = True

    def draw_marks(self, axes: Axes, names: Sequence[str], panel: Panel, *, written: bool) -> None:
        """Draw the points of a row."""
        draw_points(axes, names, panel, color=self.color, written=written)
