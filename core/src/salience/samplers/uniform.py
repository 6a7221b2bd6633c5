"""Uniform noise on the target variable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from salience.samplers.additive import added, check_noise
from salience.samplers.base import NoiseSampler, VariableDraw


@dataclass(frozen=True)
class UniformNoise(NoiseSampler):
    """x' = x + w ε with ε uniform on (−1, 1) at every position, so that nothing moves beyond ±w.

    The mean gradient over a box around x, where SmoothGrad takes one over a Gaussian; the standard
    deviation of the noise is w / √3.

    Args:
        scale: w itself where ``mode="absolute"``; where ``mode="relative"``, w = scale ·
            (max − min) of the item. As for :class:`salience.GaussianNoise`.
        mode: ``"relative"`` or ``"absolute"``.
        only: As for :class:`salience.GaussianNoise`.

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
        noise = draw.numbers.uniform().mul_(2).sub_(1)
        return added(x, noise, draw, self.scale, self.mode, self.only)
