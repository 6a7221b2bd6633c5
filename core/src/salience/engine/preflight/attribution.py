"""Attribution: whose numbers were drawn from the global generators, ours or another thread's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from salience.support.isolation import differing, generator_states, moved_by_us
from salience.support.private_draws import DrawWatch

Result = TypeVar("Result")


def attributed(moved: set[str], again: Callable[[], Result]) -> Result:
    """Find out by a second pass which generators our pass moved, and note that these are set back.

    For torch a mode of this thread watches each function that draws. The generators of numpy and
    Python are ours where they move again. A generator that ends in the state that the first pass
    left was seeded by the pass.

    Args:
        moved: Names of the generators that moved during the first pass, just before.
        again: Runs the pass again.

    Returns:
        What ``again`` returned.
    """
    before, watch = generator_states(moved), DrawWatch()
    with watch:
        found = again()
    again_moved = differing(before, generator_states(moved))
    seeded = moved - again_moved
    drawn = {"torch", "cuda"} if watch.drawn else set()
    moved_by_us(seeded | (moved & (drawn | (again_moved & {"python", "numpy"}))))
    return found
