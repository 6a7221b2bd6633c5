"""Whether numbers are finite, and whether two tensors are close."""

from __future__ import annotations

import math

import torch
from torch import Tensor

# Two ways to compute the same value may differ by this many units of the dtype's eps. In low
# precision that many units would allow any difference, so the relative tolerance is bounded.
_ROUNDINGS, _LARGEST = 1000, 0.02


def all_finite(values: Tensor) -> bool:
    """Whether no value is NaN or infinite; True for empty tensors and for integers."""
    if not values.numel() or not values.is_floating_point():
        return True
    values = values.detach()
    # A NaN or an infinity makes the sum NaN or infinite. The sum of finite values may overflow;
    # only then the extremes are looked at, which takes twice as long: a NaN makes both of them NaN.
    # Checking each value takes several times as long, and aminmax copies tensors that are not
    # contiguous.
    if values.dtype.itemsize < 2:  # torch sums no floats of 8 bits
        values = values.float()
    if math.isfinite(values.sum(dtype=torch.promote_types(values.dtype, torch.float32))):
        return True
    return math.isfinite(values.amin()) and math.isfinite(values.amax())


def real_dtype(values: Tensor) -> torch.dtype:
    """The dtype of these values or, where they are integers, torch's default for real numbers."""
    return values.dtype if values.is_floating_point() else torch.get_default_dtype()


def at_least_float32(values: Tensor) -> Tensor:
    """Numbers of 8 and 16 bits as float32; others as they are."""
    if values.dtype.itemsize < 2:
        return values.float()
    return values.to(torch.promote_types(values.dtype, torch.float32))


def close(
    one: Tensor, other: Tensor, tolerance: float | None = None, scale: float | None = None
) -> bool:
    """Whether two tensors of one shape are close: max |a − b| ≤ tolerance · max |b|.

    Args:
        one: The tensor a, floating-point or complex.
        other: The reference b.
        tolerance: Largest relative difference; where ``None``, the largest that rounding in the
            dtype of ``other`` explains: 1000 eps, but at most 0.02.
        scale: Takes the place of max |b|, unless ``None``.
    """
    if not one.numel():
        return True
    if tolerance is None:
        tolerance = min(_ROUNDINGS * torch.finfo(other.dtype).eps, _LARGEST)
    bound = other.abs().max() if scale is None else scale
    return bool((one - other).abs().max() <= tolerance * bound)
