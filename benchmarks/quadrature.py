"""Path points of integrated gradients for the loops written by hand."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def gauss_legendre(steps: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Points in [0, 1] and weights that sum to 1, shape (S,) each."""
    points, weights = np.polynomial.legendre.leggauss(steps)
    return torch.tensor((points + 1) / 2, dtype=dtype), torch.tensor(weights / 2, dtype=dtype)
