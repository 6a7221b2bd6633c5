"""Inputs of each class are answered rightly or refused; ``make fuzz`` tries more of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salience import InputError

from . import parts
from .classes import CLASSES, check
from .oracle import DIFFERENT, HANG, LATE, REFUSED, SERVED, TRACEBACK, WORDED, Case, judge
from .subject import explainer, rows, told
from .values import NONE

#: Inputs of all classes together: about half a minute.
INPUTS = 1200


@pytest.mark.parametrize("name", CLASSES)
def test_inputs_are_answered_rightly_or_refused_in_a_line(name: str) -> None:
    number = INPUTS * CLASSES[name].share // sum(one.share for one in CLASSES.values())

    @settings(
        max_examples=number,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(CLASSES[name].cases())
    def one(case: Case) -> None:
        check(case)

    one()


@settings(max_examples=40, derandomize=True, database=None, deadline=None)
@given(parts.plain_cases())
def test_the_grammar_knows_parts_that_are_served(case: Case) -> None:
    assert judge(case).outcome == SERVED


# --- The judge sees each kind of fault -----------------------------------------------------------


def _late() -> None:
    explainer().explain(rows())
    raise InputError("too late; come earlier")


def _asleep() -> None:
    while True:
        pass


FAULTS = {
    TRACEBACK: Case("", lambda: [][1]),
    HANG: Case("", _asleep),
    DIFFERENT: Case(
        "", lambda: {"values": [torch.ones(2)]}, lambda: {"values": [np.array([1, 2.0])]}
    ),
    LATE: Case("", _late),
    REFUSED: Case("", lambda: explainer(max_rows=0)),
    SERVED: Case(
        "",
        lambda: told(explainer().explain(rows())),
        lambda: told(explainer(max_rows=1).explain(rows())),
    ),
}


@pytest.mark.parametrize("outcome", FAULTS)
def test_the_judge_tells_outcomes_apart(outcome: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{judge.__module__}.PATIENCE", 1.0)
    assert judge(FAULTS[outcome]).outcome == outcome


def test_the_judge_finds_what_is_served_without_a_meaning_and_sentences_of_several_lines() -> None:
    assert judge(Case("", dict, NONE)).outcome == DIFFERENT

    class LoudError(InputError):
        def __str__(self) -> str:
            return "two\nlines"

    def loud() -> None:
        raise LoudError

    assert judge(Case("", loud)).outcome == WORDED


# --- The sentence of a refusal -------------------------------------------------------------------


@settings(max_examples=200, derandomize=True, database=None)
@given(st.text(max_size=900), st.text(max_size=50))
def test_a_refusal_is_one_line_that_keeps_its_mend(first: str, mend: str) -> None:
    said = str(InputError(f"{first} <object at 0x7f00deadbeef>; pass {mend!r}"))
    assert len(said.splitlines()) == 1 and len(said) <= 300
    assert "0x7f00deadbeef" not in said
    assert said.endswith(str(InputError(f"pass {mend!r}")))
    assert str(InputError(said)) == said
