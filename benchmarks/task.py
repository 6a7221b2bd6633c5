"""What a benchmark is made of: a task, those who do it, and what is to be reached."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

import salience

#: Saliency; with its standard error, where draws are compared.
Found = Tensor | tuple[Tensor, Tensor]


def _all(values: Tensor) -> Tensor:
    return values


@dataclass(frozen=True)
class Contender:
    """One way to do the task.

    Args:
        run: Does it with batches of a size and returns the saliency.
        batches: Sizes to find the fastest of before anything is timed; it is run with 0 where
            there are none.
        share: The share of the work that it does; its times are divided by it.
        part: Picks of salience's values those that it computes.
        compare: ``"values"`` with salience's; ``"draws"`` where it draws random numbers of its own,
            so that values agree within their errors only; or ``"nothing"``.
        tolerance: Its own, where the task's does not fit it.
        own: It is salience as well, in another setting.
        may_fail: Failing or being wrong is what is to be shown.
    """

    run: Callable[[int], Found]
    batches: Sequence[int] = ()
    share: float = 1.0
    part: Callable[[Tensor], Tensor] = _all
    compare: str = "values"
    tolerance: float | None = None
    own: bool = False
    may_fail: bool = False


@dataclass(frozen=True)
class Goal:
    """The time of a contender by salience's must be at least so much."""

    contender: str
    least: float


@dataclass(frozen=True)
class Check:
    """A difference that must be small."""

    what: str
    difference: float
    tolerance: float


@dataclass(frozen=True)
class Task:
    """What is to be done, and by whom.

    Args:
        title: A few words.
        about: Data, model and settings, in a sentence or two.
        contenders: Name → contender; the first is salience.
        tolerance: Largest difference of values by the largest value that counts as agreement.
        goals: What is to be reached.
        checks: Makes further checks of the numbers.
    """

    title: str
    about: str
    contenders: Mapping[str, Contender]
    tolerance: float
    goals: Sequence[Goal] = ()
    checks: Callable[[], Sequence[Check]] = tuple


def found(explanation: salience.Explanation) -> Found:
    """The saliency of an explanation, all elements in a row, with its standard error."""
    return explanation.only.flat, explanation.only.flat_error


def relative(one: Tensor, other: Tensor) -> float:
    """Largest difference by the largest value."""
    return float((one - other).abs().max() / other.abs().max())


def compare(ours: Found, theirs: Found, contender: Contender, tolerance: float) -> tuple[bool, str]:
    """Whether a contender's values agree with salience's, and how far they are apart."""
    if contender.compare == "nothing":
        return True, ""
    values, error = ours if isinstance(ours, tuple) else (ours, None)
    other = theirs[0] if isinstance(theirs, tuple) else theirs
    values = contender.part(values)
    if contender.compare == "values":
        difference = relative(other, values)
        most = tolerance if contender.tolerance is None else contender.tolerance
        return difference <= most, "none" if difference == 0 else f"{difference:.0e}"
    assert error is not None
    # Two means of independent draws differ by √2 standard errors, in the root mean square.
    expected = 2 * contender.part(error).square().mean()
    ratio = float(((other - values).square().mean() / expected).sqrt())
    return 0.5 < ratio < 2, f"draws: {ratio:.2f}"
