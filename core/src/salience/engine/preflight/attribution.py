"""Attribution: whose numbers were drawn from the global generators, ours or another thread's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from salience.errors import InputError
from salience.support.isolation import clocks, differing, generator_states, moved_by_us
from salience.support.private_draws import DrawWatch

Result = TypeVar("Result")


# Passes that are tried until no other thread computes meanwhile.
_TRIES = 3


def attributed(moved: set[str], again: Callable[[], Result]) -> Result:
    """Find out by further passes which generators our pass moved, and note it.

    A mode of this thread watches each of torch's functions that draws. Nothing tells so for the
    generators of numpy and Python: what moves while no other thread computes is ours.

    Args:
        moved: Names of the generators that moved during the first pass.
        again: Runs the pass again.

    Returns:
        What ``again`` returned first.
    """
    watch, found = DrawWatch(), list[Result]()
    for _ in range(_TRIES):
        ticks, before = clocks(), generator_states(moved)
        try:
            with watch:
                found.append(again())
        finally:
            ours = differing(before, generator_states(moved))
            now = clocks()  # the clocks are looked at around the states
            clean = now == ticks and None not in now.values()
            if clean:
                moved_by_us(ours)
            if watch.drawn:
                moved_by_us(moved & {"torch", "cuda"})
        if clean:
            break
    return found[0]


def drawing(served: bool) -> InputError:
    """The error for a model that draws random numbers of its own.

    Args:
        served: Whether a parameter sampler was asked to draw.
    """
    dropout = "" if served else ", or let samplers=['mc_dropout'] draw its dropout"
    return InputError(
        f"the model draws random numbers in eval mode, so that its output differs from pass to "
        f"pass; switch them off in eval mode (dropout by training=self.training){dropout}"
    )
