"""Intervals and tests agree in each value, and cover what they are of as often as they say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

import salience
from salience import Explanation, GaussianNoise, InputError, Posterior, Tensors

DOMAIN = Tensors(output="value")
LEVELS = (0.5, 0.8, 0.95, 0.99)


class Net(nn.Module):
    def __init__(self, seed: int, features: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.body = nn.Sequential(
            nn.Linear(features, 12), nn.Tanh(), nn.Dropout(0.3), nn.Linear(12, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)  # type: ignore[no-any-return]


def members(seed: int, features: int) -> list[dict[str, Tensor]]:
    return [Net(1000 * seed + i, features).state_dict() for i in range(8)]


def explained(seed: int) -> salience.Explanation:
    """A random explanation: how draws are made, how many, of how many values."""
    random = np.random.default_rng(seed)
    features = int(random.integers(1, 6))
    data = torch.from_numpy(random.normal(size=(int(random.integers(1, 5)), features)))
    if random.integers(2):
        data = data.float()
    number = int(random.integers(2, 9))
    noise = GaussianNoise(float(random.uniform(0.05, 1)), "absolute")
    pairs = GaussianNoise(0.5, "absolute", antithetic=True)
    drawn: Any = random.choice(["dropout", "ensemble", "weights", "noise", "both"])
    parameters = {
        "dropout": "mc_dropout",
        "both": "mc_dropout",
        "weights": salience.WeightNoise(0.3),
        "ensemble": salience.Ensemble(members(seed, features)),
    }
    if drawn == "noise":
        samplers, shapes = [noise], ["plain", "antithetic"]
    else:
        samplers, shapes = [parameters[str(drawn)]], ["plain", "nested"]
        if drawn == "both":
            samplers.append(noise)
    shape = random.choice(shapes)
    n_samples: Any = number
    if shape == "nested":
        samplers, n_samples = [parameters[str(drawn)], noise], (number, 2)
    elif shape == "antithetic":
        samplers, n_samples = [pairs], 2 * number
    model = Net(seed, features).to(data.dtype)
    return salience.explain(model, data, DOMAIN, samplers=samplers, n_samples=n_samples, seed=seed)


@pytest.mark.parametrize("block", range(10))
def test_an_interval_leaves_out_0_exactly_where_p_is_below_its_level(block: int) -> None:
    for seed in range(100 * block, 100 * (block + 1)):
        found = explained(seed)
        p = found.p_values()
        for level in LEVELS:
            low, high = found.interval(level)
            assert torch.equal((low > 0) | (high < 0), p < 1 - level), (seed, level)


# --- Coverage, on draws that are normal ----------------------------------------------------------

TRUTH = torch.linspace(-2, 2, 400, dtype=torch.float64)
ZEROS = torch.zeros(1, 400, dtype=torch.float64)
#: Standard deviation of the noise of a single draw, and of the mean of two.
NOISE, OF_TWO = 0.8, 0.8 / 2**0.5


class Linear(nn.Module):
    """f(x) = w · x + x² / 2: the gradient at 0 is w, and the noise adds itself to it."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(TRUTH.clone())

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.w + x.square().sum(1) / 2


class Around:
    """A posterior of w, normal around the truth."""

    def sample(self) -> dict[str, Tensor]:
        return {"w": TRUTH + torch.randn(400, dtype=torch.float64)}


NORMAL: dict[str, Any] = {
    "parameters": {"samplers": [Posterior(Around())], "n_samples": 6},
    "nested": {
        "samplers": [Posterior(Around()), GaussianNoise(NOISE, "absolute")],
        "n_samples": (5, 2),
    },
}


def runs(**settings: Any) -> Iterator[salience.Explanation]:
    for seed in range(60):
        yield salience.explain(Linear(), ZEROS, DOMAIN, seed=seed, **settings)


@pytest.mark.parametrize("level", [0.5, 0.95])
@pytest.mark.parametrize("kind", NORMAL)
def test_intervals_hold_a_further_draw_and_the_mean_as_often_as_they_say(
    kind: str, level: float
) -> None:
    held: dict[str, list[Tensor]] = {"draw": [], "mean": []}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for found in runs(**NORMAL[kind]):
            assert found.interval_of == "draw"
            width = (1 + (OF_TWO**2 if kind == "nested" else 0)) ** 0.5
            further = {"draw": TRUTH + width * torch.randn_like(TRUTH), "mean": TRUTH}
            for of, inside in held.items():
                low, high = found.interval(level, of)
                inside.append(((low[0] <= further[of]) & (further[of] <= high[0])).double().mean())
    for inside in held.values():
        assert float(torch.stack(inside).mean()) == pytest.approx(level, abs=0.01)


def bowl(x: Tensor) -> Tensor:
    """x² / 2: under noise N(0, σ²) its gradient is N(x, σ²)."""
    return (x.square() / 2).sum(1)


def hills(x: Tensor) -> Tensor:
    """−cos(x): under noise N(0, σ²) the mean of its gradient is exp(−σ² / 2) sin(x)."""
    return -x.cos().sum(1)


NOISES: dict[str, Any] = {
    "normal": (bowl, 8, TRUTH),
    # Means of pairs are sin(x) cos(ε), which is far from normal; their mean over 200 is not.
    "pairs": (hills, 400, TRUTH.sin() * np.exp(-(0.5**2) / 2)),
}


@pytest.mark.parametrize("level", [0.5, 0.95])
@pytest.mark.parametrize("kind", NOISES)
def test_intervals_under_noise_hold_the_mean(kind: str, level: float) -> None:
    score, number, truth = NOISES[kind]
    noise = GaussianNoise(0.5, "absolute", antithetic=kind == "pairs")
    held = []
    for seed in range(60):
        found = salience.explain(
            score, TRUTH[None], DOMAIN, samplers=[noise], n_samples=number, seed=seed
        )
        assert found.interval_of == "mean"
        low, high = found.interval(level)
        held.append(((low <= truth) & (truth <= high)).double().mean())
    assert float(torch.stack(held).mean()) == pytest.approx(level, abs=0.015)


# --- What is said by default, and what is refused ------------------------------------------------


def test_a_further_draw_has_the_interval_of_student_s_prediction() -> None:
    found = next(runs(**NORMAL["parameters"]))
    low, high = found.interval(0.9)
    half = stats.t.ppf(0.95, 5) * found.std_error * 7**0.5
    torch.testing.assert_close(high - found.values, half, rtol=1e-12, atol=0)
    torch.testing.assert_close(found.values - low, half, rtol=1e-12, atol=0)


def test_more_draws_of_parameters_narrow_the_mean_and_not_a_draw() -> None:
    few, many = (
        salience.explain(Linear(), ZEROS, DOMAIN, samplers=[Posterior(Around())], n_samples=n)
        for n in (10, 400)
    )
    widths = {
        of: [
            float((high - low).median())
            for low, high in (e.interval(0.95, of) for e in (few, many))
        ]
        for of in ("mean", "draw")
    }
    assert widths["mean"][1] < widths["mean"][0] / 5
    assert widths["draw"][1] == pytest.approx(2 * 1.96, rel=0.03)


@pytest.mark.parametrize("aggregator", ["sign", "variance", "mean_plus_std", "quantile"])
def test_what_is_no_mean_of_draws_has_no_interval_of_a_draw(aggregator: str) -> None:
    settings = NORMAL["parameters"] | {"aggregator": aggregator}
    found = next(runs(**settings))
    assert found.interval_of == "mean"
    with pytest.raises(InputError, match="no single draw"):
        found.interval(of="draw")
    assert found.interval()[0].shape == found.values.shape


def test_magnitudes_have_intervals_and_no_p_values() -> None:
    found = next(runs(**(NORMAL["parameters"] | {"aggregator": "abs"})))
    assert found.interval_of == "draw"
    assert (found.interval()[1] > found.values).all()
    with pytest.raises(InputError, match="raw"):
        found.p_values()


def test_kept_draws_and_files_know_what_their_intervals_are_of(tmp_path: Path) -> None:
    explainer = salience.Explainer(Linear(), DOMAIN)
    kept = explainer.compute(ZEROS, samplers=[Posterior(Around())], n_samples=4)
    for name, of in (("raw", "draw"), ("variance", "mean")):
        found = explainer.aggregate(kept, name)
        found.save(tmp_path / name)
        for one in (found, salience.Explanation.load(tmp_path / name)):
            assert one.interval_of == of


@pytest.mark.parametrize("of", ["draws", "", 3, True])
def test_what_an_interval_is_of_is_draw_or_mean(of: Any) -> None:
    with pytest.raises(InputError, match="of="):
        next(runs(**NORMAL["parameters"])).interval(of=of)


# --- Means over items ----------------------------------------------------------------------------


def table(n_items: int = 40) -> salience.Explanation:
    made = torch.Generator().manual_seed(1)
    data = torch.randn(n_items, 4, generator=made, dtype=torch.float64)
    return salience.explain(Net(3, 4).double(), data, DOMAIN, samplers=["mc_dropout"], n_samples=20)


@pytest.mark.parametrize("of", ["value", "magnitude"])
def test_the_error_over_items_is_that_of_a_bootstrap_over_items(of: str) -> None:
    found = table()
    values = found.values.abs() if of == "magnitude" else found.values
    torch.testing.assert_close(found.mean(of), values.mean(0), rtol=1e-14, atol=0)
    made = torch.Generator().manual_seed(2)
    repeats = 4000
    again = torch.randint(len(values), (repeats, len(values)), generator=made)
    bootstrap = values[again].mean(1).std(0)
    # A bootstrap divides by B, not B − 1, and its own standard deviation is known to 1 / √(2 R).
    expected = bootstrap * (len(values) / (len(values) - 1)) ** 0.5
    within = 4 / (2 * repeats) ** 0.5
    torch.testing.assert_close(found.mean_std_error("items", of), expected, rtol=within, atol=0)


def test_the_error_over_draws_is_that_of_the_means_of_draws() -> None:
    made = torch.Generator().manual_seed(1)
    data = torch.randn(30, 4, generator=made, dtype=torch.float64)
    explainer = salience.Explainer(Net(3, 4).double(), DOMAIN)
    kept = explainer.compute(data, samplers=["mc_dropout"], n_samples=2000)
    found = explainer.aggregate(kept, "raw")
    means = kept.values.mean(1)  # of each draw, over items, whose masks are independent
    expected = means.std(0) / len(means) ** 0.5
    torch.testing.assert_close(found.mean_std_error(), expected, rtol=0.07, atol=0)
    assert (found.mean_std_error("items") > 3 * found.mean_std_error("draws")).all()


def test_the_error_of_mean_magnitudes_over_draws_is_at_most_that_of_mean_values() -> None:
    found = table()
    assert torch.equal(found.mean_std_error(of="magnitude"), found.mean_std_error())


def test_the_interval_of_the_mean_follows_from_its_error() -> None:
    found = table()
    items = stats.t.ppf(0.975, 39)
    low, high = found.mean_interval(over="items", of="magnitude")
    half = items * found.mean_std_error("items", "magnitude")
    torch.testing.assert_close(high - low, 2 * half, rtol=1e-12, atol=0)
    low, high = found.mean_interval()  # of a further draw, since parameters were drawn
    variances = found.std_error.square()
    freedom = 19 * variances.sum(0).square() / variances.square().sum(0)
    draws = torch.from_numpy(stats.t.ppf(0.975, freedom.numpy()))
    half = draws * found.mean_std_error() * 21**0.5
    torch.testing.assert_close(high - low, 2 * half, rtol=1e-12, atol=0)
    low, high = found.mean_interval(of="magnitude")  # of the mean over draws, from below
    mean, half = found.mean("magnitude"), draws * found.mean_std_error()
    torch.testing.assert_close(high, mean + half, rtol=1e-12, atol=0)
    expected = (mean - half - found.std_error.mean(0)).clamp(min=0)
    torch.testing.assert_close(low, expected, rtol=1e-12, atol=1e-15)


#: Spread of the true values, and numbers of items and of draws.
OF_TABLES = [(1.0, 50, 10), (0.0, 50, 10), (0.1, 20, 5), (1.0, 3, 6), (1.0, 1, 8)]


@pytest.mark.parametrize("parameters", [False, True])
@pytest.mark.parametrize(("spread", "n_items", "n_draws"), OF_TABLES)
def test_intervals_of_means_cover_what_they_say(
    spread: float, n_items: int, n_draws: int, parameters: bool
) -> None:
    repeats = 4000  # a column each
    made = torch.Generator().manual_seed(3)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, repeats, generator=made, dtype=torch.float64)

    truth = spread * normal(n_items)
    draws = truth + normal(n_draws, n_items)
    found = Explanation.from_arrays(
        draws.mean(0),
        np.zeros((n_items, repeats)),
        "tabular",
        std_error=draws.std(0) / n_draws**0.5,
        n_samples=n_draws,
        samples_parameters=parameters,
        signed=True,
    )

    def covered(about: Tensor, of: str = "value") -> float:
        low, high = found.mean_interval(of=of)
        return float(((low <= about) & (about <= high)).double().mean())

    of_value = truth + normal(n_items) if parameters else truth
    # Satterthwaite's degrees of freedom are on the safe side for few items.
    assert 0.94 <= covered(of_value.mean(0)) <= 0.975
    assert covered(truth.abs().mean(0), "magnitude") >= 0.94
    # Magnitudes of draws, whose mean over infinitely many draws is no magnitude of a mean.
    unsigned = replace(found, design=replace(found.design, signed=False))
    torch.testing.assert_close(unsigned.mean_interval(), found.mean_interval())


def test_tiny_and_unknown_errors_of_means_have_intervals() -> None:
    values = torch.ones(3, 2, dtype=torch.float64)
    errors = torch.full((3, 2), 1e-200, dtype=torch.float64)
    errors[:, 1] = 0
    data = np.zeros((3, 2))
    for given, number in ((5, 12), (None, np.inf)):
        found = Explanation.from_arrays(
            values, data, "tabular", std_error=errors, n_samples=given, signed=True
        )
        low, high = found.mean_interval()
        assert torch.equal(low, values[0]) and torch.equal(high, values[0])
        found = Explanation.from_arrays(
            values, data, "tabular", std_error=errors * 1e190, n_samples=given
        )
        half = stats.t.ppf(0.975, number) * 1e-10 / 3**0.5
        high = found.mean_interval()[1]
        torch.testing.assert_close(high[0].item() - 1, half, rtol=1e-5, atol=0)


def test_items_for_which_nothing_was_drawn_add_no_error() -> None:
    data = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    data[1] = 2.0  # its range is 0, and so is the noise relative to it
    with pytest.warns(salience.Notice, match="noise relative"):
        found = salience.explain(
            Net(3, 4), data, DOMAIN, samplers=["gaussian:mode=relative"], n_samples=5
        )
    assert found.std_error[1].isnan().all()
    others = found.std_error[[0, 2]].double()
    expected = others.square().sum(0).sqrt() / 3
    torch.testing.assert_close(found.mean_std_error().double(), expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda e: e.mean("magnitudes"), "of="),
        (lambda e: e.mean_std_error("samples"), "over="),
        (lambda e: e.mean_interval(1.5), "level=1.5"),
        (lambda e: e.item(0).mean_interval(over="items"), "single item"),
    ],
    ids=["of", "over", "level", "one item"],
)
def test_means_that_cannot_be_had_are_refused(ask: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        ask(table(3))
