"""NoiseGrad: random noise on the parameters of the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from salience.errors import InputError, brief
from salience.model.state_dicts import State, refuse_unreal
from salience.samplers.base import LARGEST_SCALE, ModelDraw, WeightDraw, WeightSampler


@dataclass(frozen=True)
class WeightNoise(WeightSampler):
    """θ' = θ (1 + σ ε) with ε ~ N(0, 1) for every parameter (Bykov et al., "NoiseGrad", 2022).

    Buffers, such as the statistics of batch normalisation, keep their values. The spread of the
    draws shows how much the saliency depends on the exact weights. The noise is not a posterior of
    the weights, since its width does not depend on the data.

    Args:
        scale: σ, the standard deviation of the noise, relative to θ in multiplicative mode.
        mode: ``"multiplicative"`` for the equation above, or ``"additive"`` for θ' = θ + σ ε.

    Raises:
        InputError: σ is not above 0, or the mode is unknown.
    """

    scale: float = 0.2
    mode: str = "multiplicative"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mode not in ("multiplicative", "additive"):
            raise InputError(f"mode={brief(self.mode)} is neither 'multiplicative' nor 'additive'")
        if not 0 < self.scale < LARGEST_SCALE:
            raise InputError(
                f"scale={brief(self.scale)} moves no weight, or out of range; pass a number above "
                f"0 and below {LARGEST_SCALE:g}"
            )

    def prepare(self, draw: ModelDraw, forward: Callable[[], object]) -> WeightSampler:
        """Refuse a model without parameters, or with some that are not real numbers."""
        refuse_unreal(draw.model, "weight_noise")
        if not any(p.is_floating_point() for p in draw.model.parameters()):
            raise InputError("weight_noise needs a model with parameters, and this one has none")
        return self

    def draw(self, state: State, draw: WeightDraw) -> State:
        """The parameters with noise; buffers keep their values."""
        return {
            name: self._moved(value, draw.normal(name, value))
            for name, value in state.items()
            if name in draw.parameters and value.is_floating_point()
        }

    def _moved(self, value: Tensor, noise: Tensor) -> Tensor:
        noise *= self.scale
        return value + (value * noise if self.mode == "multiplicative" else noise)
