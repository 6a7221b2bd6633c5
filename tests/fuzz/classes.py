"""The classes of inputs, and how one of them is run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from . import (
    calls,
    columns,
    command,
    data,
    finding,
    groups,
    molecules,
    parts,
    photos,
    pictures,
    runs,
    tampered,
)
from .oracle import Case, Figures, Verdict, judge


@dataclass(frozen=True)
class Class:
    """A class of inputs.

    Args:
        cases: Makes its inputs.
        share: Its share of all inputs, in relation to the others.
    """

    cases: Callable[[], st.SearchStrategy[Case]]
    share: int


CLASSES: dict[str, Class] = {
    "parts": Class(parts.cases, 3),
    "calls": Class(calls.cases, 3),
    "data": Class(data.cases, 3),
    "columns": Class(columns.cases, 2),
    "finding": Class(finding.cases, 2),
    "groups": Class(groups.cases, 2),
    "photos": Class(photos.cases, 2),
    "molecules": Class(molecules.cases, 2),
    "pictures": Class(pictures.cases, 2),
    "runs": Class(runs.cases, 1),
    "command": Class(command.cases, 2),
    "tampered": Class(tampered.cases, 2),
}


def run(name: str, number: int, start: int, figures: Figures) -> None:
    """Judge ``number`` inputs of a class and count what became of them."""

    @seed(start)
    @settings(
        max_examples=number,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(CLASSES[name].cases())
    def one(case: Case) -> None:
        figures.add(name, case, judge(case))

    one()


def check(case: Case) -> None:
    """Raise AssertionError where an input is a fault; hypothesis then looks for a smaller one."""
    verdict: Verdict = judge(case)
    assert not verdict.is_fault, (
        f"{verdict.outcome}: {verdict.detail}\n{case.text}\n{verdict.trace}"
    )
