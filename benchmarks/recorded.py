"""Noise that is kept, so that others can be run at the very same points."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from salience import NoiseSampler, VariableDraw


@dataclass(frozen=True)
class Recorded(NoiseSampler):
    """What another sampler draws.

    Args:
        sampler: The other sampler.
        points: What it has made of the target variable, a tensor a call.
    """

    sampler: NoiseSampler
    points: list[Tensor] = field(default_factory=list)

    def __call__(self, x: Tensor, draw: VariableDraw) -> Tensor:
        """The other sampler's values."""
        moved = self.sampler(x, draw)
        self.points.append(moved.detach().clone())
        return moved
