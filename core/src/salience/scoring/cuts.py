"""Cutting rows × variants into parts that fit the budget."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from salience.data.batch import RowSelection
from salience.scoring.budget import Budget
from salience.scoring.rows import Rows


def cuts(
    rows: Rows, variants: int | Tensor, budget: Budget, max_pairs: int | None = None
) -> Iterator[tuple[RowSelection, Tensor]]:
    """Cut the pairs of a row and a variant (path point, window) into parts within the budget.

    Args:
        rows: The rows.
        variants: Number of variants of each row: one number for all rows, or int64 of shape (R,).
        budget: Limits the size of each part.
        max_pairs: Largest number of pairs in a part; limited by the budget alone where ``None``.

    Yields:
        Parts of consecutive pairs, ordered by row and then by variant: the row of each pair, and
        the number of its variant, int64 from 0.
    """
    if isinstance(variants, int):
        variants = torch.full((len(rows),), variants, device=rows.batch.device)
    ends = variants.cumsum(0)
    start, total = 0, int(ends[-1])
    while start < total:
        # Pairs are listed only as far as they may fit. A list of all pairs could take more memory
        # than the passes.
        room = min(total - start, max_pairs or budget.current)
        pair = torch.arange(start, start + room, device=ends.device)
        row = torch.searchsorted(ends, pair, right=True)
        sizes = rows.batch.sizes()[row].cumsum(0)
        stop = max(1, int((sizes <= budget.current).sum()))
        if rows.draws is not None:
            stop = _full_draws(stop, start, each=total // rows.n_draws)
        variant = pair - (ends - variants)[row]
        yield rows.batch.select(row[:stop]), variant[:stop]
        start += stop


def _full_draws(count: int, start: int, each: int) -> int:
    """Round a number of pairs down so that a part holds full draws of weights, or a single one.

    The part then holds all the pairs of each of its draws of weights, or pairs of one draw.

    Args:
        count: Number of pairs that fit the budget.
        start: Index of the first pair of the part.
        each: Number of pairs of each draw of weights.
    """
    done = start % each
    return min(count, each - done) if done or count < each else count // each * each
