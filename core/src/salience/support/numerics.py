"""Whether numbers are finite, and whether two tensors are close."""

from __future__ import annotations

import math

import torch
from torch import Tensor

# Two ways to compute the same may differ by this many roundings. In low precision so many roundings
# would allow any difference, so the tolerance is bounded.
_ROUNDINGS, _LARGEST = 1000, 0.02


def all_finite(values: Tensor) -> bool:
    """Whether no value is NaN or infinite."""
    if not values.numel() or not values.is_floating_point():
        return True
    values = values.detach()
    # NaN carries over to both ends. To look at each value takes several times as long, and aminmax
    # copies what does not lie row by row.
    return math.isfinite(values.amin()) and math.isfinite(values.amax())


def close(one: Tensor, other: Tensor, tolerance: float | None = None, scale: float = 0.0) -> bool:
    """Whether two tensors of one shape differ by little: max |a − b| ≤ tolerance · max |b|.

    Args:
        one: Floating-point or complex.
        other: What it is compared with.
        tolerance: Where ``None``, what rounding in the precision of ``other`` explains.
        scale: Takes the place of max |b| where it is larger.
    """
    if not one.numel():
        return True
    if tolerance is None:
        tolerance = min(_ROUNDINGS * torch.finfo(other.dtype).eps, _LARGEST)
    return bool((one - other).abs().max() <= tolerance * max(float(other.abs().max()), scale))
