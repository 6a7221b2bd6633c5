"""Checks of parameter samplers, such as dropout, by explanations of examples."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch import nn

from salience.samplers.base import ModelDraw, ParameterSampler
from salience.support.isolation import generator_states
from salience.testing.comparing import close, difference, expect, model_state, same
from salience.testing.domains.models import Failing
from salience.testing.example import Example, values_of
from salience.testing.packing import expect_independent_of_packing, expect_no_fallback
from salience.testing.subject import Subject


def draws_differ(subject: Subject) -> None:
    """Draws of the parameters differ, and so do those of another seed."""
    for example in subject.examples:
        one = _explained(subject, example)
        spread = [s.flat_error for s in one.saliency.values()]
        expect(
            any(bool((errors > 0).any()) for errors in spread),
            f"no saliency of an item differs from draw to draw in {example.name}; pass data= and "
            f"model= with what the sampler changes, and draw by the keys",
        )
        other = _explained(subject, example, seed=99)
        expect(not same(values_of(one), values_of(other)), f"seeds do not matter in {example.name}")


def explanations_come_again(subject: Subject) -> None:
    """The same seed gives the same draws."""
    for example in subject.examples:
        one, again = (_explained(subject, example) for _ in range(2))
        expect(
            same(values_of(one), values_of(again)),
            f"the same seed gives other draws in {example.name}; take random numbers from the keys",
        )


def preflight_takes_no_fallback(subject: Subject) -> None:
    """Rows of one pass have the draws of their keys, as far as preflight shows."""
    for example in subject.examples:
        expect_no_fallback(_explained(subject, example), "draw each row by its own key")


def packing_does_not_matter(subject: Subject) -> None:
    """Draws of an item depend neither on its neighbours nor on the budget."""
    for example in subject.examples:
        parts: dict[str, Any] = {"samplers": [subject.part], "n_samples": 4}
        expect_independent_of_packing(example, parts)


def prediction_is_that_of_the_model(subject: Subject) -> None:
    """What is predicted, and with it the class that is explained, is drawn from nothing."""
    for example in subject.examples:
        plain, drawn = example.explained(), _explained(subject, example)
        expect(
            close(plain.prediction, drawn.prediction),
            f"the prediction is another with the sampler in {example.name}; let draws act only "
            f"inside active",
        )


def model_is_left_unchanged(subject: Subject) -> None:
    """Weights, flags, hooks and attributes of the model are as before, after failures too."""
    for example in subject.examples:
        for failing in (False, True):
            model = copy.deepcopy(example.model)
            own = replace(example, model=Failing(model) if failing else model)
            before = model_state(own.model)
            try:
                _explained(subject, own)
            except Exception:
                if not failing:
                    raise
            changed = difference(before, model_state(own.model))
            expect(
                not changed,
                f"it changed the model of {example.name}{' that fails' if failing else ''}: "
                f"{changed} is another",
            )


def replica_is_set_back(subject: Subject) -> None:
    """After active, also where a forward pass failed, the model that runs is as before."""
    for example in subject.examples:
        recorded = _recorded(subject, example)
        for before, after in recorded.states:
            changed = difference(before, after)
            expect(
                not changed,
                f"active left the model of {example.name} changed: {changed} is another; undo it "
                f"on exit, by try and finally",
            )
        draw, module = recorded.draws[0], nn.Linear(2, 2)
        module.dropout = nn.Dropout(0.3)
        before = model_state(draw.model if draw.model is not None else module)
        try:
            with subject.part.active(draw):
                raise RuntimeError("a forward pass fails")
        except RuntimeError:
            pass
        after = model_state(draw.model if draw.model is not None else module)
        changed = difference(before, after)
        expect(not changed, f"active left the model changed after a failure: {changed} is another")


def leaves_generators_unmoved(subject: Subject) -> None:
    """Forward passes with draws move no global random generator."""
    for example in subject.examples:
        recorded = _recorded(subject, example)
        for states in recorded.generators:
            moved = difference(*states)
            expect(
                not moved,
                f"it moved the global random generator of {moved} in {example.name}; draws are "
                f"made from keys",
            )


def prepared_sampler_pickles(subject: Subject) -> None:
    """What prepare returns can be sent to another process."""
    for example in subject.examples:
        recorded = _recorded(subject, example)
        prepared = recorded.prepared[0]
        expect(
            isinstance(prepared, ParameterSampler),
            f"prepare returned {type(prepared).__name__}; return a sampler",
        )
        pickle.loads(pickle.dumps(prepared))


@dataclass(frozen=True)
class Recorded(ParameterSampler):
    """Calls a parameter sampler, and keeps the states of model and generators around it.

    Args:
        inner: The sampler.
        states: State of the model before and after each forward pass.
        generators: States of the global generators before and after it.
        draws: The draws that it was given.
        prepared: What its prepare returned.
    """

    inner: Any = None
    states: list[Any] = field(default_factory=list)
    generators: list[Any] = field(default_factory=list)
    draws: list[ModelDraw] = field(default_factory=list)
    prepared: list[Any] = field(default_factory=list)

    @property
    def met(self) -> Sequence[Any]:  # type: ignore[override]
        """Those of the sampler."""
        return self.inner.met  # type: ignore[no-any-return]

    def active(self, draw: ModelDraw) -> Any:
        """The sampler's context, watched."""
        return _Watching(self, draw)

    def inactive(self) -> Any:
        """The sampler's context."""
        return self.inner.inactive()

    def changes(self, function: Any, args: Any, kwargs: Any) -> bool:
        """What the sampler says."""
        return bool(self.inner.changes(function, args, kwargs))

    def calls(self, draw: ModelDraw, forward: Any) -> Sequence[Any]:
        """Those of the sampler."""
        return self.inner.calls(draw, forward)  # type: ignore[no-any-return]

    def prepare(self, draw: ModelDraw, forward: Any) -> ParameterSampler:
        """The sampler that takes part, watched."""
        self.prepared.append(self.inner.prepare(draw, forward))
        return replace(self, inner=self.prepared[-1])


class _Watching:
    def __init__(self, recorded: Recorded, draw: ModelDraw) -> None:
        self.recorded, self.draw = recorded, draw
        self.context = recorded.inner.active(draw)

    def __enter__(self) -> Any:
        self.recorded.draws.append(self.draw)
        self.before = model_state(self.draw.model), generator_states()
        return self.context.__enter__()

    def __exit__(self, *error: Any) -> Any:
        done = self.context.__exit__(*error)
        self.recorded.states.append((self.before[0], model_state(self.draw.model)))
        self.recorded.generators.append((self.before[1], generator_states()))
        return done


def _recorded(subject: Subject, example: Example) -> Recorded:
    """What was asked of the sampler while an example was explained."""
    recorded = Recorded(inner=subject.part)
    _explained(replace(subject, part=recorded), example)
    return recorded


def _explained(subject: Subject, example: Example, seed: int = 0) -> Any:
    return example.explained(samplers=[subject.part], n_samples=4, seed=seed)


CHECKS = (
    draws_differ,
    explanations_come_again,
    preflight_takes_no_fallback,
    packing_does_not_matter,
    prediction_is_that_of_the_model,
    model_is_left_unchanged,
    replica_is_set_back,
    leaves_generators_unmoved,
    prepared_sampler_pickles,
)
