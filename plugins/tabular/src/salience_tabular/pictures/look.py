"""What the plots of this plugin share: texts, titles, notes and empty figures."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, ScalarFormatter

from salience import Explanation, score_words
from salience.colors import INK, LINE, MUTED

#: Characters of the note in an inch, and of a title.
_NOTE, _TITLE = 15, 11


def plain(text: str, longest: int = 32) -> str:
    """A text on one line, of at most ``longest`` characters, with ``$`` not read as mathematics."""
    line = " ".join(str(text).split())
    short = line if len(line) <= longest else line[: longest - 1] + "…"
    return short.replace("$", r"\$")


def wrapped(title: str, room: float) -> str:
    """What :func:`item_title` returned, in lines of 9 points that fit ``room`` inches."""
    first, *rest = title.replace(r"\$", "$").split("\n")
    width = max(int(room / 0.075), 12)
    lines = [*textwrap.wrap(first, width), *textwrap.wrap(" ".join(rest), width)]
    return "\n".join(lines).replace("$", r"\$")


def item_name(explanation: Explanation, item: int) -> str:
    """Name of an item: ``row 7``, or the item's id where the id is a string."""
    identity = explanation.ids[item]
    return plain(identity) if isinstance(identity, str) else f"row {identity}"


def item_title(
    explanation: Explanation, item: int, name: str = "", unit: str = "", width: float = 6.0
) -> str:
    """Title of an item: its name, and what f is, on two lines where one is too short.

    Args:
        explanation: The explanation.
        item: Position of the item.
        name: What f is, in place of the name of the output variable.
        unit: Unit of f.
        width: Width of the title in inches.
    """
    first = item_name(explanation, item)
    said = plain(score_words(explanation, item, name, unit), 80)
    if not said:
        return first
    if len(first) + len(said) + 2 <= width * _TITLE:
        return f"{first}: {said}"
    said = said.replace("< ", "<\u00a0").replace("> ", ">\u00a0")
    return "\n".join([first, *textwrap.wrap(said, max(int(width * _TITLE), 16))])


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


def number_ticks(axes: Axes) -> None:
    """Numbers at the horizontal axis that need no factor beside it."""
    largest = max(map(abs, axes.get_xlim()))
    if 1e-3 <= largest < 1e5:
        axes.xaxis.set_major_formatter(ScalarFormatter(useOffset=False))
    else:
        axes.xaxis.set_major_formatter(FuncFormatter(_short))


def _short(value: float, place: int | None) -> str:
    digits, _, power = f"{value:.3g}".partition("e")
    return f"{digits}e{int(power)}".replace("-", "−") if power else digits.replace("-", "−")


def joined(sentences: Sequence[str]) -> str:
    """Sentences as one note."""
    return "; ".join(dict.fromkeys(sentence for sentence in sentences if sentence))


def add_note(figure: Figure, sentences: Sequence[str]) -> None:
    """Write sentences below the panels of a figure, wrapped to its width."""
    text = joined(sentences)
    if text:
        width = int(float(figure.get_size_inches()[0]) * _NOTE)
        lines = "\n".join(textwrap.wrap(text, max(width, 30)))
        figure.supxlabel(lines, x=0.99, ha="right", fontsize=8, color=MUTED, linespacing=1.25)


def note_below(axes: Axes, sentences: Sequence[str]) -> None:
    """Write sentences below the label of axes that are part of the user's figure."""
    text = joined(sentences)
    if not text:
        return
    box = axes.get_position()
    inches = float(axes.figure.figure.get_size_inches()[0]) * box.width
    lines = "\n".join(textwrap.wrap(text, max(int(inches * _NOTE), 30)))
    axes.annotate(
        lines,
        (1.0, 0.0),
        (0, -36),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="right",
        va="top",
        fontsize=8,
        color=MUTED,
        annotation_clip=False,
    )
