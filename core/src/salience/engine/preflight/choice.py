"""Which rows of a pass are compared with reference rows, and how closely."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from salience.model.probe import Probe
from salience.scoring.rows import Rows
from salience.support.numerics import close


def chosen_rows(rows: Rows, number: int) -> list[int]:
    """The rows that are compared: two that run turned round, and the one that runs alone, last.

    The one that runs alone is the smallest, which has most padding, and the last of these; of
    another item, draw and size than the largest where there are any. The two are the largest and
    the last of the others, of a third item where there is one, since what one row reads of its
    neighbours, such as the largest number of the batch, may be its own. They share a draw of
    weights.

    Args:
        rows: The rows of a pass.
        number: 2; or 1 for the row that runs alone only.

    Returns:
        Three indexes; two where there is no third row, or where ``number`` is 1, one.
    """
    sizes = _sizes(rows)
    draws = rows.keys if rows.draws is None else rows.draws
    largest = 0 if sizes is None else int(sizes.argmax())
    columns = (rows.items, draws) if sizes is None else (rows.items, draws, sizes)
    others = _differing(_but(rows, largest), columns, largest)
    if not bool(others.any()):
        return [largest]
    single = _last(others if sizes is None else others & (sizes == sizes[others].min()))
    if number == 1:
        return [single]
    pool = (
        _but(rows, single) if rows.draws is None else _but(rows, single) & (draws == draws[single])
    )
    if not bool(pool.any()):
        return [single] if rows.draws is not None else [largest, single]
    if not bool(pool[largest]):
        largest = _last(pool if sizes is None else pool & (sizes == sizes[pool].max()))
    pool[largest] = False
    if not bool(pool.any()):
        return [largest, single]
    pool = _differing(pool, (rows.items, draws), largest)
    return [largest, _last(_differing(pool, (rows.items,), single)), single]


def turned_round(chosen: Sequence[int]) -> list[int]:
    """The chosen rows that run in one pass, the last first.

    Args:
        chosen: What :func:`chosen_rows` returned.
    """
    return list(reversed(chosen[:2]))


def _but(rows: Rows, row: int) -> Tensor:
    others = torch.ones_like(rows.items, dtype=torch.bool)
    others[row] = False
    return others


def _differing(pool: Tensor, columns: Sequence[Tensor], row: int) -> Tensor:
    """Those of a pool that differ from a row in every column in which any of the pool does."""
    for column in columns:
        differing = pool & (column != column[row])
        pool = differing if bool(differing.any()) else pool
    return pool


def _last(pool: Tensor) -> int:
    return int(pool.nonzero()[-1, 0])


def _sizes(rows: Rows) -> Tensor | None:
    """Size of each row: its elements or its real positions; ``None`` where all have one."""
    batch = rows.batch
    if batch.layout.elements:
        return batch.sizes()
    names = {spec.mask for spec in batch.layout.fields.values()} | {batch.layout.inner_mask}
    masks = [batch.arguments.get(name) for name in names if name is not None]
    real = [mask for mask in masks if isinstance(mask, Tensor) and len(mask) == len(rows)]
    if not real:
        return None
    return torch.stack([mask.flatten(1).sum(1) for mask in real]).sum(0)


def sizes_differ(rows: Rows) -> bool:
    """Whether the rows have several sizes."""
    sizes = _sizes(rows)
    return sizes is not None and bool((sizes != sizes[0]).any())


def tolerances(probe: Probe, scalars: Tensor) -> tuple[float, float, float]:
    """Largest relative difference of f, and of the norm of its gradient; and the rounding unit.

    f is continuous, so that it differs by rounding only. Its gradient has jumps, such as those of
    ReLU, that rounding may cross.
    """
    if probe.is_half:
        # In bfloat16, the gradient of a deep network is known to some 50 % of its norm, and the
        # difference of two that are rounded otherwise to 70 %; that of other rows is above 100 %.
        return 5e-2, 1.0, 2.0**-8
    dtypes = [d for d in (probe.dtype, scalars.dtype) if d is not None and d.is_floating_point]
    eps = max(torch.finfo(dtype).eps for dtype in dtypes)
    if scalars.device.type == "cuda" and (
        torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32
    ):
        eps = max(eps, 2.0**-16)  # sums of products rounded to 10 bits
    return max(1000 * eps, 1e-9), (2e-2 if eps > 1e-10 else 1e-6), eps


def same_slope(one: Tensor, other: Tensor, tolerance: float, nothing: float) -> bool:
    """Whether two gradients agree: ‖a − b‖ ≤ tolerance · ‖b‖ + nothing.

    Args:
        one: The gradient a.
        other: The reference b.
        tolerance: Largest relative difference.
        nothing: A norm that is rounding alone.
    """
    if one.shape != other.shape:
        return False
    if not one.numel():
        return True
    difference, norm = (one - other).double().norm(), other.double().norm()
    return bool(difference <= tolerance * norm + nothing)


def same_output(one: Any, other: Any) -> bool:
    """Whether two outputs of the model differ by no more than rounding."""
    pairs = zip(tree_leaves(one), tree_leaves(other), strict=False)
    return all(
        a.shape == b.shape and (close(a, b) if a.is_floating_point() else torch.equal(a, b))
        for a, b in pairs
        if isinstance(a, Tensor) and isinstance(b, Tensor)
    )
