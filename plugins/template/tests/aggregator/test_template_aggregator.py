"""The aggregator against its definition, however the draws are cut into blocks."""

import pytest
import torch

import salience
from salience import InputError, Tensors
from salience_template.aggregator import Largest

DRAWS = torch.randn(7, 4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def expected(draws):
    return draws.gather(0, draws.abs().argmax(0, keepdim=True))[0]


@pytest.mark.parametrize("block", [1, 2, 7])
def test_the_draw_of_largest_magnitude_is_returned_with_its_sign(block):
    aggregator, state = Largest(), Largest().init()
    for draws in DRAWS.split(block):
        state = aggregator.update(state, draws, ())
    values, errors = aggregator.finalize(state)
    assert torch.equal(values, expected(DRAWS))
    assert errors.isnan().all()


def test_axes_are_summed_before_magnitudes_are_compared():
    aggregator = Largest()
    values, _ = aggregator.finalize(aggregator.update(aggregator.init(), DRAWS, (2,)))
    assert torch.equal(values, expected(DRAWS.sum(2)))


def test_states_of_separate_draws_merge():
    aggregator = Largest()
    one = aggregator.update(aggregator.init(), DRAWS[:3], ())
    other = aggregator.update(aggregator.init(), DRAWS[3:], ())
    assert torch.equal(aggregator.merge(one, other).values, expected(DRAWS))
    assert aggregator.merge(aggregator.init(), other) is other


def test_a_state_keeps_no_memory_of_the_draws():
    aggregator, draws = Largest(), DRAWS[:1].clone()
    state = aggregator.update(aggregator.init(), draws, ())
    draws.zero_()
    assert torch.equal(aggregator.finalize(state)[0], DRAWS[0])


def test_items_that_are_done_are_left_out():
    state = Largest().update(Largest().init(), DRAWS, ())
    kept = state.select(torch.tensor([2, 0]))
    assert torch.equal(kept.values, expected(DRAWS)[[2, 0]])


def explained(**settings):
    x = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    return salience.explain(
        lambda x: (x**3).sum(1), x, Tensors(), output="value", samplers=["gaussian"], **settings
    )


def test_the_aggregator_is_had_by_name():
    largest = explained(n_samples=8, aggregator="largest").values
    assert (largest >= explained(n_samples=8).values).all()


def test_a_single_draw_is_refused():
    with pytest.raises(InputError, match="2"):
        explained(n_samples=1, aggregator="largest")
