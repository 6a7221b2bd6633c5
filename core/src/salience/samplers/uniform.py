"""Uniform noise on the target variable."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from salience.samplers.additive import AdditiveNoise
from salience.samplers.keyed import Numbers


@dataclass(frozen=True)
class UniformNoise(AdditiveNoise):
    """x' = x + w ε with ε uniform on (−1, 1) at every position; no value moves by more than w.

    Averaged over draws, a gradient estimates the mean gradient over a box around x; in SmoothGrad,
    the mean is over a Gaussian. The standard deviation of the noise is w / √3.

    Args:
        scale: w itself where ``mode="absolute"``; where ``mode="relative"``, w = scale ·
            (max − min), the range of the item over its real positions and all axes. A number, or an
            array that broadcasts as for :class:`salience.GaussianNoise`.
        mode: ``"relative"`` to the range of each item, or ``"absolute"``.
        only: Positions that get noise, as for :class:`salience.GaussianNoise`.
        antithetic: Draws come in pairs with noise of opposite sign, as for
            :class:`salience.GaussianNoise`.

    Raises:
        InputError: The scale is negative, the mode unknown, or ``only`` not boolean.
    """

    def unit(self, numbers: Numbers) -> Tensor:
        """Uniform ε on the open interval (−1, 1) for every position, float64."""
        return numbers.uniform().mul_(2).sub_(1)
