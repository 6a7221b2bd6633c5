"""Noise that needs two random numbers for each position."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from salience import AdditiveNoise, Numbers


@dataclass(frozen=True)
class LaplaceNoise(AdditiveNoise):
    """x' = x + scale · ε with ε of Laplace's distribution, density exp(−|ε|) / 2.

    ε = log u₁ − log u₂ with u₁ and u₂ uniform on (0, 1) has this distribution. Its tails are
    heavier than those of normal noise of the same standard deviation, scale · √2.

    The parameters are those of :class:`salience.AdditiveNoise`: ``scale``, ``mode``, ``only`` and
    ``antithetic``.
    """

    def unit(self, numbers: Numbers) -> Tensor:
        """ε for every position: a function of the random numbers only, so that draws are keyed."""
        # Two numbers for each position: each set has one.
        first, second = numbers.spawn(2)
        return first.uniform().log() - second.uniform().log()
