"""What was found out about a model before its numbers were believed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from salience.errors import brief

HOLDS, FALLBACK, REFUSED = "holds", "fallback", "refused"
_SEVERITY = (HOLDS, FALLBACK, REFUSED)


@dataclass(frozen=True)
class Verdict:
    """What was found out about one assumption.

    Args:
        assumption: What is assumed of the model.
        outcome: ``"holds"``; ``"fallback"`` where the assumption does not hold and a slower way is
            taken that does not need it; ``"refused"`` where there is no such way.
        detail: How it was shown, what the fallback costs, or how to mend what is refused.
    """

    assumption: str
    outcome: str
    detail: str = ""


@dataclass(frozen=True)
class Preflight:
    """The verdicts about a model; they hold for the items that were tried.

    Args:
        verdicts: One for each assumption.
        items: Ids of the items that were tried.
    """

    verdicts: tuple[Verdict, ...] = ()
    items: tuple[int | str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether nothing is refused."""
        return all(verdict.outcome != REFUSED for verdict in self.verdicts)

    def __repr__(self) -> str:
        outcomes = [verdict.outcome for verdict in self.verdicts]
        known = [f"{outcomes.count(o)} × {o}" for o in _SEVERITY if o in outcomes]
        return f"Preflight({', '.join(known) or 'nothing shown'}; print it for the table)"

    def __str__(self) -> str:
        """A table of the verdicts."""
        rows = [(v.assumption, v.outcome, v.detail) for v in self.verdicts]
        widths = [max((len(row[i]) for row in rows), default=0) for i in range(2)]
        lines = [f"{a:<{widths[0]}}  {o:<{widths[1]}}  {d}".rstrip() for a, o, d in rows]
        tried = ", ".join(brief(item, 40) for item in self.items) or "no item"
        return "\n".join([*lines, f"These hold for the items that were tried: {tried}."])

    def record(self) -> dict[str, Any]:
        """The verdicts in JSON types."""
        return {"items": list(self.items), "verdicts": [asdict(v) for v in self.verdicts]}

    @staticmethod
    def of(record: Mapping[str, Any] | None) -> Preflight:
        """The verdicts that :meth:`record` returned; none where there is no record."""
        if record is None:
            return Preflight()
        return Preflight(tuple(Verdict(**v) for v in record["verdicts"]), tuple(record["items"]))


def joined(parts: Sequence[Preflight]) -> Preflight:
    """The verdicts of several workers: the worst for each assumption, the items of the first."""
    shown = next((part for part in parts if part.items), Preflight())
    return Preflight(worst(v for part in parts for v in part.verdicts), shown.items)


def worst(verdicts: Iterable[Verdict]) -> tuple[Verdict, ...]:
    """The worst verdict on each assumption, in the order in which assumptions first come."""
    found: dict[str, Verdict] = {}
    for verdict in verdicts:
        held = found.setdefault(verdict.assumption, verdict)
        if _SEVERITY.index(verdict.outcome) > _SEVERITY.index(held.outcome):
            found[verdict.assumption] = verdict
    return tuple(found.values())
