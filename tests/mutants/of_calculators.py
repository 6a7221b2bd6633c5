"""Mutants of calculators."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count
from typing import Any, ClassVar

import torch

from salience import Attribution, Calculator, Gradient, IntegratedGradients, Score

from .mutant import breaks

CALLS = count()


def changed(made: Attribution, change: Any) -> Attribution:
    """An attribution whose saliency is changed by a function."""
    return replace(made, saliency={name: change(value) for name, value in made.saliency.items()})


@breaks("returns_an_attribution", "calculator")
class ReturnsADict(Gradient):
    """Returns the saliency in a dict"""

    def __call__(self, score: Score, x: Any) -> Any:
        return super().__call__(score, x).saliency


@breaks("returns_an_attribution", "calculator")
class LeavesTargetOut(Gradient):
    """Returns saliency under another name than that of the target variable"""

    def __call__(self, score: Score, x: Any) -> Attribution:
        made = super().__call__(score, x)
        return replace(made, saliency={"saliency": next(iter(made.saliency.values()))})


@breaks("returns_an_attribution", "calculator")
class ScoreOfAll(Gradient):
    """Returns one score for all rows"""

    def __call__(self, score: Score, x: Any) -> Attribution:
        made = super().__call__(score, x)
        return replace(made, score=made.score.sum())


@breaks("saliency_has_the_shape_of_its_target", "calculator")
class AddsAnAxis(Gradient):
    """Returns saliency with an axis more"""

    def __call__(self, score: Score, x: Any) -> Attribution:
        return changed(super().__call__(score, x), lambda value: value[..., None])


@breaks("saliency_has_the_shape_of_its_target", "calculator")
class SumsAnAxis(Gradient):
    """Returns saliency without its last axis"""

    def __call__(self, score: Score, x: Any) -> Attribution:
        return changed(super().__call__(score, x), lambda value: value.sum(-1))


@breaks("saliency_has_the_dtype_of_its_target", "calculator")
class InFloat64(Gradient):
    """Returns float64 always"""

    def __call__(self, score: Score, x: Any) -> Attribution:
        return changed(super().__call__(score, x), lambda value: value.double())


@breaks("x_is_left_unchanged", "calculator")
class MovesInPlace(Gradient):
    """Moves the values of the target variable in place"""

    def __call__(self, score: Score, x: Any) -> Attribution:
        made = super().__call__(score, x)
        for value in x.values():
            value.add_(1)
        return made


@breaks("returns_no_graph", "calculator")
class KeepsTheGraph(Gradient):
    """Returns saliency with a graph of autograd"""

    def __call__(self, score: Score, x: Any) -> Attribution:
        made = super().__call__(score, x)
        with torch.enable_grad():
            return changed(made, lambda value: value * torch.ones(()).requires_grad_())


@breaks("score_is_f_at_x", "calculator")
class ScoreElsewhere(Gradient):
    """Returns f at another point"""

    def __call__(self, score: Score, x: Any) -> Attribution:
        made = super().__call__(score, x)
        return replace(made, score=score.value({name: 2 * v for name, v in x.items()}))


@breaks("packing_does_not_matter", "calculator")
class NormalisedOverRows(Gradient):
    """Divides by the largest value of all rows"""

    def __call__(self, score: Score, x: Any) -> Attribution:
        return changed(super().__call__(score, x), lambda value: value / value.abs().max())


@breaks("packing_does_not_matter", "calculator")
class MeanOverPadding(Gradient):
    """Divides by the number of positions, padding included"""

    def __call__(self, score: Score, x: Any) -> Attribution:
        return changed(super().__call__(score, x), lambda value: value / value[0].numel())


@breaks("packing_does_not_matter", "calculator")
class ByPlace(Gradient):
    """Multiplies by the place of each row"""

    def __call__(self, score: Score, x: Any) -> Attribution:
        def change(value: Any) -> Any:
            place = torch.arange(1, 1 + len(value), dtype=value.dtype)
            return value * place.reshape(-1, *[1] * (value.ndim - 1))

        return changed(super().__call__(score, x), change)


@breaks("padded_and_ragged_data_have_the_same_saliency", "calculator")
class RowsByFirstAxis(Gradient):
    """Takes the first axis for rows, which it is not on ragged data"""

    def __call__(self, score: Score, x: Any) -> Attribution:
        made = super().__call__(score, x)
        saliency = {}
        for name, value in made.saliency.items():
            mask = score.view(name).mask
            real = value if mask is None else value * mask
            saliency[name] = value / real.abs().flatten(1).sum(1).clamp(min=1e-9).reshape(
                -1, *[1] * (value.ndim - 1)
            )
        return replace(made, saliency=saliency)


@breaks("explains_twice_alike", "calculator")
class Stateful(Gradient):
    """Returns another saliency at each call"""

    def __call__(self, score: Score, x: Any) -> Attribution:
        return changed(super().__call__(score, x), lambda value: value * (1 + next(CALLS)))


@breaks("explains_twice_alike", "calculator")
class DrawsNoise(Gradient):
    """Draws noise from torch's generator"""

    def __call__(self, score: Score, x: Any) -> Attribution:
        made = super().__call__(score, x)
        return changed(made, lambda value: value + 0.1 * torch.randn(value.shape))


@breaks("draws_without_noise_change_nothing", "calculator")
class ByNumberOfRows(Gradient):
    """Divides by the number of rows, which draws multiply"""

    def __call__(self, score: Score, x: Any) -> Attribution:
        return changed(super().__call__(score, x), lambda value: value / len(score))


@breaks("draws_without_noise_change_nothing", "calculator")
@dataclass(frozen=True)
class SettlesElsewhere(Gradient):
    """Decides on another method where there are samplers"""

    def settle(self, clean: Any) -> Calculator:
        return Gradient(multiply_by_target=True)


@breaks("needs_gradient_as_it_says", "calculator")
class SaysNoGradient(Gradient):
    """Says that it needs no gradient, and takes one"""

    needs_gradient: ClassVar[bool] = False
    gradient_at_x: ClassVar[bool] = False


@breaks("completeness_holds_where_claimed", "calculator")
class ClaimsASum(Gradient):
    """Claims a sum that gradients do not have"""

    def __call__(self, score: Score, x: Any) -> Attribution:
        made = super().__call__(score, x)
        baseline = score.value({name: torch.zeros_like(v) for name, v in x.items()})
        return replace(made, baseline_score=baseline)


@breaks("completeness_holds_where_claimed", "calculator")
class ScaledIntegral(IntegratedGradients):
    """Returns an integral that is scaled, with the sum of the right one"""

    def __call__(self, score: Score, x: Any) -> Attribution:
        return changed(super().__call__(score, x), lambda value: 1.1 * value)


@breaks("pickles", "calculator", lambda cls: cls(transform=lambda value: value))
@dataclass(frozen=True)
class HoldsALambda(Gradient):
    """Holds a function that cannot be sent to another process"""

    transform: Any = None


@breaks("", "calculator", reason="the kit does not know which method is meant")
class Negated(Gradient):
    """Returns the gradient with the other sign"""

    def __call__(self, score: Score, x: Any) -> Attribution:
        return changed(super().__call__(score, x), lambda value: -value)
