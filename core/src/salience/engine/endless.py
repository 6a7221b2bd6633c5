"""What would never end, or not fit into memory, is refused before the first draw."""

from __future__ import annotations

from salience.engine.batching import PredictedBatch
from salience.engine.request import Request
from salience.errors import InputError
from salience.support.memory import physical

# Most rows of a computation: a small model on fast hardware takes days for as many.
_MAX_ROWS = 10**12


def check_rows(request: Request, n_items: int) -> None:
    """Raise InputError where items × draws × path points are more rows than would ever end.

    Args:
        request: What is to be computed.
        n_items: Number of items.
    """
    steps = getattr(request.calculator, "steps", 1)
    points = steps if isinstance(steps, int) else 1
    draws = request.draws.total if request.draws.until is None else request.draws.until.min
    rows = n_items * draws * points
    if rows > _MAX_ROWS:
        raise InputError(
            f"{n_items} items with {draws} draws and {points} points each are {rows:.0e} rows, "
            f"which would not end; pass fewer draws, fewer steps or fewer items"
        )


def check_room(request: Request, predicted: PredictedBatch, n_items: int) -> None:
    """Raise InputError where the draws that are kept do not fit into the machine's memory.

    Args:
        request: What is to be computed; draws that are aggregated need no memory of their own.
        predicted: Some of the items, whose saliency is as large as their target variables.
        n_items: Number of items in all.
    """
    if request.aggregator is not None or not request.calculator.needs_gradient:
        return
    of_batch = sum(x.numel() * x.element_size() for x in predicted.x.values())
    wanted = of_batch / len(predicted) * n_items * request.draws.total
    if wanted > physical():
        raise InputError(
            f"{request.draws.total} draws of {n_items} items take {wanted / 2**30:.0f} GiB, more "
            f"than the {physical() / 2**30:.0f} GiB of this machine; call explain, which "
            f"aggregates draws as they come, or pass fewer"
        )
