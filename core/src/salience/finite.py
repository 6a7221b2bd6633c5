"""Whether numbers are finite."""

from __future__ import annotations

import math

from torch import Tensor


def all_finite(values: Tensor) -> bool:
    """Whether no value is NaN or infinite."""
    if not values.numel() or not values.is_floating_point():
        return True
    values = values.detach()
    # NaN carries over to both ends. To look at each value takes several times as long, and aminmax
    # copies what does not lie row by row.
    return math.isfinite(values.amin()) and math.isfinite(values.amax())
