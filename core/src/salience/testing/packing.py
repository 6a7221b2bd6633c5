"""What the checks of several kinds of parts ask of explanations of an example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from salience.engine.units import Unit
from salience.results.explanation import Explanation
from salience.results.preflight import HOLDS
from salience.testing.comparing import close, expect
from salience.testing.example import Example, values_of


def expect_independent_of_packing(example: Example, parts: Mapping[str, Any]) -> None:
    """Raise AssertionError where the numbers of an item depend on its neighbours or the budget.

    Args:
        example: What is explained.
        parts: Arguments of :meth:`Example.explained`.
    """
    full = example.explained(**parts)
    n_items = len(example.samples)
    every = list(range(n_items))
    cut = example.explained(settings={"max_rows": example.smallest_budget}, **parts)
    expect_close(full, cut, every, f"in {example.name} with the smallest max_rows")
    for item in every:
        single = example.explained(data=example.unit.part(item, item + 1), **parts)
        expect_close(full, single, [item], f"in {example.name}, explained by itself,")
    order = every[::-1]
    turned = example.rebatched()
    unit = Unit(order, [f"item {i}" for i in order])
    other = turned.explained(data=unit, **parts)
    expect_close(full, other, order, f"in {example.name}, explained in reverse order,")


def expect_no_fallback(explanation: Explanation, mend: str) -> None:
    """Raise AssertionError where preflight took a slower way, or refused.

    Args:
        explanation: What preflight let through.
        mend: Where to look for the cause.
    """
    for verdict in explanation.preflight.verdicts:
        expect(
            verdict.outcome == HOLDS,
            f"preflight shows that it does not hold that {verdict.assumption}: {verdict.detail}; "
            f"{mend}",
        )


def expect_close(full: Explanation, other: Explanation, items: Sequence[int], what: str) -> None:
    """Raise AssertionError where items of another explanation have other numbers.

    Args:
        full: Explanation of items.
        other: Explanation of some of them.
        items: Position in ``full`` of each item of ``other``.
        what: What was done with the items of ``other``.
    """
    for row, item in enumerate(items):
        one, two = full.score[item], other.score[row]
        expect(close(one, two), f"item {item} {what} has the score {two:.6g}, else {one:.6g}")
    one_errors = {name: list(s.std_error) for name, s in full.saliency.items()}
    two_errors = {name: list(s.std_error) for name, s in other.saliency.items()}
    others = values_of(other)
    for name, own in values_of(full).items():
        expect(name in others, f"{what} the target variable {name!r} is missing")
        for row, item in enumerate(items):
            for kind, first, second in (
                ("saliency", own[item], others[name][row]),
                ("standard error", one_errors[name][item], two_errors[name][row]),
            ):
                expect(
                    close(first, second),
                    f"item {item} {what} has another {kind} of {name!r}{_apart(first, second)}",
                )


def _apart(one: Any, other: Any) -> str:
    if one.shape != other.shape:
        return f": shape {tuple(other.shape)}, not {tuple(one.shape)}"
    if one.dtype != other.dtype:
        return f": {other.dtype}, not {one.dtype}"
    return f", by up to {float((one - other).abs().max()):.2g}"
