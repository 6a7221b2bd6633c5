"""The judge of one input: right, refused in a sentence before any work, or a fault."""

from __future__ import annotations

import re
import signal
import threading
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor

from salience import InputError
from salience.errors import Notice

from .values import MAYBE, NONE, Mark

#: Seconds after which an input counts as a hang, and longest sentence of a refusal.
PATIENCE, LONGEST = 10, 300

SERVED, REFUSED = "served and equal", "refused"
FAULTS = TRACEBACK, HANG, DIFFERENT, WORDED, LATE = (
    "raw traceback",
    "hang",
    "silent difference",
    "ill-worded",
    "refused late",
)
OUTCOMES = (SERVED, REFUSED, *FAULTS)

_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}")


@dataclass(frozen=True)
class Case:
    """One input.

    Args:
        text: The input in words, for the report.
        run: Does the work; returns names and numbers.
        expected: The right names and numbers by another way, computed only where the input is
            served; ``NONE`` where it is to be refused, ``MAYBE`` where nothing is known.
        tolerance: Relative error that rounding explains.
        late: Whether only work shows that the input is to be refused.
    """

    text: str
    run: Callable[[], Any]
    expected: Callable[[], Any] | Mark = MAYBE
    tolerance: float = 1e-6
    late: bool = False


@dataclass(frozen=True)
class Verdict:
    """What became of an input.

    Args:
        outcome: One of :data:`OUTCOMES`.
        detail: The sentence of a refusal, or what was wrong.
    """

    outcome: str
    detail: str = ""
    trace: str = field(default="", repr=False)

    @property
    def is_fault(self) -> bool:
        return self.outcome in FAULTS


class Hang(BaseException):
    """Work that did not end in time; no handler of errors takes it for one."""


def judge(case: Case) -> Verdict:
    """Run an input and say what became of it."""
    with warnings.catch_warnings(record=True) as heard, passes() as backward:
        warnings.simplefilter("always")
        try:
            with patience():
                got = case.run()
        except InputError as error:
            return _refusal(case, str(error), backward)
        except Hang:
            return Verdict(HANG, case.text, traceback.format_exc())
        except (Exception, KeyboardInterrupt) as error:
            return Verdict(
                TRACEBACK, f"{type(error).__name__}: {safe(error)}", traceback.format_exc()
            )
    for warning in heard:
        said = str(warning.message)
        if issubclass(warning.category, Notice) and (fault := ill_worded(said, 1000)):
            return Verdict(WORDED, f"notice with {fault}: {said}")
    if case.expected is NONE:
        return Verdict(DIFFERENT, "served what has no meaning")
    if case.expected is MAYBE:
        return Verdict(SERVED)
    assert callable(case.expected)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            right = case.expected()
        except InputError as error:
            return Verdict(DIFFERENT, f"served, but its plain form is refused: {error}")
    wrong = difference(got, right, case.tolerance)
    return Verdict(DIFFERENT, wrong) if wrong else Verdict(SERVED)


def _refusal(case: Case, said: str, backward: Counter[str]) -> Verdict:
    if fault := ill_worded(said):
        return Verdict(WORDED, f"{fault}: {said}", traceback.format_exc())
    if backward["passes"] and not case.late:
        return Verdict(LATE, f"after {backward['passes']} backward passes: {said}")
    return Verdict(REFUSED, said)


def ill_worded(said: str, longest: int = LONGEST) -> str:
    """What is wrong with the wording of a refusal; empty where nothing is."""
    if len(said.splitlines()) != 1:
        return "no line" if not said else "several lines"
    if len(said) > longest:
        return f"{len(said)} characters"
    if _ADDRESS.search(said) and "0x7f00deadbeef" not in said:
        return "an address"
    return ""


def safe(error: BaseException) -> str:
    try:
        return str(error).strip().split("\n")[0][:200]
    except Exception:
        return "no words"


@contextmanager
def patience() -> Iterator[None]:
    """Raise :class:`Hang` in what takes longer."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_: Any) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, ring)
    # Rung again and again, since code in C may lose the error.
    signal.setitimer(signal.ITIMER_REAL, PATIENCE, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def passes() -> Iterator[Counter[str]]:
    """Count backward passes."""
    count: Counter[str] = Counter()
    grad = torch.autograd.grad

    def counted(*args: Any, **kwargs: Any) -> Any:
        count["passes"] += 1
        return grad(*args, **kwargs)

    with mock.patch.object(torch.autograd, "grad", counted):
        yield count


# --- Comparing ------------------------------------------------------------------------------------


def difference(got: Any, right: Any, tolerance: float, where: str = "result") -> str:
    """Where two results differ; empty where they are equal."""
    if isinstance(right, Mapping) and isinstance(got, Mapping):
        # A result may know more than the reference.
        for name, value in right.items():
            if name not in got:
                return f"{where} lacks {name!r}"
            if found := difference(got[name], value, tolerance, f"{where}.{name}"):
                return found
        return ""
    if isinstance(right, list | tuple) and isinstance(got, list | tuple):
        if len(got) != len(right):
            return f"{where} has {len(got)} entries, not {len(right)}"
        for at, (one, other) in enumerate(zip(got, right, strict=True)):
            if found := difference(one, other, tolerance, f"{where}[{at}]"):
                return found
        return ""
    if isinstance(right, Tensor | np.ndarray | float):
        one, other = (np.asarray(value, dtype=np.float64) for value in (got, right))
        if one.shape != other.shape:
            return f"{where} has shape {one.shape}, not {other.shape}"
        scale = np.abs(other[np.isfinite(other)]).max(initial=0.0)
        close = np.isclose(
            one, other, rtol=tolerance, atol=tolerance * scale + 1e-12, equal_nan=True
        )
        return "" if close.all() else f"{where} is {_short(one)}, not {_short(other)}"
    if type(got) is not type(right) or got != right:
        return f"{where} is {got!r}, not {right!r}"
    return ""


def _short(values: Any) -> str:
    text = " ".join(np.array2string(np.asarray(values), precision=5, threshold=12).split())
    return text if len(text) <= 120 else text[:119] + "…"


# --- Figures --------------------------------------------------------------------------------------


@dataclass
class Figures:
    """How many inputs of each class came to what."""

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    faults: list[tuple[str, str, Verdict]] = field(default_factory=list)

    def add(self, kind: str, case: Case, verdict: Verdict) -> None:
        self.counts.setdefault(kind, Counter())[verdict.outcome] += 1
        if verdict.is_fault:
            self.faults.append((kind, case.text, verdict))

    def table(self) -> str:
        """One line a class, one column an outcome."""
        rows = [["class", "inputs", *OUTCOMES]]
        total: Counter[str] = Counter()
        for kind, count in self.counts.items():
            total += count
            rows.append([kind, str(count.total()), *(str(count[o]) for o in OUTCOMES)])
        rows.append(["all", str(total.total()), *(str(total[o]) for o in OUTCOMES)])
        widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
        return "\n".join(
            "  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in rows
        )
