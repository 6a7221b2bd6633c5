"""Checks of calculators, on dense, padded and ragged data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from salience.calculators.base import Attribution, Calculator
from salience.scoring.score import Score
from salience.support.isolation import generator_states
from salience.testing.comparing import NotTestedError, close, difference, expect, same
from salience.testing.example import Example
from salience.testing.packing import expect_close, expect_independent_of_packing
from salience.testing.subject import Subject


@dataclass(frozen=True)
class Call:
    """One call of a calculator.

    Args:
        score: The score that it was given.
        x: The values that it was given, as they are after the call.
        before: The same before the call.
        made: What it returned.
        generators: States of the global random generators before and after the call.
    """

    score: Score
    x: dict[str, Tensor]
    before: dict[str, Tensor]
    made: Any
    generators: tuple[dict[str, Any], dict[str, Any]]


@dataclass(frozen=True)
class Recorded(Calculator):
    """Calls a calculator and keeps what it was given and what it returned.

    Args:
        inner: The calculator.
        calls: Its calls.
    """

    inner: Any = None
    calls: list[Call] = field(default_factory=list)

    @property
    def additive(self) -> bool:
        """That of the calculator."""
        return bool(self.inner.additive)

    @property
    def gradient_at_x(self) -> bool:  # type: ignore[override]
        """That of the calculator."""
        return bool(self.inner.gradient_at_x)

    @property
    def needs_gradient(self) -> bool:  # type: ignore[override]
        """That of the calculator."""
        return bool(self.inner.needs_gradient)

    def __call__(self, score: Score, x: Any) -> Attribution:
        """What the calculator returns."""
        before = {name: value.clone() for name, value in x.items()}
        states = generator_states()
        made = self.inner(score, x)
        after = generator_states()
        self.calls.append(Call(score, x, before, made=made, generators=(states, after)))
        return made  # type: ignore[no-any-return]


def returns_an_attribution(subject: Subject) -> None:
    """It returns an Attribution: saliency of each target variable, and a score of each row."""
    for example, call in _calls(subject):
        made = call.made
        expect(
            isinstance(made, Attribution),
            f"it returned {type(made).__name__} in {example.name}; return salience.Attribution",
        )
        expect(
            set(made.saliency) == set(call.x),
            f"it returned saliency of {sorted(made.saliency)} for the target variables "
            f"{sorted(call.x)} of {example.name}",
        )
        for what, value in (("score", made.score), ("baseline_score", made.baseline_score)):
            if value is None and what == "baseline_score":
                continue
            shape = tuple(getattr(value, "shape", ()))
            expect(
                shape == (len(call.score),),
                f"its {what} has shape {shape} in {example.name}, expected ({len(call.score)},), "
                f"one a row",
            )


def saliency_has_the_shape_of_its_target(subject: Subject) -> None:
    """Saliency broadcasts to its target variable: its lengths along each axis, or 1."""
    for example, call in _calls(subject):
        for name, x in call.x.items():
            shape = tuple(call.made.saliency[name].shape)
            axis = call.score.view(name).row_axis
            fits = len(shape) == x.ndim and all(
                own == n or (own == 1 and i != axis)
                for i, (own, n) in enumerate(zip(shape, x.shape, strict=True))
            )
            expect(
                fits,
                f"its saliency of {name!r} has shape {shape} in {example.name}, expected "
                f"{tuple(x.shape)}, or 1 along an axis that it does not resolve",
            )


def saliency_has_the_dtype_of_its_target(subject: Subject) -> None:
    """A model of float32 has saliency of float32, and one of float64 that of float64."""
    for example in subject.examples:
        for dtype in (torch.float32, torch.float64):
            recorded = Recorded(subject.part)
            example.in_precision(dtype).explained(recorded)
            for call in recorded.calls:
                for name, value in call.made.saliency.items():
                    expect(
                        value.dtype == dtype,
                        f"its saliency of {name!r} is {value.dtype} in {example.name} with a model "
                        f"of {dtype}",
                    )


def x_is_left_unchanged(subject: Subject) -> None:
    """The values that a calculator is given are as before."""
    for example, call in _calls(subject):
        expect(
            same(call.before, dict(call.x)),
            f"it changed the values of its target variable in {example.name}; work on a copy",
        )


def returns_no_graph(subject: Subject) -> None:
    """What a calculator returns holds no graph of autograd, whose memory would be kept."""
    for example, call in _calls(subject):
        tensors = {"score": call.made.score, **call.made.saliency}
        for name, value in tensors.items():
            expect(
                not value.requires_grad,
                f"its {name} requires a gradient in {example.name}; detach it",
            )


def score_is_f_at_x(subject: Subject) -> None:
    """The score of a row is f(x)."""
    for example, call in _calls(subject):
        truth = call.score.value(call.before)
        expect(
            close(call.made.score.to(truth.dtype), truth),
            f"its score in {example.name} is not f(x), the value of score.value(x)",
        )


def packing_does_not_matter(subject: Subject) -> None:
    """Saliency of an item depends neither on its neighbours and their padding nor on the budget."""
    for example in subject.examples:
        expect_independent_of_packing(example, {"calculator": subject.part})


def padded_and_ragged_data_have_the_same_saliency(subject: Subject) -> None:
    """The same items have the same saliency, whether padded or ragged."""
    if subject.own:
        raise NotTestedError("data was given; leave data= out to try the examples of the kit")
    _, padded, ragged = subject.examples
    one, two = padded.explained(subject.part), ragged.explained(subject.part)
    every = list(range(len(padded.samples)))
    expect_close(one, two, every, "that is ragged and not padded")


def explains_twice_alike(subject: Subject) -> None:
    """A calculator draws nothing: it returns the same each time and moves no global generator."""
    for example in subject.examples:
        one = Recorded(subject.part)
        example.explained(one)
        again = Recorded(subject.part)
        example.explained(again)
        for first, second in zip(one.calls, again.calls, strict=False):
            expect(
                same(dict(first.made.saliency), dict(second.made.saliency)),
                f"its saliency differs from call to call in {example.name}; random numbers belong "
                f"to samplers",
            )
        for call in one.calls:
            moved = difference(*call.generators)
            expect(not moved, f"it moved the global random generator of {moved} in {example.name}")


def draws_without_noise_change_nothing(subject: Subject) -> None:
    """Draws of noise of scale 0 have the saliency that there is without samplers."""
    for example in subject.examples:
        noise = [{"name": "gaussian", "scale": 0.0, "mode": "absolute"}]
        plain = example.explained(subject.part)
        drawn = example.explained(subject.part, samplers=noise, n_samples=2)
        for name, saliency in plain.saliency.items():
            expect(
                close(saliency.flat, drawn.saliency[name].flat),
                f"its saliency in {example.name} is another where there are samplers, although "
                f"they draw nothing; look at gradient_at_x, settle, and how rows belong to items",
            )


def needs_gradient_as_it_says(subject: Subject) -> None:
    """A calculator that says it needs no gradient takes none."""
    if subject.part.needs_gradient:
        raise NotTestedError("the calculator needs gradients, as needs_gradient says")
    for example in subject.examples:
        without = replace(example, model=WithoutBackward(example.model))
        without.explained(subject.part)


def completeness_holds_where_claimed(subject: Subject) -> None:
    """Saliency sums to f(x) − f(baseline) where a calculator returns baseline_score."""
    claimed = False
    for example, call in _calls(subject):
        made = call.made
        if made.baseline_score is None:
            continue
        claimed = True
        total = torch.zeros_like(made.score)
        for name, value in made.saliency.items():
            full = value if value.shape == call.x[name].shape else value.expand(call.x[name].shape)
            total += call.score.view(name).sum(full).flatten()
        change = made.score - made.baseline_score
        gap = float((total - change).abs().max())
        expect(
            gap <= 0.02 * float(change.abs().max()) + 1e-6,
            f"its saliency does not sum to f(x) − f(baseline) in {example.name}, but is off by "
            f"{gap:.2g}; return no baseline_score, or take finer steps",
        )
    if not claimed:
        raise NotTestedError("the calculator returns no baseline_score, so it claims no sum")


class WithoutBackward(torch.nn.Module):
    """A model whose backward pass fails.

    Args:
        model: The model.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The model's output."""
        made = _NoBackward.apply(self.model(*args, **kwargs))  # type: ignore[no-untyped-call]
        return made


class _NoBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        raise RuntimeError("it takes a gradient, although needs_gradient is False")


def _calls(subject: Subject) -> Iterator[tuple[Example, Call]]:
    for example in subject.examples:
        recorded = Recorded(subject.part)
        try:
            example.explained(recorded)
        except Exception:
            if not recorded.calls:
                raise  # else the check says what is wrong with what was returned
        for call in recorded.calls:
            yield example, call


CHECKS = (
    returns_an_attribution,
    saliency_has_the_shape_of_its_target,
    saliency_has_the_dtype_of_its_target,
    x_is_left_unchanged,
    returns_no_graph,
    score_is_f_at_x,
    packing_does_not_matter,
    padded_and_ragged_data_have_the_same_saliency,
    explains_twice_alike,
    draws_without_noise_change_nothing,
    needs_gradient_as_it_says,
    completeness_holds_where_claimed,
)
