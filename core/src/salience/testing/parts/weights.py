"""Checks of weight samplers, by draws of an example's weights and by explanations."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from salience.errors import InputError
from salience.samplers.base import ModelDraw, WeightDraw, WeightSampler
from salience.samplers.keyed import draw_key
from salience.support.isolation import generator_states
from salience.testing.comparing import NotTestedError, close, difference, expect, model_state, same
from salience.testing.domains.models import Failing
from salience.testing.domains.reading import expect_generators
from salience.testing.example import Example, values_of
from salience.testing.packing import expect_independent_of_packing
from salience.testing.subject import Subject


def draws_weights_of_the_model(subject: Subject) -> None:
    """A draw names only weights of the model, with their shapes and dtypes, and finite values."""
    for example, prepared, state in _prepared(subject):
        for name, value in _drawn(prepared, example, state).items():
            expect(
                name in state,
                f"it drew {name!r}, which is no weight of {example.name}",
            )
            expect(
                value.shape == state[name].shape and value.dtype == state[name].dtype,
                f"it drew {name!r} of shape {tuple(value.shape)} and {value.dtype}, expected "
                f"{tuple(state[name].shape)} and {state[name].dtype}",
            )
            expect(
                bool(value.isfinite().all()), f"it drew {name!r} with values that are not finite"
            )


def weights_are_left_unchanged(subject: Subject) -> None:
    """The weights that a draw is given are as before."""
    for example, prepared, state in _prepared(subject):
        before = {name: value.clone() for name, value in state.items()}
        _drawn(prepared, example, state)
        changed = difference(before, state)
        expect(not changed, f"draw changed {changed!r} in place; work on a copy")


def draws_differ(subject: Subject) -> None:
    """Draws differ from each other."""
    for example, prepared, state in _prepared(subject):
        one, other = (_drawn(prepared, example, state, number) for number in (0, 1))
        expect(not same(dict(one), dict(other)), f"two draws are the same in {example.name}")


def draws_are_keyed(subject: Subject) -> None:
    """A draw depends on its number and key alone, in whatever order draws are made."""
    for example, prepared, state in _prepared(subject):
        one, other = (_drawn(prepared, example, state, number) for number in (0, 1))
        turned, again = (_drawn(prepared, example, state, number) for number in (1, 0))
        expect(
            same(dict(one), dict(again)) and same(dict(other), dict(turned)),
            f"a draw is another when it is made again in {example.name}; take random numbers from "
            f"draw.key",
        )


def explanations_come_again(subject: Subject) -> None:
    """The same seed gives the same numbers, whatever items share a batch."""
    for example in _fitting(subject):
        parts: dict[str, Any] = {"samplers": [subject.part], "n_samples": 2}
        expect_independent_of_packing(example, parts)
        one, again = (example.explained(**parts) for _ in range(2))
        expect(same(values_of(one), values_of(again)), f"the same seed differs in {example.name}")


def prediction_is_that_of_the_model(subject: Subject) -> None:
    """What is predicted comes from the model's own weights."""
    for example in _fitting(subject):
        plain = example.explained()
        drawn = example.explained(samplers=[subject.part], n_samples=2)
        expect(
            close(plain.prediction, drawn.prediction),
            f"the prediction is another with the sampler in {example.name}",
        )


def model_is_left_unchanged(subject: Subject) -> None:
    """Weights, flags, hooks and attributes of the model are as before, after failures too."""
    for example in _fitting(subject):
        for failing in (False, True):
            model = copy.deepcopy(example.model)
            own = replace(example, model=Failing(model) if failing else model)
            before = model_state(own.model)
            try:
                own.explained(samplers=[subject.part], n_samples=2)
            except Exception:
                if not failing:
                    raise
            changed = difference(before, model_state(own.model))
            expect(not changed, f"it changed the model of {example.name}: {changed} is another")


def leaves_generators_unmoved(subject: Subject) -> None:
    """Drawing moves no global random generator."""
    for example, prepared, state in _prepared(subject):
        before = generator_states()
        _drawn(prepared, example, state)
        expect_generators(before, f"draw in {example.name}")


def prepared_sampler_pickles(subject: Subject) -> None:
    """What prepare returns can be sent to another process, and draws the same there."""
    for example, prepared, state in _prepared(subject):
        expect(
            isinstance(prepared, WeightSampler),
            f"prepare returned {type(prepared).__name__}; return a sampler",
        )
        again = pickle.loads(pickle.dumps(prepared))
        expect(
            same(dict(_drawn(prepared, example, state)), dict(_drawn(again, example, state))),
            "a draw is another after the sampler was pickled",
        )


def number_of_draws_is_kept(subject: Subject) -> None:
    """A sampler with a largest number of draws makes that many."""
    limit = subject.part.max_draws
    if limit is None:
        raise NotTestedError("the sampler has no largest number of draws")
    expect(isinstance(limit, int) and limit >= 1, f"max_draws is {limit!r}; give a whole number")
    for example, prepared, state in _prepared(subject):
        for number in range(limit):
            _drawn(prepared, example, state, number)


def _fitting(subject: Subject) -> list[Example]:
    """The examples with whose models the sampler can be used: all, or those of its own weights.

    Raises:
        NotTestedError: It fits the model of none.
    """
    found = []
    for example in subject.examples:
        try:
            _prepare(subject.part, copy.deepcopy(example.model))
        except InputError:
            if subject.own:
                raise
            continue
        found.append(example)
    if not found:
        raise NotTestedError(
            "the sampler fits no model of the kit; pass data= and model= whose weights it draws"
        )
    return found


def _prepared(subject: Subject) -> Iterator[tuple[Example, Any, dict[str, Tensor]]]:
    """Each example that fits, with the sampler that takes part and the weights of the model."""
    for example in _fitting(subject):
        model = copy.deepcopy(example.model)
        state = {name: value.detach().clone() for name, value in model.state_dict().items()}
        yield example, _prepare(subject.part, model), state


def _prepare(part: Any, model: nn.Module) -> Any:
    return part.prepare(ModelDraw(None, None, model), lambda: None)  # type: ignore[arg-type]


def _drawn(
    sampler: Any, example: Example, state: Mapping[str, Tensor], number: int = 0
) -> Mapping[str, Tensor]:
    parameters = frozenset(name for name, _ in example.model.named_parameters())
    made: Mapping[str, Tensor] = sampler.draw(
        state, WeightDraw(number, draw_key(0, number, 0), parameters)
    )
    return made


CHECKS = (
    draws_weights_of_the_model,
    weights_are_left_unchanged,
    draws_differ,
    draws_are_keyed,
    explanations_come_again,
    prediction_is_that_of_the_model,
    model_is_left_unchanged,
    leaves_generators_unmoved,
    prepared_sampler_pickles,
    number_of_draws_is_kept,
)
