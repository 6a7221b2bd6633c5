"""SmoothGrad: Gaussian noise on the target variable."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from salience.errors import InputError
from salience.samplers.base import NoiseSampler, VariableDraw


@dataclass(frozen=True)
class GaussianNoise(NoiseSampler):
    """x' = x + σ ε with ε ~ N(0, 1) at every position (Smilkov et al., "SmoothGrad", 2017).

    Args:
        scale: σ itself where ``mode="absolute"``; where ``mode="relative"``,
            σ = scale · (max − min), the range of the item over its real positions and all axes.
        mode: ``"relative"`` or ``"absolute"``.

    Raises:
        InputError: The scale is negative or the mode unknown.
    """

    scale: float = 0.15
    mode: str = "relative"

    def __post_init__(self) -> None:
        if self.mode not in ("relative", "absolute"):
            raise InputError(f"mode={self.mode!r} is neither 'relative' nor 'absolute'")
        if not self.scale >= 0:
            raise InputError(f"scale={self.scale!r}; pass a number from 0")

    def __call__(self, x: Tensor, draw: VariableDraw) -> Tensor:
        """Noise that depends on the draw alone, added at real positions."""
        noise = draw.numbers.normal().to(x.dtype) * self.scale
        if self.mode == "relative":
            noise *= draw.range(x)
        if draw.mask is not None:
            noise *= draw.mask
        return x + noise
