"""The noise: its distribution, and that draws depend on seed, item and draw only."""

import numpy as np
import pytest
import torch
from scipy import stats

import salience
from salience import Tensors
from salience_template.sampler import LaplaceNoise


def drawn(x, n_samples=1, ids=None, max_rows="auto", **settings):
    """The noise of each draw, which is the gradient of x² / 2 without x."""
    explainer = salience.Explainer(
        lambda x: (x**2).sum(1) / 2, Tensors(), output="value", max_rows=max_rows
    )
    sampler = LaplaceNoise(mode="absolute", **settings)
    samples = explainer.compute(x, samplers=[sampler], n_samples=n_samples, ids=ids)
    return samples.values - x


def test_noise_has_the_distribution_of_laplace():
    noise = drawn(torch.zeros(50, 40, dtype=torch.float64), n_samples=10, scale=1.5)
    assert stats.kstest(noise.flatten().numpy(), stats.laplace(scale=1.5).cdf).pvalue > 0.01


def test_positions_draws_and_items_have_noise_of_their_own():
    noise = drawn(torch.zeros(4, 5, dtype=torch.float64), n_samples=3)
    assert len(np.unique(noise)) == noise.numel()


@pytest.mark.parametrize("max_rows", [1, 3, 100])
def test_noise_depends_on_the_item_and_the_draw_only(max_rows):
    x = torch.zeros(4, 5, dtype=torch.float64)
    full = drawn(x, n_samples=3, ids=["a", "b", "c", "d"])
    some = drawn(x[:2], n_samples=3, ids=["d", "b"], max_rows=max_rows)
    torch.testing.assert_close(some, full[:, [3, 1]])


def test_the_noise_is_had_by_name():
    saliency = salience.explain(
        lambda x: x.sum(1),
        torch.zeros(2, 3),
        Tensors(),
        output="value",
        samplers=["laplace:scale=0.1,mode=absolute"],
        n_samples=2,
    )
    assert torch.allclose(saliency.values, torch.ones(2, 3))
