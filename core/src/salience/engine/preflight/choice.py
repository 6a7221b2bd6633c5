"""Which rows of a pass are compared with reference rows, and how closely."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from salience.model.probe import Probe
from salience.scoring.rows import Rows


def chosen_rows(rows: Rows, number: int) -> list[int]:
    """The largest row, and the last of another item, draw and size where there are any.

    Args:
        rows: The rows of a pass.
        number: 2; or 1 for the second of the two alone.
    """
    sizes = _sizes(rows)
    largest = int(sizes.argmax())
    others = torch.ones_like(rows.items, dtype=torch.bool)
    others[largest] = False
    draws = rows.keys if rows.draws is None else rows.draws
    for column in (rows.items, draws, sizes):
        differing = others & (column != column[largest])
        others = differing if bool(differing.any()) else others
    if not bool(others.any()):
        return [largest]
    last = int(others.nonzero()[-1, 0])
    return [largest, last] if number == 2 else [last]


def turned_round(rows: Rows, chosen: Sequence[int]) -> list[int]:
    """The chosen rows, the last first; of one draw where weights are drawn.

    Args:
        rows: The rows of a pass.
        chosen: What :func:`chosen_rows` returned.
    """
    last = chosen[-1]
    if rows.draws is None:
        return list(reversed(chosen))
    same = (rows.draws == rows.draws[last]).nonzero()[:, 0].tolist()
    return [last] if same == [last] else [last, same[0] if same[0] != last else same[-1]]


def _sizes(rows: Rows) -> Tensor:
    """Size of each row: its elements, its real positions, or 1."""
    batch = rows.batch
    if batch.layout.elements:
        return batch.sizes()
    names = {spec.mask for spec in batch.layout.fields.values()} | {batch.layout.inner_mask}
    masks = [batch.arguments.get(name) for name in names if name is not None]
    real = [mask for mask in masks if isinstance(mask, Tensor) and len(mask) == len(rows)]
    if not real:
        return torch.ones_like(rows.items)
    return torch.stack([mask.flatten(1).sum(1) for mask in real]).sum(0)


def sizes_differ(rows: Rows) -> bool:
    """Whether the rows have several sizes."""
    sizes = _sizes(rows)
    return bool((sizes != sizes[0]).any())


def tolerances(probe: Probe, scalars: Tensor) -> tuple[float, float, float]:
    """Largest relative difference of f, and of the norm of its gradient; and the rounding unit.

    f is continuous, so that it differs by rounding only. Its gradient has jumps, such as those of
    ReLU, that rounding may cross.
    """
    if probe.is_half:
        return 5e-2, 0.3, 2.0**-8
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
