"""Draws depend on (seed, item, draw) only, and are as random as they claim to be."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

import salience
from salience import (
    Batch,
    Field,
    GaussianNoise,
    Gradient,
    InputError,
    Layout,
    MCDropout,
    Target,
    Tensors,
)
from salience.data.views import RowView
from salience.samplers.keyed import Numbers, item_keys, row_keys

BUDGETS: list[int | str] = [1, 3, 16, "auto"]


@pytest.fixture(autouse=True)
def same_weights() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        yield


def half_square(x: Tensor) -> Tensor:
    """Its gradient at x is x, so that saliency shows where noise has moved the input."""
    return (x * x).sum(1) / 2


def points(x: Tensor, **settings: Any) -> Tensor:
    """The points that noise moves the items to, one for each draw."""
    max_rows = settings.pop("max_rows", "auto")
    settings = {"samplers": [GaussianNoise()], "n_samples": 5, **settings}
    explainer = salience.Explainer(half_square, Tensors(), output="value", max_rows=max_rows)
    draws: Tensor = explainer.compute(x, **settings).values
    return draws


DATA = torch.linspace(-1, 2, 7 * 4).reshape(7, 4).double()


# --- What draws depend on -------------------------------------------------------------------------


@pytest.mark.parametrize("max_rows", BUDGETS)
def test_noise_is_bit_identical_under_every_budget(max_rows: int | str) -> None:
    assert torch.equal(points(DATA, max_rows=max_rows), points(DATA, max_rows=64))


@pytest.mark.parametrize("max_rows", BUDGETS)
@pytest.mark.parametrize("order", [[3], [6, 3, 0], [5, 4, 3, 2, 1, 0], [0, 1, 2, 3]])
def test_an_item_with_an_id_keeps_its_noise_among_any_others(
    order: list[int], max_rows: int | str
) -> None:
    names = ["ant", "bee", "cat", "dog", "elk", "fox", "gnu"]
    whole = points(DATA, ids=names)
    some = points(DATA[order], ids=[names[i] for i in order], max_rows=max_rows)
    assert torch.equal(some, whole[:, order])


def test_the_first_draws_stay_when_more_are_made() -> None:
    assert torch.equal(points(DATA, n_samples=3), points(DATA, n_samples=11)[:3])


def test_the_key_of_an_item_without_id_is_its_position() -> None:
    assert torch.equal(points(DATA), points(DATA, ids=range(7)))
    assert torch.equal(points(DATA)[:, :3], points(DATA[:3]))


def test_a_range_of_ids_is_checked_and_recorded() -> None:
    settings: dict[str, Any] = {"samplers": ["gaussian"], "n_samples": 3}
    domain = Tensors(output="value")
    for wrong in (range(5), range(100)):
        with pytest.raises(InputError, match=f"got {len(wrong)} ids for 7 items"):
            salience.explain(half_square, DATA, domain, ids=wrong, **settings)
    found = salience.explain(half_square, DATA, domain, ids=range(50, 57), **settings)
    assert found.provenance["ids"] == list(range(50, 57))
    again = salience.rerun(half_square, DATA, found.provenance)
    assert torch.equal(again.values, found.values)
    assert "ids" not in salience.explain(half_square, DATA, domain, ids=range(7)).provenance


def test_an_item_alone_runs_again_with_its_own_draws() -> None:
    explainer = salience.Explainer(half_square, Tensors(output="value"))
    settings: dict[str, Any] = {"samplers": ["gaussian"], "n_samples": 3}
    whole = explainer.explain(DATA, **settings)
    streamed = list(explainer.stream(DATA.split(2), **settings))
    for item in range(7):
        for one in (whole.item(item), streamed[item]):
            again = salience.rerun(half_square, DATA[item : item + 1], one.provenance)
            torch.testing.assert_close(again.values, one.values)


@pytest.mark.parametrize("ids", [np.arange(7), torch.arange(7), np.arange(7, dtype=np.int16)])
def test_ids_in_an_array_are_the_same_numbers_as_in_a_list(ids: Any) -> None:
    assert torch.equal(points(DATA, ids=ids), points(DATA, ids=list(range(7))))


def test_ids_choose_the_noise_and_nothing_else_does() -> None:
    # Seven equal items: only their keys tell them apart.
    same = DATA[:1].expand(7, 4)
    draws = points(same, ids=[4, 5, 6, 7, 8, 9, 10])
    assert torch.equal(draws[:, 1], points(same[:1], ids=[5])[:, 0])
    assert len({tuple(row.tolist()) for row in draws.flatten(0, 1)}) == 35


SEEDS = [0, 1, -1, 2, 2**31, 2**62, 2**63 - 1, -(2**63), 12345678901234567890123]


def test_every_seed_item_draw_and_position_has_noise_of_its_own() -> None:
    numbers = torch.cat(
        [points(DATA, seed=seed).flatten() - DATA.repeat(5, 1).flatten() for seed in SEEDS]
    )
    assert len(numbers.unique()) == len(SEEDS) * 5 * 7 * 4


def test_an_integer_id_and_its_text_are_different_ids() -> None:
    assert not torch.equal(points(DATA[:1], ids=[5]), points(DATA[:1], ids=["5"]))


def test_samplers_one_after_the_other_draw_on_their_own() -> None:
    # Sampler twice: x + σε₁ + σε₂. Were the two noises one, the second would add nothing new.
    absolute = GaussianNoise(1.0, "absolute")
    once = points(DATA, samplers=[absolute]) - DATA
    twice = points(DATA, samplers=[absolute, absolute]) - DATA
    second = twice - once
    assert not torch.isclose(once, second).any()


def test_target_variables_draw_on_their_own() -> None:
    domain = Tensors({"a": ("item", "feature"), "b": ("item", "feature")}, output="value")
    explainer = salience.Explainer(
        lambda a, b: half_square(a) + half_square(b), domain, target=["a", "b"]
    )
    samples = explainer.compute({"a": DATA, "b": DATA}, samplers=["gaussian"], n_samples=2)
    assert not torch.isclose(samples.draws["a"], samples.draws["b"]).any()


def test_relative_noise_is_absolute_noise_times_the_range_of_the_item() -> None:
    relative = points(DATA, samplers=[GaussianNoise(0.5)]) - DATA
    absolute = points(DATA, samplers=[GaussianNoise(0.5, "absolute")]) - DATA
    spread = (DATA.amax(1) - DATA.amin(1))[:, None]
    torch.testing.assert_close(relative, absolute * spread, rtol=1e-12, atol=1e-12)


def test_single_precision_gets_the_same_noise_rounded() -> None:
    noise = points(DATA, samplers=[GaussianNoise(1.0, "absolute")]) - DATA
    rounded = points(DATA.float(), samplers=[GaussianNoise(1.0, "absolute")])
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded.double() - DATA, noise, rtol=0, atol=1e-6)


# --- Forms of an item -----------------------------------------------------------------------------


class RaggedSquares(nn.Module):
    """½ Σ |h|² over the atoms of a graph."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(6, 3).double()

    def forward(self, labels: Tensor, edge_index: Tensor, owner: Tensor, n_graphs: int) -> Tensor:
        h = self.embed(labels)
        return h.new_zeros(n_graphs).index_add(0, owner, (h * h).sum(1) / 2)


class PaddedSquares(nn.Module):
    """The same of padded graphs; ``turned`` is the embedding with channels before atoms."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(6, 3).double()
        self.turned = nn.Identity()

    def forward(self, labels: Tensor, adjacency: Tensor, real: Tensor) -> Tensor:
        h = self.turned(self.embed(labels).transpose(1, 2)).transpose(1, 2)
        return (h * h * real[..., None]).sum((1, 2)) / 2


@pytest.mark.parametrize("mode", ["relative", "absolute"])
@pytest.mark.parametrize("max_rows", [5, 16, "auto"])
def test_dense_padded_and_ragged_forms_of_an_item_get_the_same_noise(
    graphs: Any, mode: str, max_rows: int | str
) -> None:
    ragged, padded = RaggedSquares(), PaddedSquares()
    padded.load_state_dict(ragged.state_dict())
    settings = {"samplers": [GaussianNoise(0.3, mode)], "n_samples": 4}
    forms = [
        salience.Explainer(model, domain, max_rows=max_rows).compute(graphs.data, **settings).values
        for model, domain in [
            (ragged, graphs.ragged()),
            (padded, graphs.padded()),
            (padded, graphs.padded(least=9)),
        ]
    ]
    dense = salience.Explainer(
        lambda h: (h * h).sum((1, 2)) / 2, Tensors(("item", "atom", "channel")), output="value"
    )
    for i, graph in enumerate(graphs.data):
        h = ragged.embed(torch.tensor([graph.labels])).detach()
        own = dense.compute(h, ids=[i], **settings).values[:, 0]
        for form in forms:
            assert torch.equal(form[i], own)


def test_padding_does_not_move_noise_where_the_padded_axis_comes_last(graphs: Any) -> None:
    model = PaddedSquares()
    target = Target("turned", axes=("item", "channel", "atom"))
    narrow, wide = (
        salience.Explainer(model, graphs.padded(least=least), target)
        .compute(graphs.data, samplers=["gaussian"], n_samples=4)
        .values
        for least in (0, 9)
    )
    for one, other in zip(narrow, wide, strict=True):
        assert torch.equal(one, other)


def test_padding_does_not_enter_the_range_of_relative_noise(graphs: Any) -> None:
    # One atom of one label: its range is over its own three channels, wherever the padding lies.
    model = PaddedSquares()
    model.embed.weight.data[0] = 1e6  # the label that padding has
    explainer = salience.Explainer(model, graphs.padded(least=9))
    draws = explainer.compute(graphs.data, samplers=["gaussian:scale=0.1"], n_samples=4).values
    clean = model.embed(torch.tensor(graphs.data[1].labels)).detach()
    spread = clean.max() - clean.min()
    assert ((draws[1] - clean).abs() < 0.1 * 6 * spread).all()


@pytest.mark.parametrize("max_rows", [5, 16, "auto"])
def test_ragged_and_padded_models_drop_the_same_units(graphs: Any, max_rows: int | str) -> None:
    ragged, padded = graphs.models(p=0.5)
    one, other, wide = (
        salience.Explainer(model, domain, max_rows=max_rows)
        .compute(graphs.data, samplers=[MCDropout()], n_samples=4)
        .values
        for model, domain in [
            (ragged, graphs.ragged()),
            (padded, graphs.padded()),
            (padded, graphs.padded(least=9)),
        ]
    )
    for a, b, c in zip(one, other, wide, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(a, c, rtol=1e-12, atol=1e-12)
    assert one[0].std(0).min() > 0


# --- Saliency under every budget ------------------------------------------------------------------

CALCULATORS = ["gradient", "integrated_gradients:steps=5", "occlusion"]
SAMPLERS: list[list[str]] = [[], ["gaussian"], ["mc_dropout"], ["gaussian", "mc_dropout"]]
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5}


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("samplers", SAMPLERS, ids="+".join)
@pytest.mark.parametrize("calculator", CALCULATORS)
def test_saliency_is_the_same_under_every_budget(
    calculator: str, samplers: Sequence[str], dtype: torch.dtype
) -> None:
    model = nn.Sequential(
        nn.Linear(4, 6),
        nn.Tanh(),
        nn.Dropout(0.3),
        nn.Linear(6, 5),
        nn.Dropout(0.3),
        nn.Linear(5, 3),
    ).to(dtype)
    found = [
        salience.Explainer(model, Tensors(), max_rows=max_rows).explain(
            DATA, calculator, samplers=samplers, n_samples=4 if samplers else 1
        )
        for max_rows in BUDGETS
    ]
    for other in found[1:]:
        for name in ("values", "std_error", "score", "delta", "completeness_gap", "prediction"):
            torch.testing.assert_close(
                getattr(other, name),
                getattr(found[0], name),
                rtol=TOLERANCE[dtype],
                atol=TOLERANCE[dtype],
                equal_nan=True,
            )


@pytest.mark.parametrize("samplers", SAMPLERS, ids="+".join)
@pytest.mark.parametrize("calculator", CALCULATORS)
def test_saliency_of_graphs_is_the_same_under_every_budget(
    graphs: Any, calculator: str, samplers: Sequence[str]
) -> None:
    ragged, _ = graphs.models(p=0.3)
    found = [
        salience.Explainer(ragged, graphs.ragged(), max_rows=max_rows).explain(
            graphs.data, calculator, samplers=samplers, n_samples=4 if samplers else 1
        )
        for max_rows in [5, 7, 16, 200, "auto"]
    ]
    for other in found[1:]:
        for name in ("values", "std_error"):
            for a, b in zip(getattr(other, name), getattr(found[0], name), strict=True):
                torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12, equal_nan=True)


def test_streaming_gives_the_mean_and_error_of_the_draws_that_are_kept() -> None:
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Dropout(0.3), nn.Linear(6, 3)).double()
    explainer = salience.Explainer(model, Tensors(), max_rows=3)
    settings: dict[str, Any] = {"samplers": ["gaussian", "mc_dropout"], "n_samples": 9, "seed": 4}
    draws = explainer.compute(DATA, Gradient(), **settings).values
    found = explainer.explain(DATA, Gradient(), **settings)
    torch.testing.assert_close(found.values, draws.mean(0), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found.std_error, draws.std(0) / 3, rtol=1e-12, atol=1e-12)


# --- The numbers themselves -----------------------------------------------------------------------


def numbers(rows: int, *inner: int, draws: int = 1, seed: int = 0, stream: int = 0) -> Numbers:
    """Numbers for dense rows: draws × items."""
    axes = ("item", *(f"axis{i}" for i in range(len(inner))))
    layout = Layout({"x": Field(axes)})
    batch = Batch({"x": torch.empty(rows * draws, *inner)}, layout, rows * draws)
    keys = row_keys(seed, item_keys(range(rows)), torch.arange(draws))
    return Numbers(keys, RowView(batch.all_rows(), axes), (rows * draws, *inner), stream)


def test_several_numbers_of_a_position_are_independent_of_each_other() -> None:
    own = numbers(100, 60)
    spawned = [one.uniform().flatten() for one in own.spawn(3)]
    correlation = torch.corrcoef(torch.stack([own.uniform().flatten(), *spawned]))
    assert (correlation - torch.eye(4)).abs().max() < 4 / 6000**0.5
    again = [one.uniform().flatten() for one in own.spawn(2)]
    assert all(torch.equal(a, b) for a, b in zip(again, spawned[:2], strict=True))
    other = numbers(100, 60, stream=1).spawn(1)[0].uniform().flatten()
    assert not torch.equal(other, spawned[0])


#: 60 000 numbers along each of the ways in which they are told apart.
WAYS = {
    "items": lambda: numbers(60_000),
    "positions": lambda: numbers(1, 60_000),
    "nested positions": lambda: numbers(2, 30, 10, 100),
    "draws": lambda: numbers(1, draws=60_000),
    "items and few positions": lambda: numbers(20_000, 3),
}


def each_seed() -> Tensor:
    return torch.cat([numbers(6, 10, seed=seed).uniform().flatten() for seed in range(1000)])


def each_stream() -> Tensor:
    return torch.cat([numbers(6, 10, stream=s).uniform().flatten() for s in range(-500, 500)])


@pytest.mark.parametrize("way", [*WAYS, "seeds", "streams"])
def test_uniform_numbers_are_uniform_and_independent(way: str) -> None:
    if way in WAYS:
        sample = WAYS[way]().uniform().flatten().numpy()
    else:
        sample = (each_seed() if way == "seeds" else each_stream()).numpy()
    n = len(sample)
    assert n == 60_000
    assert sample.min() > 0
    assert sample.max() < 1
    assert stats.kstest(sample, "uniform").pvalue > 1e-3
    # Mean 1/2, variance 1/12; correlations of neighbours have standard deviation 1/√n.
    assert abs(sample.mean() - 0.5) < 4 * (1 / 12 / n) ** 0.5
    assert abs(sample.var() - 1 / 12) < 4 * (1 / 180 / n) ** 0.5
    for lag in (1, 2, 3, 10, 100):
        assert abs(np.corrcoef(sample[:-lag], sample[lag:])[0, 1]) < 4 / n**0.5


@pytest.mark.parametrize("way", WAYS)
def test_normal_numbers_are_standard_normal(way: str) -> None:
    sample = WAYS[way]().normal().flatten().numpy()
    n = len(sample)
    assert stats.kstest(sample, "norm").pvalue > 1e-3
    assert abs(sample.mean()) < 4 / n**0.5
    assert abs(sample.var() - 1) < 4 * (2 / n) ** 0.5
    assert abs((sample**3).mean()) < 4 * (15 / n) ** 0.5
    assert abs((sample**4).mean() - 3) < 4 * (96 / n) ** 0.5
    # Two neighbours are the halves of 64 bits.
    for lag in (1, 2, 3, 10, 100):
        assert abs(np.corrcoef(sample[:-lag], sample[lag:])[0, 1]) < 4 / n**0.5
        squares = sample**2
        assert abs(np.corrcoef(squares[:-lag], squares[lag:])[0, 1]) < 4 / n**0.5


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.75, 0.999])
@pytest.mark.parametrize("way", WAYS)
def test_keep_is_true_at_its_rate(way: str, probability: float) -> None:
    kept = WAYS[way]().keep(probability).double()
    slack = 4 * (probability * (1 - probability) / kept.numel()) ** 0.5
    assert abs(float(kept.mean()) - probability) < slack


def test_high_and_low_bits_are_fair() -> None:
    bits = numbers(60_000).bits()
    for place in range(63):
        ones = float(((bits >> place) & 1).double().mean())
        assert abs(ones - 0.5) < 4 * 0.5 / 60_000**0.5
    assert (bits >= 0).all()


@pytest.mark.parametrize("shape", [(60_000,), (20_000, 3), (300, 200)])
def test_bits_of_words_are_fair_and_those_of_neighbours_independent(shape: tuple[int, ...]) -> None:
    words = numbers(*shape).words().flatten().long()
    n = len(words)
    for place in range(32):
        ones = ((words >> place) & 1).double()
        assert abs(float(ones.mean()) - 0.5) < 4 * 0.5 / n**0.5
        both = (ones[1:] * ones[:-1]).mean()
        assert abs(float(both) - 0.25) < 4 * (3 / 16 / n) ** 0.5 * 1.3


def test_words_do_not_depend_on_which_axis_counts_rows() -> None:
    # What a model drops for one item alone, along any axis, it drops for it among others.
    alone = numbers(1, 4, 6)
    rows = alone.view.rows
    one = Numbers(alone.keys, RowView(rows, ("item", "axis1", "axis2")), (1, 4, 6))
    last = Numbers(alone.keys, RowView(rows, ("axis0", "axis1", "item")), (1, 4, 6))
    assert torch.equal(one.words()[..., :1], last.words()[..., :1])


def test_no_two_positions_of_a_large_block_share_their_bits() -> None:
    # Each axis has a stride of its own, so that no two index tuples meet in one counter.
    bits = numbers(2, 6, 40, 50, 30).bits()
    assert len(bits.flatten().unique()) == bits.numel()


def test_rows_and_columns_of_a_block_are_not_correlated() -> None:
    block = numbers(200, 300).normal().numpy()
    rows, columns = np.corrcoef(block), np.corrcoef(block.T)
    for matrix, n in ((rows, 300), (columns, 200)):
        off = matrix[~np.eye(len(matrix), dtype=bool)]
        assert np.abs(off).max() < 6 / n**0.5
        assert abs(off.std() * n**0.5 - 1) < 0.05


def test_noise_of_the_engine_is_standard_normal_across_items_and_draws() -> None:
    x = torch.zeros(500, 6).double()
    draws = points(x, samplers=[GaussianNoise(1.0, "absolute")], n_samples=20)
    assert stats.kstest(draws.flatten().numpy(), "norm").pvalue > 1e-3
    assert stats.kstest(draws.sum(0).flatten().numpy() / 20**0.5, "norm").pvalue > 1e-3
    assert stats.kstest(draws.sum((1, 2)).numpy() / 3000**0.5, "norm").pvalue > 1e-3


# --- Global random state --------------------------------------------------------------------------


@pytest.mark.parametrize("samplers", [["gaussian"], ["mc_dropout"], ["gaussian", "mc_dropout"]])
def test_drawing_neither_reads_nor_moves_the_global_random_states(samplers: list[str]) -> None:
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Dropout(0.3), nn.Linear(6, 3)).double()
    results = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)
        before = torch.get_rng_state(), np.random.get_state(), random.getstate()
        found = salience.explain(model, DATA, Tensors(), samplers=samplers, n_samples=3)
        results.append(found.values)
        assert torch.equal(torch.get_rng_state(), before[0])
        assert str(np.random.get_state()) == str(before[1])
        assert random.getstate() == before[2]
    assert torch.equal(*results)
