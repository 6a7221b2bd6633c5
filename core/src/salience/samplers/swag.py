"""SWAG: a normal posterior of the weights from the checkpoints of one training run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from salience.errors import InputError, brief
from salience.model.state_dicts import State, read_state, refuse_unreal, states_like
from salience.samplers.base import LARGEST_SCALE, ModelDraw, WeightDraw, WeightSampler

# Name of the random numbers that all tensors share. No name of a tensor begins with a dot.
_SHARED = ".checkpoints"


@dataclass(frozen=True)
class _Fit:
    """Statistics of one tensor over the checkpoints.

    Args:
        mean: Mean of all K checkpoints.
        std: Standard deviation of all K checkpoints (variance divided by K), same shape.
        deviations: Last checkpoints − mean, shape (rank, …); rank 0 for an averaged buffer.
    """

    mean: Tensor
    std: Tensor
    deviations: Tensor


@dataclass(frozen=True)
class SWAG(WeightSampler):
    """θ' = θ̄ + √α (σ ⊙ z₁ / √2 + D z₂ / √(2 (K − 1))), z₁, z₂ ~ N(0, I) (Maddox et al., 2019).

    θ̄ and σ² are mean and variance (divided by K) of the K checkpoints, and the columns of D are
    their deviations from the mean: one half of the covariance is diagonal, the other is that of D.
    Maddox et al. ("A simple baseline for Bayesian uncertainty in deep learning") take checkpoints
    along one run of SGD with a constant learning rate, after the loss has stopped falling.
    Buffers, such as the statistics of batch normalisation, are averaged over the checkpoints,
    whereas Maddox et al. run the data through the network again for each draw.

    Args:
        checkpoints: Two or more state dicts, models, or paths of files of state dicts.
        scale: α, the scale of the covariance; 1 is the SWAG posterior itself.
        rank: Number of columns of D, taken from the last checkpoints; this number replaces K under
            the root. K where ``None``.

    Raises:
        InputError: There are fewer than two checkpoints, or a number is out of range.
    """

    checkpoints: Sequence[Any] = field(metadata={"weights": True})
    scale: float = 1.0
    rank: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.checkpoints, Sequence) or isinstance(self.checkpoints, str):
            raise InputError(
                f"checkpoints is {brief(self.checkpoints)}; pass a list of state dicts"
            )
        if len(self.checkpoints) < 2:
            raise InputError(
                f"SWAG needs two checkpoints or more to have a covariance, got "
                f"{len(self.checkpoints)}"
            )
        if not 0 < self.scale < LARGEST_SCALE:
            raise InputError(f"scale={brief(self.scale)}; pass a number above 0, 1 for SWAG itself")
        if self.rank is not None and not 2 <= self.rank <= len(self.checkpoints):
            raise InputError(
                f"rank={brief(self.rank)}; pass 2 to {len(self.checkpoints)}, the number of "
                f"checkpoints"
            )

    def prepare(self, draw: ModelDraw, forward: Callable[[], object]) -> WeightSampler:
        """Compute mean and deviations of the checkpoints; refuse those of another architecture."""
        refuse_unreal(draw.model, "swag")
        states = states_like(draw.model, self.checkpoints, "checkpoint")
        return self._fitted(states, {name for name, _ in draw.model.named_parameters()})

    def draw(self, state: State, draw: WeightDraw) -> State:
        """One draw; after :meth:`prepare` the checkpoints are not read again for each."""
        states = [read_state(checkpoint) for checkpoint in self.checkpoints]
        return self._fitted(states, draw.parameters).draw(state, draw)

    def _fitted(self, states: Sequence[State], parameters: Collection[str]) -> _Fitted:
        fits = {}
        for name, value in states[0].items():
            if value.is_floating_point():
                rank = (self.rank or len(states)) if name in parameters else 0
                fits[name] = _fit([state[name] for state in states], rank)
        return _Fitted(self.scale, fits)


@dataclass(frozen=True)
class _Fitted(WeightSampler):
    """SWAG with the statistics of its checkpoints.

    Args:
        scale: α.
        fits: Name of a parameter or buffer → its statistics.
    """

    scale: float
    fits: Mapping[str, _Fit]

    def draw(self, state: State, draw: WeightDraw) -> State:
        """One draw of all the parameters, and the averaged buffers."""
        return {name: self._moved(name, fit, draw) for name, fit in self.fits.items()}

    def _moved(self, name: str, fit: _Fit, draw: WeightDraw) -> Tensor:
        rank = len(fit.deviations)
        if not rank:
            return fit.mean
        # The low-rank part uses the same normal number for each checkpoint in all tensors, so that
        # the weights of different tensors are correlated.
        along = draw.normal(_SHARED, fit.mean.new_empty(rank)) / (2 * (rank - 1)) ** 0.5
        own = fit.std * draw.normal(name, fit.mean) / 2**0.5
        moved = own + torch.tensordot(along, fit.deviations, 1)
        shifted: Tensor = fit.mean + self.scale**0.5 * moved
        return shifted


def _fit(values: list[Tensor], rank: int) -> _Fit:
    stacked = torch.stack([value.cpu() for value in values])
    mean = stacked.mean(0)
    deviations = stacked - mean
    std = deviations.square().mean(0).sqrt()
    return _Fit(mean, std, deviations[len(values) - rank :])
