"""What is significant: intervals, p-values, and how often they are wrong."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor, nn

import salience
from salience import GaussianNoise, InputError, Posterior, Tensors, WeightNoise
from salience.results.significance import p_values, significant

DOMAIN = Tensors(output="value")
SIGMA = 0.5


def bowl(x: Tensor) -> Tensor:
    """Σ a x² / 2: under noise N(0, σ²) its gradient is N(a x, a² σ²)."""
    return (torch.tensor([2.0, -3.0, 1.0]).double() * x.square() / 2).sum(1)


def noisy(data: Tensor, n_samples: int, **settings: Any) -> salience.Explanation:
    noise = GaussianNoise(SIGMA, "absolute")
    return salience.explain(bowl, data, DOMAIN, samplers=[noise], n_samples=n_samples, **settings)


# --- Noise: where would infinitely many draws end up? --------------------------------------------


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_confidence_intervals_hold_the_mean_as_often_as_they_say(level: float) -> None:
    data = torch.tensor([[1.0, 0.25, 0.0]]).double().expand(2000, 3)
    found = noisy(data, 5)
    low, high = found.confidence_interval(level)
    truth = torch.tensor([2.0, -3.0, 1.0]).double() * data
    inside = ((low <= truth) & (truth <= high)).double().mean()
    assert float(inside) == pytest.approx(level, abs=0.015)


def test_p_values_under_noise_are_those_of_students_test() -> None:
    data = torch.tensor([[1.0, 0.02, 0.0]]).double()
    kept = salience.Explainer(bowl, DOMAIN).compute(
        data, samplers=[GaussianNoise(SIGMA)], n_samples=12
    )
    found = salience.Explainer(bowl, DOMAIN).aggregate(kept)
    expected = stats.ttest_1samp(kept.values[:, 0].numpy(), 0).pvalue
    torch.testing.assert_close(found.p_values()[0], torch.from_numpy(expected))


def test_more_draws_of_noise_resolve_more() -> None:
    data = torch.tensor([[0.05, 0.05, 0.0]]).double()
    few, many = (noisy(data, n).p_values()[0] for n in (10, 5000))
    assert few[0] > 0.05 > 1e-6 > many[0]
    assert many[2] > 0.01


# --- Parameters: could another draw of the model turn the sign? ----------------------------------


class Line(nn.Module):
    """x · w."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight


class Regression:
    """The posterior of linear regression under a flat prior: N(ŵ, s² (XᵀX)⁻¹)."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.mean = torch.linalg.lstsq(x, y[:, None]).solution[:, 0]
        variance = (y - x @ self.mean).square().sum() / (len(y) - x.shape[1])
        self.root = torch.linalg.cholesky(variance * torch.linalg.inv(x.T @ x))

    def sample(self) -> Mapping[str, Tensor]:
        return {"weight": self.mean + self.root @ torch.randn(len(self.mean)).double()}


def regression(seed: int, weight: Tensor, n_rows: int = 200) -> tuple[Line, Posterior]:
    made = torch.Generator().manual_seed(seed)
    x = torch.randn(n_rows, len(weight), generator=made).double()
    x[:, 1] += 0.5 * x[:, 0]  # features are seldom independent of each other
    posterior = Regression(x, x @ weight + torch.randn(n_rows, generator=made).double())
    return Line(posterior.mean), Posterior(posterior)


@pytest.mark.parametrize(
    ("n_samples", "noise"),
    [(5, []), (30, []), (30, [GaussianNoise(0.1, antithetic=True)]), ((6, 4), ["gaussian"])],
    ids=["5", "30", "pairs", "nested"],
)
def test_on_null_data_few_features_are_falsely_significant(n_samples: Any, noise: Any) -> None:
    # The label is independent of the second feature given the others.
    weight = torch.tensor([1.0, 0.0, -2.0]).double()
    n_seeds, false, true = 400, 0, 0
    for seed in range(n_seeds):
        model, posterior = regression(seed, weight)
        found = salience.explain(
            model, torch.ones(1, 3).double(), DOMAIN, samplers=[posterior, *noise],
            n_samples=n_samples, seed=seed,
        )  # fmt: skip
        marked = found.significant(0.05)[0]
        false += int(marked[1])
        true += int(marked[0]) + int(marked[2])
    assert 0.02 <= false / n_seeds <= 0.07
    assert true >= (2 if n_samples == 30 else 1.9) * n_seeds


def test_where_nothing_matters_hardly_an_item_has_anything_significant() -> None:
    # With all features null, the false discovery rate is the share of items with any mark.
    n_seeds, marked = 300, 0
    for seed in range(n_seeds):
        model, posterior = regression(seed, torch.zeros(5).double())
        found = salience.explain(
            model, torch.ones(1, 5).double(), DOMAIN, samplers=[posterior], n_samples=10, seed=seed
        )
        marked += bool(found.significant(0.05).any())
    assert marked / n_seeds <= 0.07


def test_more_draws_of_a_posterior_make_nothing_more_significant() -> None:
    model = Line(torch.tensor([0.5, 0.1]).double())
    data = torch.ones(1, 2).double()
    few, many = (
        salience.explain(
            model, data, DOMAIN, samplers=[WeightNoise(0.3, "additive")], n_samples=n
        ).p_values()[0]
        for n in (50, 5000)
    )
    expected = 2 * stats.norm.sf([0.5 / 0.3, 0.1 / 0.3])
    assert many.numpy() == pytest.approx(expected, rel=0.15)
    assert few[1] > 0.4 and many[1] > 0.4


# --- False discoveries are the library's to count ------------------------------------------------


def test_masks_are_those_of_benjamini_and_hochberg_item_by_item(graphs: Any) -> None:
    ragged, _ = graphs.models()
    settings: dict[str, Any] = {"samplers": [GaussianNoise(0.4)], "n_samples": 6}
    found = salience.explain(ragged, list(graphs.data), graphs.ragged(), **settings)
    some = 0
    for p, marked in zip(found.p_values(), found.significant(0.2), strict=True):
        order = p.flatten().sort()
        rank = torch.arange(1, p.numel() + 1)
        passed = (order.values <= 0.2 * rank / p.numel()).nonzero()
        limit = order.values[passed[-1, 0]] if len(passed) else torch.tensor(-1.0)
        assert torch.equal(marked, p <= limit)
        some += int(marked.sum())
    assert 0 < some < sum(p.numel() for p in found.p_values())


def test_what_is_zero_in_every_draw_is_not_significant() -> None:
    found = salience.explain(
        lambda x: 3 * x[:, 0],
        torch.tensor([[1.0, 2.0]]).double().repeat(2, 1),
        DOMAIN,
        samplers=["gaussian"],
        n_samples=3,
    )
    assert found.p_values()[:, 1].tolist() == [1, 1]
    assert found.significant().tolist() == [[True, False]] * 2


def test_differences_are_tested_under_common_draws() -> None:
    # Two models that differ by little, under noise that moves both alike.
    data = torch.tensor([[1.0, 1.0, 1.1]]).double()
    other = data.new_tensor([0.0, 0.01, 0.0])
    samples = [
        salience.Explainer(model, DOMAIN).compute(data, samplers=[GaussianNoise(3.0)], n_samples=20)
        for model in (bowl, lambda x: bowl(x) + (other * x).sum(1))
    ]
    difference = salience.Explainer(bowl, DOMAIN).aggregate(samples[1] - samples[0])
    assert difference.significant().tolist() == [[False, True, False]]


def test_items_without_noise_are_never_certain() -> None:
    data = torch.tensor([[1.0, 1.0], [0.0, 2.0], [3.0, 3.0]]).double()
    explainer = salience.Explainer(lambda x: x.sin().sum(1), DOMAIN)
    with pytest.warns(salience.Notice, match="say nothing of certainty"):
        found = explainer.explain(data, samplers=["gaussian"], n_samples=30)
    kept = explainer.aggregate(explainer.compute(data, samplers=["gaussian"], n_samples=30))
    for one in (found, kept):
        assert one.drawn.tolist() == [False, True, False]
        assert one.std_error.isnan().all(1).tolist() == [True, False, True]
        assert one.significant().any(1).tolist() == [False, True, False]
        assert one.certainty()[0].tolist() == [0, 0]
    magnitude = explainer.explain(data, samplers=["gaussian"], n_samples=30, aggregator="abs")
    assert magnitude.certainty()[0].isnan().all()
    dropped = explainer.explain(data, samplers=["gaussian:mode=absolute"], n_samples=3)
    assert dropped.drawn.all()


def test_noise_that_drowns_a_column_is_named_once() -> None:
    torch.manual_seed(0)
    rows = torch.randn(20, 2) * torch.tensor([1e3, 1e6])
    explainer = salience.Explainer(lambda x: x.sin().sum(1), DOMAIN)
    with pytest.warns(salience.Notice, match="one of its columns, which it drowns") as heard:
        explainer.explain(rows, samplers=["gaussian"], n_samples=3)
        explainer.explain(rows, samplers=["gaussian"], n_samples=3)
    assert len(heard) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        explainer.explain(torch.randn(20, 4), samplers=["gaussian"], n_samples=3)
        explainer.explain(torch.randn(2, 4), samplers=["gaussian"], n_samples=3)


def test_certainty_is_what_pictures_draw() -> None:
    data = torch.tensor([[1.0, 0.0, 0.02]]).double()
    raw, magnitude = (noisy(data, 20, aggregator=a) for a in ("raw", "abs"))
    torch.testing.assert_close(raw.certainty(), 1 - raw.p_values())
    torch.testing.assert_close(magnitude.certainty(), 1 - magnitude.std_error / magnitude.values)
    assert salience.explain(bowl, data, DOMAIN).certainty().isnan().all()


REFUSED: dict[str, tuple[Any, tuple[str, ...]]] = {
    "a level of 0": (lambda e: e.significant(0.0), ("level=0.0",)),
    "an interval of all": (lambda e: e.confidence_interval(1.0), ("level=1.0",)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_levels_are_shares(name: str) -> None:
    ask, words = REFUSED[name]
    with pytest.raises(InputError) as caught:
        ask(noisy(torch.ones(1, 3).double(), 4))
    assert all(word in str(caught.value) for word in words)


def test_a_single_draw_and_magnitudes_are_not_tested() -> None:
    single = salience.explain(bowl, torch.ones(1, 3).double(), DOMAIN)
    for ask in (single.significant, single.p_values, single.confidence_interval):
        with pytest.raises(InputError, match="single draw"):
            ask()
    for aggregator in ("abs", "square", "variance"):
        found = noisy(torch.ones(1, 3).double(), 4, aggregator=aggregator)
        found.confidence_interval()
        with pytest.raises(InputError, match="signed saliency"):
            found.significant()


@pytest.mark.parametrize("sizes", [[4, 4, 4], [3, 0, 1, 7, 2], [1], [500] * 40, [0, 0, 2, 0]])
def test_discoveries_are_those_of_scipy_item_by_item(sizes: list[int]) -> None:
    made = torch.Generator().manual_seed(len(sizes))
    values = torch.randn(sum(sizes), generator=made, dtype=torch.float64) * 2
    values[::5] = values[:1].clone()  # ties
    for unit in (1, 3):
        flat = values.repeat_interleave(unit).reshape(-1, *[unit] * (unit > 1))
        error = torch.ones_like(flat)
        saliency = salience.Saliency(flat, error, torch.tensor(sizes))
        number = torch.full((len(sizes),), 6)
        p = p_values(saliency, number, "mean")
        for level in (0.01, 0.05, 0.3):
            expected = [
                torch.from_numpy(stats.false_discovery_control(item.flatten().numpy()) <= level)
                for item in torch.split(p, sizes)
                if item.numel()
            ]
            found = significant(saliency, number, "mean", level)
            assert torch.equal(found.flatten(), torch.cat(expected))
