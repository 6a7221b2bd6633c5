"""Uniform noise on the target variable."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from salience.samplers.additive import AdditiveNoise
from salience.samplers.keyed import Numbers


@dataclass(frozen=True)
class UniformNoise(AdditiveNoise):
    """x' = x + w ε with ε uniform on (−1, 1) at every position, so that nothing moves beyond ±w.

    The mean gradient over a box around x, where SmoothGrad takes one over a Gaussian; the standard
    deviation of the noise is w / √3.

    Args:
        scale: w itself where ``mode="absolute"``; where ``mode="relative"``, w = scale ·
            (max − min) of the item. As for :class:`salience.GaussianNoise`.
        mode: ``"relative"`` or ``"absolute"``.
        only: As for :class:`salience.GaussianNoise`.
        antithetic: As for :class:`salience.GaussianNoise`.

    Raises:
        InputError: The scale is negative, the mode unknown, or ``only`` not boolean.
    """

    def unit(self, numbers: Numbers) -> Tensor:
        """Uniform numbers between −1 and 1."""
        return numbers.uniform().mul_(2).sub_(1)
