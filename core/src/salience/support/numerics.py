"""Whether numbers are finite, or the same but for rounding."""

from __future__ import annotations

import math

import torch
from torch import Tensor

# So many roundings may lie between the results of two ways to compute the same; in low precision
# they would be everything.
_ROUNDINGS, _MOST = 1000, 0.02


def all_finite(values: Tensor) -> bool:
    """Whether no value is NaN or infinite."""
    if not values.numel() or not values.is_floating_point():
        return True
    values = values.detach()
    # NaN carries over to both ends. To look at each value takes several times as long, and aminmax
    # copies what does not lie row by row.
    return math.isfinite(values.amin()) and math.isfinite(values.amax())


def agree(one: Tensor, other: Tensor) -> bool:
    """Whether floating-point or complex tensors of one shape differ by no more than rounding."""
    if not one.numel():
        return True
    tolerance = min(_ROUNDINGS * torch.finfo(other.dtype).eps, _MOST)
    return bool((one - other).abs().max() <= tolerance * other.abs().max())
