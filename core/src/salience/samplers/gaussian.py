"""SmoothGrad: Gaussian noise on the target variable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from salience.samplers.additive import added, check_noise
from salience.samplers.base import NoiseSampler, VariableDraw


@dataclass(frozen=True)
class GaussianNoise(NoiseSampler):
    """x' = x + σ ε with ε ~ N(0, 1) at every position (Smilkov et al., "SmoothGrad", 2017).

    Args:
        scale: σ itself where ``mode="absolute"``; where ``mode="relative"``,
            σ = scale · (max − min), the range of the item over its real positions and all axes. One
            number, or an array that broadcasts against the target variable without its item or
            element axis: ``0.1 * data.std(0)`` gives each feature a noise of its own.
        mode: ``"relative"`` or ``"absolute"``.
        only: Positions that get noise, a boolean array that broadcasts as ``scale`` does; all
            where ``None``.

    Raises:
        InputError: The scale is negative, the mode unknown, or ``only`` not boolean.
    """

    scale: Any = 0.15
    mode: str = "relative"
    only: Any = None

    def __post_init__(self) -> None:
        check_noise(self.scale, self.mode, self.only)

    def __call__(self, x: Tensor, draw: VariableDraw) -> Tensor:
        """Noise that depends on the draw alone, added at real positions."""
        return added(x, draw.numbers.normal(), draw, self.scale, self.mode, self.only)
