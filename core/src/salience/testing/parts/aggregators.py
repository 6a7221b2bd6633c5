"""Checks of aggregators, on blocks of draws."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from salience.testing.comparing import NotTestedError, close, expect, same
from salience.testing.subject import Subject

_AXES: tuple[tuple[int, ...], ...] = ((), (2,))


def blocks_do_not_matter(subject: Subject) -> None:
    """However draws are cut into blocks, the result is the same."""
    for axes in _AXES:
        truth = _result(subject.part, [_draws()], axes)
        for sizes in ([1] * 8, [3, 5], [7, 1]):
            found = _result(subject.part, list(torch.split(_draws(), sizes)), axes)
            _expect_close(truth, found, f"draws in blocks of {sizes}")


def merging_does_not_matter(subject: Subject) -> None:
    """Draws that were aggregated apart and merged have the result of all of them in one stream."""
    part = subject.part
    truth = _result(part, [_draws()])
    for cut in (1, 4, 6):
        one, two = (_state(part, [block]) for block in torch.split(_draws(), [cut, 8 - cut]))
        found = part.finalize(part.merge(one, two))
        _expect_close(truth, found, f"draws merged of {cut} and {8 - cut}")
    full = _state(part, [_draws()])
    for one, two in ((part.init(), full), (full, part.init())):
        found = part.finalize(part.merge(one, two))
        _expect_close(truth, found, "draws merged with none")


def order_of_draws_does_not_matter(subject: Subject) -> None:
    """Draws in another order have the same result."""
    truth = _result(subject.part, [_draws()])
    _expect_close(truth, _result(subject.part, [_draws().flip(0)]), "draws in reverse order")


def draws_are_left_unchanged(subject: Subject) -> None:
    """The blocks of draws that an aggregator is given are as before."""
    part, draws = subject.part, _draws()
    before = draws.clone()
    part.finalize(_state(part, [draws]))
    expect(same(before, draws), "update changed the draws in place; work on a copy")


def states_keep_no_memory_of_draws(subject: Subject) -> None:
    """A state stays as it is where the memory of its draws is written to."""
    part, draws = subject.part, _draws()
    truth = _result(part, [draws])
    blocks = [block.clone() for block in torch.split(draws, 1)]
    state = part.init()
    for block in blocks:
        state = _update(part, state, block, ())
        block.fill_(1e6)
    _expect_close(truth, part.finalize(state), "draws whose memory was used again")


def states_are_left_unchanged(subject: Subject) -> None:
    """Update, merge and finalize return new states and leave the given ones as they are."""
    part = subject.part
    one, two = (_state(part, [block]) for block in torch.split(_draws(), 4))
    truth = [part.finalize(state) for state in (one, two)]
    part.merge(one, two)
    _update(part, one, _draws()[:2], ())
    for before, state in zip(truth, (one, two), strict=True):
        _expect_close(before, part.finalize(state), "a state that was used again")


def items_can_be_left_out(subject: Subject) -> None:
    """The state of some items is what these items have by themselves."""
    part, index = subject.part, torch.tensor([4, 1])
    state = _state(part, [_draws()])
    if not hasattr(state, "select"):
        raise NotTestedError("its states have no select, so that Until refuses the aggregator")
    found = part.finalize(state.select(index))
    truth = _result(part, [_draws()[:, index]])
    _expect_close(truth, found, "items that were selected from a state")


def results_have_the_shape_of_a_draw(subject: Subject) -> None:
    """Values and errors have the shape of a draw without the axes that are summed."""
    for axes, shape in (((), (6, 3)), ((2,), (6,))):
        for what, found in zip(
            ("values", "errors"), _result(subject.part, [_draws()], axes), strict=True
        ):
            expect(
                tuple(found.shape) == shape,
                f"its {what} have shape {tuple(found.shape)} for draws of shape (6, 3) summed over "
                f"{axes or 'no axes'}, expected {shape}",
            )


def results_have_the_dtype_of_draws(subject: Subject) -> None:
    """Values and errors have the dtype of the draws."""
    for dtype in (torch.float32, torch.float64):
        for what, found in zip(
            ("values", "errors"), _result(subject.part, [_draws(dtype)]), strict=True
        ):
            expect(found.dtype == dtype, f"its {what} are {found.dtype} for draws of {dtype}")


def errors_are_not_negative(subject: Subject) -> None:
    """Errors are 0 or above, or NaN where they are not known; values are finite."""
    values, errors = _result(subject.part, [_draws()])
    expect(bool(values.isfinite().all()), "its values are not finite for draws that are")
    known = errors[~errors.isnan()]
    expect(bool((known >= 0).all()), "its errors are below 0")


def one_draw_has_no_error(subject: Subject) -> None:
    """A single draw has values, and errors of NaN; or the aggregator asks for more draws."""
    part = subject.part
    if part.min_draws > 1:
        raise NotTestedError(f"the aggregator asks for {part.min_draws} draws or more")
    values, errors = _result(part, [_draws()[:1]])
    expect(bool(values.isfinite().all()), "its values of a single draw are not finite")
    expect(
        bool(errors.isnan().all()),
        "its errors of a single draw are numbers, but one draw says nothing of the error; return "
        "NaN",
    )


def groups_are_taken_into_account(subject: Subject) -> None:
    """Draws in antithetic pairs have the same values, and errors of their pairs."""
    part = subject.part
    if part.independent:
        raise NotTestedError("the aggregator asks for independent draws")
    doubled = _draws().repeat_interleave(2, 0)
    values, errors = part.finalize(_state(part, [doubled], group=2))
    if not part.averages:
        raise NotTestedError("the aggregator makes no mean of draws, so its errors are its own")
    truth, _ = _result(part, [doubled])
    expect(close(values, truth), "its values of pairs of draws are others than of the draws")
    _, plain = _result(part, [_draws()])
    expect(
        close(errors, plain),
        "its errors of pairs of equal draws are not those of one draw of each pair; hand group on "
        "to the state",
    )


def claims_hold(subject: Subject) -> None:
    """What signed and of_magnitudes say is so."""
    part = subject.part
    values, negated = (_result(part, [draws])[0] for draws in (_draws(), -_draws()))
    if part.signed:
        expect(close(values, -negated), "it says signed, but −draws do not have −values")
    if part.of_magnitudes:
        expect(
            close(values, negated) and bool((values >= 0).all()),
            "it says of_magnitudes, but its values depend on the sign of draws or are below 0",
        )


def states_pickle(subject: Subject) -> None:
    """A state can be sent to another process."""
    part = subject.part
    state = pickle.loads(pickle.dumps(_state(part, [_draws()])))
    _expect_close(_result(part, [_draws()]), part.finalize(state), "a pickled state")


def draws_of_a_model_are_aggregated(subject: Subject) -> None:
    """Explaining streams draws into it, whatever the budget, on dense, padded and ragged data."""
    for example in subject.examples:
        parts: dict[str, Any] = {
            "samplers": ["gaussian"],
            "n_samples": 8,
            "aggregator": subject.part,
        }
        one = example.explained(**parts)
        two = example.explained(settings={"max_rows": example.smallest_budget}, **parts)
        for name, saliency in one.saliency.items():
            other = two.saliency[name]
            expect(
                close(saliency.flat, other.flat) and close(saliency.flat_error, other.flat_error),
                f"its saliency of {name!r} in {example.name} depends on max_rows",
            )


def _draws(dtype: torch.dtype = torch.float64) -> Tensor:
    """Eight draws of six items with three channels."""
    generator = torch.Generator().manual_seed(11)
    return torch.randn(8, 6, 3, generator=generator, dtype=torch.float64).to(dtype)


def _state(part: Any, blocks: Sequence[Tensor], axes: tuple[int, ...] = (), group: int = 1) -> Any:
    state = part.init(group)
    for block in blocks:
        state = _update(part, state, block, axes)
    return state


def _update(part: Any, state: Any, block: Tensor, axes: tuple[int, ...]) -> Any:
    known = "counts" in inspect.signature(part.update).parameters
    return part.update(state, block, axes, None) if known else part.update(state, block, axes)


def _result(
    part: Any, blocks: Sequence[Tensor], axes: tuple[int, ...] = ()
) -> tuple[Tensor, Tensor]:
    values, errors = part.finalize(_state(part, blocks, axes))
    return values, errors


def _expect_close(truth: Any, found: Any, what: str) -> None:
    for kind, one, other in zip(("values", "errors"), truth, found, strict=True):
        expect(close(one, other), f"its {kind} are others for {what} than for 8 draws in one block")


CHECKS = (
    blocks_do_not_matter,
    merging_does_not_matter,
    order_of_draws_does_not_matter,
    draws_are_left_unchanged,
    states_keep_no_memory_of_draws,
    states_are_left_unchanged,
    items_can_be_left_out,
    results_have_the_shape_of_a_draw,
    results_have_the_dtype_of_draws,
    errors_are_not_negative,
    one_draw_has_no_error,
    groups_are_taken_into_account,
    claims_hold,
    states_pickle,
    draws_of_a_model_are_aggregated,
)
