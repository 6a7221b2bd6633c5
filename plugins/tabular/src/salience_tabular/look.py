"""Functions and colours that the plots of this plugin share: names, titles and empty figures."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from salience import Explanation, InputError
from salience.colors import INK, LINE, MUTED


def names_of(explanation: Explanation) -> list[str]:
    """Name of each feature of the saliency, shortened to fit a plot.

    Raises:
        InputError: The saliency is not of shape (B, F), or there are several target variables.
    """
    values = explanation.values
    shape = tuple(getattr(values, "shape", ()))
    if explanation.only.names is not None and explanation.only.counts is not None:
        raise InputError(
            "a picture of a table needs groups that all rows have in common; pool by a mapping "
            "name → columns, or read the groups of each row in to_dataframe()"
        )
    if len(shape) != 2:
        raise InputError(
            f"a picture of a table needs saliency of shape (rows, features), got {shape or 'lists'}"
            f"; explain the columns or their embeddings, and let the domain sum over channels"
        )
    variable = next(iter(explanation.saliency))
    columns = [str(name) for name in explanation.column_names(variable) or ()]
    if len(columns) != shape[1]:  # saliency of a layer
        columns = []
    return [plain(name) for name in columns or [f"feature {i}" for i in range(shape[1])]]


def plain(text: str, longest: int = 32) -> str:
    """Shorten a text to ``longest`` characters and escape ``$``, which starts mathematics."""
    short = text if len(text) <= longest else text[: longest - 1] + "…"
    return short.replace("$", r"\$")


def item_title(explanation: Explanation, item: int) -> str:
    """Title of an item: ``row 7``, or the item's id where the id is a string."""
    identity = explanation.ids[item]
    return plain(identity) if isinstance(identity, str) else f"row {identity}"


def mean_title(explanation: Explanation) -> str:
    """Title of the mean, ``mean of n rows``."""
    n = len(explanation)
    return f"mean of {n} rows" if n > 1 else "mean of 1 row"


def new_figure(width: float, height: float) -> Figure:
    """Make an empty figure, size in inches, with constrained layout and without pyplot."""
    engine = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08)
    return Figure(figsize=(width, height), layout=engine, dpi=150)


def tidy(axes: Axes, *, kept: Sequence[str] = ("bottom",)) -> None:
    """Hide the frame lines that are not in ``kept``, and colour the ticks and the title."""
    for side, spine in axes.spines.items():
        spine.set_visible(side in kept)
        spine.set_color(LINE)
    axes.tick_params(color=LINE, labelcolor=INK, labelsize=9)
    axes.title.set_color(INK)


def add_note(figure: Figure, sentences: Sequence[str]) -> None:
    """Write sentences below the panels of a figure, wrapped to its width."""
    text = "; ".join(sentence for sentence in sentences if sentence)
    if text:
        width = int(float(figure.get_size_inches()[0]) * 15)
        lines = "\n".join(textwrap.wrap(text, max(width, 30)))
        figure.supxlabel(lines, x=0.99, ha="right", fontsize=8, color=MUTED, linespacing=1.25)
