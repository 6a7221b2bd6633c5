"""SmoothGrad: Gaussian noise on the target variable."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from salience.samplers.additive import AdditiveNoise
from salience.samplers.keyed import Numbers


@dataclass(frozen=True)
class GaussianNoise(AdditiveNoise):
    """x' = x + σ ε with ε ~ N(0, 1) at every position (Smilkov et al., "SmoothGrad", 2017).

    Args:
        scale: σ itself where ``mode="absolute"``; where ``mode="relative"``,
            σ = scale · (max − min), the range of the item over its real positions and all axes. A
            number, or an array that broadcasts against the target variable without its item or
            element axis: ``0.1 * data.std(0)`` in absolute mode scales the noise of each feature.
        mode: ``"relative"`` to the range of each item, or ``"absolute"``.
        only: Positions that get noise, a boolean array that broadcasts as ``scale`` does; all
            where ``None``.
        antithetic: Draws come in pairs with noise of opposite sign. Where the saliency is nearly
            linear in the noise, this reduces the error to half or less (Hammersley and Morton,
            1956).

    Raises:
        InputError: The scale is negative, the mode unknown, or ``only`` not boolean.
    """

    def unit(self, numbers: Numbers) -> Tensor:
        """Standard normal ε for every position, float64."""
        return numbers.normal()
