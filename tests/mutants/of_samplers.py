"""Mutants of samplers: of noise, of parameters and of weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import torch
from torch import Tensor

from salience import (
    GaussianNoise,
    MCDropout,
    ModelDraw,
    NoiseSampler,
    ParameterSampler,
    VariableDraw,
    WeightDraw,
    WeightNoise,
)

from .mutant import breaks

CALLS = count()

# --- Noise ----------------------------------------------------------------------------------------


class Plain(NoiseSampler):
    """Noise of one scale at real positions."""

    def __call__(self, x: Tensor, draw: VariableDraw) -> Tensor:
        noise = self.noise(x, draw).to(x.dtype)
        return x + (noise if draw.view.mask is None else noise * draw.view.mask)

    def noise(self, x: Tensor, draw: VariableDraw) -> Tensor:
        return 0.3 * draw.numbers.normal()


@breaks("shape_and_dtype_are_kept", "noise sampler")
@dataclass(frozen=True)
class NoiseInFloat64(Plain):
    """Returns float64 always"""

    def __call__(self, x: Tensor, draw: VariableDraw) -> Tensor:
        return super().__call__(x, draw).double()


@breaks("shape_and_dtype_are_kept", "noise sampler")
@dataclass(frozen=True)
class NoiseFlattened(Plain):
    """Returns values of another shape"""

    def __call__(self, x: Tensor, draw: VariableDraw) -> Tensor:
        return super().__call__(x, draw).flatten(1)


@breaks("x_is_left_unchanged", "noise sampler")
@dataclass(frozen=True)
class NoiseInPlace(Plain):
    """Adds noise in place"""

    def __call__(self, x: Tensor, draw: VariableDraw) -> Tensor:
        return x.copy_(super().__call__(x, draw))


@breaks("padding_is_left_unchanged", "noise sampler")
@dataclass(frozen=True)
class NoiseOnPadding(Plain):
    """Adds noise to padding"""

    def __call__(self, x: Tensor, draw: VariableDraw) -> Tensor:
        return x + self.noise(x, draw).to(x.dtype)


@breaks("draws_differ", "noise sampler")
@dataclass(frozen=True)
class NoiseOfNothing(Plain):
    """Adds nothing"""

    def noise(self, x: Tensor, draw: VariableDraw) -> Tensor:
        return torch.zeros_like(x)


@breaks("draws_differ", "noise sampler")
@dataclass(frozen=True)
class NoiseOfOneDraw(Plain):
    """Adds the same to all draws of an item"""

    def noise(self, x: Tensor, draw: VariableDraw) -> Tensor:
        return 0.3 * x.abs()


@breaks("items_differ", "noise sampler")
@dataclass(frozen=True)
class NoiseOfDraws(Plain):
    """Adds the same to all items of a draw"""

    def noise(self, x: Tensor, draw: VariableDraw) -> Tensor:
        n_rows = len(draw.numbers.keys)
        keys = draw.numbers.keys[:: max(1, n_rows // 4)].repeat_interleave(max(1, n_rows // 4))
        return 0.3 * replace(draw.numbers, keys=keys[:n_rows]).normal()


@breaks("draws_are_keyed", "noise sampler")
@dataclass(frozen=True)
class NoiseOfPlaces(Plain):
    """Draws by the place of a row"""

    def noise(self, x: Tensor, draw: VariableDraw) -> Tensor:
        keys = torch.arange(len(draw.numbers.keys))
        return 0.3 * replace(draw.numbers, keys=keys).normal()


@breaks("draws_are_keyed", "noise sampler")
@dataclass(frozen=True)
class NoiseOfTheBatchRange(Plain):
    """Scales noise by the range of all rows"""

    def noise(self, x: Tensor, draw: VariableDraw) -> Tensor:
        return super().noise(x, draw) * (x.max() - x.min())


@breaks("draws_are_keyed", "noise sampler")
@dataclass(frozen=True)
class NoiseByCall(Plain):
    """Draws something else at each call"""

    def noise(self, x: Tensor, draw: VariableDraw) -> Tensor:
        return super().noise(x, draw) * (1 + next(CALLS))


@breaks("leaves_generators_unmoved", "noise sampler")
@dataclass(frozen=True)
class NoiseOfTorch(Plain):
    """Draws from torch's global generator"""

    def noise(self, x: Tensor, draw: VariableDraw) -> Tensor:
        return torch.randn(x.shape)


@breaks("antithetic_pairs_cancel", "noise sampler", lambda cls: cls(antithetic=True))
@dataclass(frozen=True)
class NoiseWithoutSign(Plain):
    """Says antithetic, and ignores the sign"""

    antithetic: bool = False


@breaks("packing_does_not_matter", "noise sampler")
@dataclass(frozen=True)
class NoiseOfNumberOfRows(Plain):
    """Scales noise by the number of rows"""

    def noise(self, x: Tensor, draw: VariableDraw) -> Tensor:
        return super().noise(x, draw) * len(draw.view)


@breaks("settings_survive_saving", "noise sampler")
@dataclass(frozen=True)
class NoiseOfDoubledScale(GaussianNoise):
    """Changes a setting each time that it is made"""

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", 2 * self.scale)


# --- Parameters -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Changed(ParameterSampler):
    """Dropout whose draws are changed."""

    inner: Any = field(default_factory=MCDropout)

    @property
    def met(self) -> Any:  # type: ignore[override]
        return self.inner.met

    def active(self, draw: ModelDraw) -> Any:
        return self.inner.active(replace(draw, keys=self.keys(draw.keys)))

    def inactive(self) -> Any:
        return self.inner.inactive()

    def changes(self, function: Any, args: Any, kwargs: Any) -> bool:
        return bool(self.inner.changes(function, args, kwargs))

    def calls(self, draw: ModelDraw, forward: Callable[[], object]) -> Any:
        return self.inner.calls(draw, forward)

    def prepare(self, draw: ModelDraw, forward: Callable[[], object]) -> Any:
        return replace(self, inner=self.inner.prepare(draw, forward))

    def keys(self, keys: Tensor) -> Tensor:
        return keys


@breaks("draws_differ", "parameter sampler")
class OneMask(Changed):
    """Draws the same masks always"""

    def keys(self, keys: Tensor) -> Tensor:
        return torch.zeros_like(keys)


@breaks("explanations_come_again", "parameter sampler")
class MasksByCall(Changed):
    """Draws other masks at each pass"""

    def keys(self, keys: Tensor) -> Tensor:
        return keys + next(CALLS)


@breaks("preflight_takes_no_fallback", "parameter sampler")
class MasksByPlace(Changed):
    """Draws masks by the place of a row"""

    def keys(self, keys: Tensor) -> Tensor:
        return keys[0] + torch.arange(len(keys))


@breaks("prediction_is_that_of_the_model", "parameter sampler")
class ScalesWeights(Changed):
    """Scales the weights of the model that runs, and does not set them back"""

    @contextmanager
    def active(self, draw: ModelDraw) -> Iterator[None]:
        draw.model.head.weight.data = draw.model.head.weight.data * 1.5
        with super().active(draw):
            yield

    @contextmanager
    def inactive(self) -> Iterator[None]:
        yield


@breaks("replica_is_set_back", "parameter sampler")
class LeavesAHook(Changed):
    """Leaves a hook on the model that runs"""

    @contextmanager
    def active(self, draw: ModelDraw) -> Iterator[None]:
        draw.model.register_forward_hook(lambda *given: None)
        with super().active(draw):
            yield


@breaks("replica_is_set_back", "parameter sampler")
class LeavesTrainMode(Changed):
    """Leaves the model that runs in train mode where a pass fails"""

    @contextmanager
    def active(self, draw: ModelDraw) -> Iterator[None]:
        with super().active(draw):
            draw.model.head.train()
            yield
            draw.model.head.eval()


@breaks("leaves_generators_unmoved", "parameter sampler")
class SeedsTorch(Changed):
    """Seeds torch's global generator for each pass"""

    @contextmanager
    def active(self, draw: ModelDraw) -> Iterator[None]:
        torch.manual_seed(int(draw.keys[0]) % 1000)
        with super().active(draw):
            yield


@breaks("prepared_sampler_pickles", "parameter sampler")
@dataclass(frozen=True)
class PreparesALambda(Changed):
    """Prepares a sampler that cannot be sent to another process"""

    function: Any = None

    def prepare(self, draw: ModelDraw, forward: Callable[[], object]) -> Any:
        return replace(super().prepare(draw, forward), function=lambda: None)


# --- Weights --------------------------------------------------------------------------------------


class Weights(WeightNoise):
    """Noise of weights that is changed."""

    def draw(self, state: Mapping[str, Tensor], draw: WeightDraw) -> Mapping[str, Tensor]:
        return self.changed(dict(super().draw(state, draw)))

    def changed(self, drawn: dict[str, Tensor]) -> dict[str, Tensor]:
        return drawn


@breaks("draws_weights_of_the_model", "weight sampler")
class DrawsUnknown(Weights):
    """Draws a weight that the model lacks"""

    def changed(self, drawn: dict[str, Tensor]) -> dict[str, Tensor]:
        return {**drawn, "tail.weight": torch.zeros(3)}


@breaks("draws_weights_of_the_model", "weight sampler")
class DrawsFlat(Weights):
    """Draws weights of another shape"""

    def changed(self, drawn: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: value.flatten() for name, value in drawn.items()}


@breaks("draws_weights_of_the_model", "weight sampler")
class DrawsHalf(Weights):
    """Draws weights of another dtype"""

    def changed(self, drawn: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: value.float() for name, value in drawn.items()}


@breaks("draws_weights_of_the_model", "weight sampler")
class DrawsNaN(Weights):
    """Draws weights that are no numbers"""

    def changed(self, drawn: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: value / 0 for name, value in drawn.items()}


@breaks("weights_are_left_unchanged", "weight sampler")
class DrawsInPlace(Weights):
    """Writes a draw into the weights that it is given"""

    def draw(self, state: Mapping[str, Tensor], draw: WeightDraw) -> Mapping[str, Tensor]:
        drawn = super().draw(state, draw)
        for name, value in drawn.items():
            state[name].copy_(value)
        return drawn


@breaks("draws_differ", "weight sampler")
class DrawsOne(Weights):
    """Makes the same draw always"""

    def draw(self, state: Mapping[str, Tensor], draw: WeightDraw) -> Mapping[str, Tensor]:
        return super().draw(state, replace(draw, key=7))


@breaks("draws_are_keyed", "weight sampler")
class DrawsByCall(Weights):
    """Makes another draw at each call"""

    def draw(self, state: Mapping[str, Tensor], draw: WeightDraw) -> Mapping[str, Tensor]:
        return super().draw(state, replace(draw, key=next(CALLS)))


@breaks("leaves_generators_unmoved", "weight sampler")
class DrawsOfTorch(Weights):
    """Draws from torch's global generator"""

    def changed(self, drawn: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: value + torch.randn(()) for name, value in drawn.items()}


@breaks("explanations_come_again", "weight sampler")
class DrawsOfAnotherSeed(Weights):
    """Makes other draws for each explanation"""

    def prepare(self, draw: ModelDraw, forward: Callable[[], object]) -> Any:
        return Seeded(0.2, seed=next(CALLS))


@dataclass(frozen=True)
class Seeded(WeightNoise):
    seed: int = 0

    def draw(self, state: Mapping[str, Tensor], draw: WeightDraw) -> Mapping[str, Tensor]:
        return super().draw(state, replace(draw, key=draw.key + self.seed))


@breaks("prediction_is_that_of_the_model", "weight sampler")
class PreparesWeights(Weights):
    """Moves the weights of the model that runs"""

    def prepare(self, draw: ModelDraw, forward: Callable[[], object]) -> Any:
        for parameter in draw.model.parameters():
            parameter.data = parameter.data * 1.5
        return self


@breaks("model_is_left_unchanged", "weight sampler")
class WritesWeights(Weights):
    """Writes into the user's weights, which the model that runs shares"""

    def prepare(self, draw: ModelDraw, forward: Callable[[], object]) -> Any:
        with torch.no_grad():
            for parameter in draw.model.parameters():
                parameter.mul_(1.5)
        return self


@breaks("prepared_sampler_pickles", "weight sampler")
@dataclass(frozen=True)
class PreparesAModule(Weights):
    """Prepares a sampler that holds a function"""

    function: Any = None

    def prepare(self, draw: ModelDraw, forward: Callable[[], object]) -> Any:
        return replace(self, function=lambda: draw.model)


@breaks("number_of_draws_is_kept", "weight sampler")
class SaysThreeDraws(Weights):
    """Says that it has three draws, and makes two"""

    max_draws = 3

    def draw(self, state: Mapping[str, Tensor], draw: WeightDraw) -> Mapping[str, Tensor]:
        drawn = super().draw(state, draw)
        return [drawn, drawn][draw.number]
