"""What would never end, or not fit into memory, is refused before the first draw."""

from __future__ import annotations

from salience.calculators.base import Calculator
from salience.errors import InputError
from salience.samplers.design import Draws
from salience.support.memory import physical

# Most rows of a computation: a small model on fast hardware takes days for as many.
_MAX_ROWS = 10**12


def check_rows(calculator: Calculator, draws: Draws, n_items: int) -> None:
    """Raise InputError where items × draws × path points are more rows than would ever end.

    Args:
        calculator: Computes the saliency; one that integrates has a number of ``steps``.
        draws: Number of draws of an item.
        n_items: Number of items.
    """
    steps = getattr(calculator, "steps", 1)
    points = steps if isinstance(steps, int) else 1
    number = draws.total if draws.until is None else draws.until.min
    rows = n_items * number * points
    if rows > _MAX_ROWS:
        raise InputError(
            f"{n_items} items with {number} draws and {points} points each are {rows:.0e} rows, "
            f"which would not end; pass fewer draws, fewer steps or fewer items"
        )


def check_room(size: float, draws: Draws, n_items: int) -> None:
    """Raise InputError where the draws that are kept do not fit into the machine's memory.

    Args:
        size: Bytes of one draw of an item.
        draws: Number of draws of an item.
        n_items: Number of items.
    """
    wanted = size * n_items * draws.total
    if wanted > physical():
        raise InputError(
            f"{draws.total} draws of {n_items} items take {wanted / 2**30:.0f} GiB, more "
            f"than the {physical() / 2**30:.0f} GiB of this machine; call explain, which "
            f"aggregates draws as they come, or pass fewer"
        )
