"""Numbers that no machine can serve: tried where salience has a limit for them."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from salience import InputError, IntegratedGradients
from salience.samplers.design import draws_of


@cache
def of_draws() -> bool:
    """Whether a number of draws that nobody lives to see is refused."""
    return _refused(lambda: draws_of(10**12))


@cache
def of_steps() -> bool:
    """Whether a number of path points that no memory holds is refused."""
    return _refused(lambda: IntegratedGradients(steps=10**12))


def _refused(make: Any) -> bool:
    try:
        make()
    except InputError:
        return True
    return False


def is_huge(given: Any) -> bool:
    """Whether a value is, or holds, a number above a thousand."""
    if isinstance(given, dict):
        return any(map(is_huge, given.values()))
    if isinstance(given, list | tuple):
        return any(is_huge(one) for one in given if one is not given)
    if isinstance(given, np.timedelta64):
        return False
    return isinstance(given, int | np.integer) and int(given) > 1000
