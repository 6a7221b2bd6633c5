"""Dropped weights: how many, which model is refused, and that the user's model stays as it is."""

import pytest
import torch
from torch import nn

import salience
from salience import InputError, Tensors
from salience_template.weight_sampler import DropConnect


def drawn(model, n_samples, sampler="drop_connect:rate=0.25", seed=0):
    """The weights of each draw, which are the gradient of a linear model, shape (M, features)."""
    explainer = salience.Explainer(model, Tensors(), output="value")
    x = torch.zeros(1, model.in_features)
    samples = explainer.compute(x, samplers=[sampler], n_samples=n_samples, seed=seed)
    return samples.values[:, 0]


def test_a_weight_is_dropped_or_scaled_with_the_given_probability():
    model = nn.Linear(400, 1)
    ratio = drawn(model, 20) / model.weight.detach()
    dropped = ratio == 0
    assert torch.allclose(ratio[~dropped], torch.tensor(1 / 0.75))
    assert abs(float(dropped.float().mean()) - 0.25) < 0.02


def test_draws_follow_the_seed_and_differ_from_each_other():
    model = nn.Linear(40, 1)
    first, again, other = drawn(model, 2), drawn(model, 2), drawn(model, 2, seed=1)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first[0], first[1])


def test_the_model_of_the_user_keeps_its_weights():
    model = nn.Linear(4, 1)
    before = model.weight.detach().clone()
    drawn(model, 3)
    assert torch.equal(model.weight, before)


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan")])
def test_refuses_a_rate_that_is_no_probability(rate):
    with pytest.raises(InputError, match="rate"):
        DropConnect(rate=rate)


def test_refuses_a_model_without_weight_matrices():
    with pytest.raises(InputError, match="drop_connect needs a model with weight matrices"):
        salience.explain(
            nn.LayerNorm(4),
            torch.randn(2, 4),
            Tensors(),
            samplers=["drop_connect"],
            n_samples=2,
        )
