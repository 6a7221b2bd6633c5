"""What was measured, as tables of Markdown, and where salience is not ahead."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from measure import Times

#: The contender that the others are compared with.
OURS = "salience"


@dataclass(frozen=True)
class Row:
    """One contender.

    Args:
        name: What it is.
        own: Whether it is salience as well, in another setting.
        times: How long it took; ``None`` where it failed.
        peak: Peak memory in MB.
        differs: How its values differ from salience's, in words.
        wrong: Whether they differ too much.
    """

    name: str
    own: bool
    times: Times | None
    peak: float
    differs: str
    wrong: bool = False


@dataclass(frozen=True)
class Report:
    """One task.

    Args:
        title: What it is.
        about: Data, model and settings.
        table: The figures, Markdown.
        remarks: What else was found.
        behind: The figures in which salience is not ahead.
        goals: Each goal, with what was reached.
        missed: Those goals that were not reached.
        wrong: Contenders that computed something else than they should.
    """

    title: str
    about: str
    table: str
    remarks: Sequence[str] = ()
    behind: Sequence[str] = ()
    goals: Sequence[str] = ()
    missed: Sequence[str] = ()
    wrong: Sequence[str] = ()

    def markdown(self) -> str:
        """The table with what belongs to it."""
        lists = [f"- {line}" for line in (*self.remarks, *self.goals)]
        return "\n".join([f"### {self.title}", "", self.about, "", self.table, "", *lists, ""])

    def json(self) -> str:
        """All fields."""
        return json.dumps(asdict(self))


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table whose first column holds names and whose others hold figures."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *lines))


def contenders(rows: Sequence[Row], repeats: int) -> str:
    """The table of a task."""
    spread = " (from … to)" if repeats > 1 else ""
    head = ("", "time", f"time by salience's{spread}", "peak memory", "difference")
    lines = []
    for row in rows:
        if row.times is None:
            lines.append((row.name, "–", "–", "–", row.differs))
            continue
        ratio = f"{row.times.ratio:.3g}"
        if repeats > 1 and row.name != OURS:
            ratio += f" ({row.times.low:.3g} to {row.times.high:.3g})"
        took, peak = duration(row.times.seconds), f"{row.peak:.0f} MB"
        differs = f"{row.differs}, wrong" if row.wrong else row.differs or "–"
        lines.append((row.name, took, ratio, peak, differs))
    return table(head, lines)


def duration(seconds: float) -> str:
    """Seconds or milliseconds, in three digits."""
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def behind(title: str, rows: Sequence[Row]) -> list[str]:
    """Where another contender with right values is as good as salience, or better."""
    ours = rows[0]
    assert ours.times is not None
    faster, smaller = [], []
    for row in rows[1:]:
        if row.own or row.wrong or row.times is None:
            continue
        if row.times.ratio <= 1:
            faster.append(f"{row.name}: {row.times.ratio:.3f}")
        if row.peak <= ours.peak:
            smaller.append(f"{row.name}: {row.peak:.0f} MB")
    found = []
    if faster:
        found.append(f"{title}, time (by salience's) – {'; '.join(faster)}")
    if smaller:
        found.append(f"{title}, memory (salience: {ours.peak:.0f} MB) – {'; '.join(smaller)}")
    return found
