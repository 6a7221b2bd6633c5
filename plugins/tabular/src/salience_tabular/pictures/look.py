"""What the plots of this plugin share: texts, titles, notes and empty figures."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, ScalarFormatter

from salience import Explanation, score_words
from salience.colors import GROUND, INK, LINE, MUTED
from salience.errors import shortened
from salience_tabular.pictures.placing import balanced

#: Size of a note's letters in points.
NOTE = 8.0
# Characters of a title in an inch, and of the note of axes.
_TITLE, _NOTE = 11, 15
# Characters of the longest name, and of the beginning of one that is cut in the middle.
_NAME, _BEGIN = 32, 8


def plain(text: str, longest: int = _NAME) -> str:
    """A text on one line, of at most ``longest`` characters, with ``$`` not read as mathematics."""
    return shortened(_one_line(text), longest).replace("$", r"\$")


def distinct(names: Sequence[str]) -> list[str]:
    """The names by :func:`plain`; of those that would look alike, the part that differs is shown.

    Names of columns often begin alike, such as those of one question of a survey.
    """
    lines = [_one_line(name) for name in names]
    shown = {line: shortened(line, _NAME) for line in lines}
    alike: dict[str, list[str]] = {}
    for line, short in shown.items():
        alike.setdefault(short, []).append(line)
    for group in alike.values():
        if len(group) > 1:
            shown |= _told_apart(group)
    return [plain(shown[line]) for line in lines]


def _told_apart(lines: Sequence[str]) -> dict[str, str]:
    """Different lines → their beginning, and what follows the beginning that all of them share."""
    first, last = min(lines), max(lines)  # what these share, all share
    shared = next((i for i, c in enumerate(first) if last[i] != c), len(first))
    found = {
        line: shortened(f"{line[:_BEGIN]}…{line[max(shared - 4, _BEGIN) :]}", _NAME)
        for line in lines
    }
    alike: dict[str, list[str]] = {}
    for line, short in found.items():
        alike.setdefault(short, []).append(line)
    for group in alike.values():
        if len(group) > 1:
            found |= _told_apart(group)  # fewer lines, since the first difference is shown
    return found


def _one_line(text: str) -> str:
    return " ".join(str(text).split())


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


def row_label(explanation: Explanation, item: int, name: str = "", unit: str = "") -> str:
    """Label of the row of a grid: the name of an item, and what f is below it.

    Args:
        explanation: The explanation.
        item: Position of the item.
        name: What f is, in place of the name of the output variable.
        unit: Unit of f.
    """
    said = plain(score_words(explanation, item, name, unit), 80)
    # Lines break between what is said, not inside of "logit 9.25".
    parts = [part.replace(" ", "\u00a0") for part in said.split(", ")]
    return "\n".join(filter(None, [item_name(explanation, item), ", ".join(parts)]))


def rows_title(explanation: Explanation, column: str, given: str | None) -> str:
    """Title of a picture of all rows: that of the user, or its column and the number of rows.

    Args:
        explanation: The explanation.
        column: Title of the column of a grid; may be empty.
        given: What the user asks for; ``None`` for the title that is made.
    """
    if given is not None:
        return given
    n = len(explanation)
    rows = f"{n:,} rows" if n > 1 else "1 row"
    return f"{plain(column)}, {rows}" if column else rows


def mean_title(explanation: Explanation) -> str:
    """Title of the mean, ``mean of n rows``."""
    n = len(explanation)
    return f"mean of {n} rows" if n > 1 else "mean of 1 row"


def new_figure(width: float, height: float, given: Any = None) -> Figure:
    """Make an empty figure with constrained layout and without pyplot.

    Args:
        width: Width in inches.
        height: Height in inches.
        given: Figure or subfigure to draw into, which is returned. It keeps its size; where its
            figure has no layout engine, it gets constrained layout.
    """
    if given is not None:
        return laid_out(given)
    engine = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08)
    return Figure(figsize=(width, height), layout=engine, dpi=150, facecolor=GROUND)


def laid_out(given: Any) -> Figure:
    """A figure or subfigure of the user's, with constrained layout where it had no layout."""
    root = given.get_figure(root=True)
    if root.get_layout_engine() is None:
        root.set_layout_engine(ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08))
    figure: Figure = given
    return figure


def width_of_figure(figure: Any) -> float:
    """Width of a figure or subfigure in inches."""
    return float(figure.bbox.width / figure.get_figure(root=True).dpi)


def count_texts(figure: Any) -> None:
    """Let the layout of a figure of the user's make room for texts beside its panels."""
    for axes in figure.axes:
        for text in axes.texts:
            text.set_in_layout(True)


def leave_room(figure: Figure) -> None:
    """Widen a figure of :func:`new_figure` by the room that the texts beside its panels need."""
    longest = max((len(t.get_text()) for axes in figure.axes for t in axes.texts), default=0)
    engine, (width, height) = figure.get_layout_engine(), figure.get_size_inches()
    if longest and isinstance(engine, ConstrainedLayoutEngine):
        room = 0.2 + 0.069 * longest
        figure.set_size_inches(width + room, height)
        engine.set(rect=(0.0, 0.0, width / (width + room), 1.0))


def tidy(axes: Axes, *, kept: Sequence[str] = ("bottom",)) -> None:
    """Hide the frame lines that are not in ``kept``, and colour ground, ticks and title."""
    axes.set_facecolor(GROUND)  # texts are dark, also in a style of matplotlib that is dark
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
    """Sentences as one note, whose lines do not break inside of "p ≥ .05" and "95 %".

    What an interval is drawn as is said once, of several that are drawn alike.
    """
    said, head = [], ""
    for sentence in dict.fromkeys(filter(None, sentences)):
        own, of, rest = sentence.partition("interval of ")
        said.append(f"of {rest}" if of and own == head else sentence)
        head = own if of else ""
    text = "; ".join(said)
    for words in ("p ≥ .05", "p < .05", " %", "FDR 5"):
        text = text.replace(words, words.replace(" ", "\u00a0"))
    return text


def note_lines(sentences: Sequence[str], inches: float) -> str:
    """Sentences as a note for a figure of this width, in lines."""
    text = joined(sentences)
    return balanced(text, max(inches - 0.2, 2.0), NOTE) if text else ""


def write_note(figure: Figure, lines: str) -> None:
    """Write the lines of a note below the panels of a figure."""
    if lines:
        figure.supxlabel(lines, x=0.99, ha="right", fontsize=NOTE, color=MUTED, linespacing=1.25)


def add_note(figure: Figure, sentences: Sequence[str]) -> None:
    """Write sentences below the panels of a figure, in lines of its width."""
    write_note(figure, note_lines(sentences, 0.95 * width_of_figure(figure)))


def note_below(axes: Axes, sentences: Sequence[str]) -> None:
    """Write sentences below the label of axes that are part of the user's figure."""
    text = joined(sentences)
    if not text:
        return
    box = axes.get_position()
    inches = width_of_figure(axes.figure) * box.width
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
