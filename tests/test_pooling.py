"""Sums over groups of positions have the error of the sums of draws, kept or streamed."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import salience
from salience import Blocks, Explanation, InputError, Tensors, Until
from salience_tabular import Tabular
from salience_vision import Vision

torch.manual_seed(0)
NET = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 2)).double()
X = torch.randn(7, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
COLUMNS = ["a", "b", "c", "d"]
FRAME = pd.DataFrame(X.numpy(), columns=COLUMNS)
GROUPS = {"left": ["a", "b"], "right": ["c", "d"], "most": ["a", "b", "d"]}
MEMBERS = ([0, 1], [2, 3], [0, 1, 3])

PLAIN: dict[str, Any] = {"samplers": ["mc_dropout", "gaussian"], "n_samples": 6}
DRAWS: dict[str, dict[str, Any]] = {
    "plain": PLAIN,
    "nested": {"samplers": ["mc_dropout", "gaussian"], "n_samples": (4, 3)},
    "antithetic": {"samplers": ["gaussian:antithetic=True"], "n_samples": 8},
    "until": {"samplers": ["gaussian"], "n_samples": Until(rel_error=0.04, min=4, max=256)},
}


def explainer(**settings: Any) -> salience.Explainer:
    return salience.Explainer(NET, "tabular", output="class:0", **settings)


def sums(draws: Tensor) -> Tensor:
    """The sum of each group, of draws of shape (M, B, 4)."""
    return torch.stack([draws[..., list(members)].sum(-1) for members in MEMBERS], -1)


# --- The error is that of the sums of draws -------------------------------------------------------

GROUPED = {"plain": 1, "nested": 3, "antithetic": 2}


@pytest.mark.parametrize("kind", GROUPED)
def test_the_error_is_that_of_the_sums_over_independent_draws(kind: str) -> None:
    kept = explainer().compute(FRAME, **DRAWS[kind])
    found = explainer().aggregate(kept.pool(GROUPS))
    expected = sums(kept.values)
    torch.testing.assert_close(kept.pool(GROUPS).values, expected, rtol=1e-14, atol=1e-15)
    torch.testing.assert_close(found.values, expected.mean(0), rtol=1e-12, atol=1e-15)
    each = expected.reshape(-1, GROUPED[kind], *expected.shape[1:]).mean(1)
    errors = each.std(0) / len(each) ** 0.5
    torch.testing.assert_close(found.std_error, errors, rtol=1e-12, atol=1e-15)
    assert found.column_names("input") == ["left", "right", "most"]


def test_parts_of_the_variance_of_nested_draws_are_those_of_the_sums() -> None:
    found = explainer().explain(FRAME, **DRAWS["nested"], pool=GROUPS)
    draws = sums(explainer().compute(FRAME, **DRAWS["nested"]).values).reshape(4, 3, 7, 3)
    noise = draws.var(1).mean(0)
    parts = found.variance_parts
    torch.testing.assert_close(parts["noise"], noise, rtol=1e-12, atol=0)
    between = draws.mean(1).var(0) - noise / 3
    torch.testing.assert_close(parts["parameters"], between, rtol=1e-10, atol=1e-15)


def test_errors_that_are_added_up_are_wrong() -> None:
    found = explainer().explain(FRAME, **PLAIN)
    exact = explainer().explain(FRAME, **PLAIN, pool=GROUPS).std_error
    root = sums(found.std_error.square()[None])[0].sqrt()
    plain = sums(found.std_error[None])[0]
    assert (root / exact).min() < 0.9 and (root / exact).max() > 1.1
    assert (plain >= exact * (1 - 1e-12)).all() and (plain / exact).max() > 1.5


@pytest.mark.parametrize("aggregator", ["raw", "abs", "square"])
def test_values_of_groups_are_the_sums_of_values(aggregator: str) -> None:
    single = explainer().explain(FRAME, **PLAIN, aggregator=aggregator)
    pooled = explainer().explain(FRAME, **PLAIN, aggregator=aggregator, pool=GROUPS)
    torch.testing.assert_close(pooled.values, sums(single.values[None])[0], rtol=1e-12, atol=0)


LOOPS: dict[str, Any] = {
    "sign": lambda s: s.sign().mean(0),
    "variance": lambda s: s.var(0),
    "quantile": lambda s: s.quantile(0.5, 0),
    "signal_to_noise": lambda s: s.mean(0) / s.std(0),
    "mean_plus_std": lambda s: s.mean(0) + s.std(0),
}


@pytest.mark.parametrize("aggregator", LOOPS)
def test_other_aggregators_are_of_the_sum_of_each_draw(aggregator: str) -> None:
    kept = explainer().compute(FRAME, **PLAIN)
    pooled = explainer().explain(FRAME, **PLAIN, aggregator=aggregator, pool=GROUPS)
    torch.testing.assert_close(
        pooled.values, LOOPS[aggregator](sums(kept.values)), rtol=1e-12, atol=1e-15
    )


# --- Streamed and kept ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings", [{"max_rows": 1}, {"max_rows": 5}, {"device": ["cpu", "cpu"]}], ids=str
)
@pytest.mark.parametrize("aggregator", ["raw", "abs", "sign", "quantile"])
def test_streamed_sums_are_those_of_kept_draws(aggregator: str, settings: dict[str, Any]) -> None:
    kept = explainer().compute(FRAME, **PLAIN).pool(GROUPS)
    expected = explainer().aggregate(kept, aggregator)
    found = explainer(**settings).explain(FRAME, **PLAIN, aggregator=aggregator, pool=GROUPS)
    torch.testing.assert_close(found.values, expected.values, rtol=1e-12, atol=1e-15)
    torch.testing.assert_close(found.std_error, expected.std_error, rtol=1e-9, atol=1e-15)
    alike = explainer().explain(FRAME, **PLAIN, aggregator=aggregator, pool=GROUPS)
    assert torch.equal(alike.values, expected.values)
    assert torch.equal(alike.std_error, expected.std_error)


def test_items_are_drawn_until_their_sums_are_known() -> None:
    found = explainer().explain(FRAME, **DRAWS["until"], pool=GROUPS)
    assert len(set(found.draws.tolist())) > 1
    for item, number in enumerate(found.draws.tolist()):
        kept = explainer().compute(FRAME, samplers=["gaussian"], n_samples=number)
        expected = explainer().aggregate(kept.pool(GROUPS))
        for name in ("values", "std_error"):
            one, other = getattr(found, name)[item], getattr(expected, name)[item]
            torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-15)


def test_a_stream_pools_as_explain_does() -> None:
    each = [{"one": [i % 4], "rest": [(i + 1) % 4, (i + 2) % 4]} for i in range(7)]
    every = explainer().explain(FRAME, **PLAIN, pool=each)
    pieces = [FRAME.iloc[:3], FRAME.iloc[3:]]
    for item, one in enumerate(explainer().stream(pieces, **PLAIN, pool=each)):
        torch.testing.assert_close(one.values[0], every.values[item], rtol=1e-12, atol=1e-15)


# --- Forms of groups ------------------------------------------------------------------------------

FORMS: dict[str, Any] = {
    "names": {"x": ["a", "c"], "y": ["b"]},
    "positions": {"x": [0, 2], "y": 1},
    "arrays": {"x": np.array([0, 2]), "y": torch.tensor([1])},
    "masks": {"x": [True, False, True, False], "y": np.array([False, True, False, False])},
    "a series as mask": {"x": pd.Series([True, False, True, False]), "y": {1}},
    "labels": np.array([0, 1, 0, -1]),
    "a list of labels": [0, 1, 0, None],
    "labels of torch": torch.tensor([0, 1, 0, -1]),
    "a series of labels": pd.Series([0, 1, 0, -1], index=COLUMNS),
    "a series in another order": pd.Series({"d": -1, "c": 0, "b": 1, "a": 0}),
    "a series without some": pd.Series({"c": 0, "b": 1, "a": 0}),
    "masks in another order": {
        "x": pd.Series({"c": True, "d": False, "a": True}),
        "y": pd.Series({"b": True, "a": False}, dtype="boolean"),
    },
    "a series for each item": [pd.Series({"c": 0, "b": 1, "a": 0})] * 7,
    "frames in another order": pd.DataFrame({"d": [-1] * 7, "b": [1] * 7, "c": 0, "a": 0}),
    "labels for each item": np.tile([0, 1, 0, -1], (7, 1)),
    "a list for each item": [[0, 1, 0, None]] * 7,
    "members for each item": [[(0, 2), (1,)]] * 7,
    "names for each item": [{"x": ["a", "c"], "y": ["b"]}] * 7,
}


@pytest.mark.parametrize("form", FORMS)
def test_groups_are_given_in_many_forms(form: str, tmp_path: Path) -> None:
    expected = explainer().explain(FRAME, **PLAIN, pool=FORMS["positions"])
    found = explainer().explain(FRAME, **PLAIN, pool=FORMS[form])
    for one, other in zip(found.values, expected.values, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-15)
    found.save(tmp_path / "a.salience")
    again = Explanation.load(tmp_path / "a.salience")
    assert again["input"].names == found["input"].names
    frame = again.to_dataframe()
    assert len(frame) == 14 and not frame["position"].isna().any()
    rerun = salience.rerun(NET, FRAME, again.provenance)
    assert all(map(torch.equal, rerun.values, found.values))
    chosen = found.iloc[[4, 1]]
    parts = salience.rerun(NET, FRAME.iloc[[4, 1]], chosen.provenance)
    for one, other in zip(parts.values, chosen.values, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-15)


def test_a_kept_pool_pickles_and_its_groups_are_not_kept_twice() -> None:
    kept = explainer().compute(FRAME, **PLAIN)
    pooled = kept.pool(GROUPS)
    assert pooled.draws["input"] is kept.draws["input"]
    again = pickle.loads(pickle.dumps(pooled))
    assert torch.equal(again.values, pooled.values)


def test_differences_are_pooled_and_want_the_same_groups() -> None:
    one, two = (
        salience.Explainer(NET, "tabular", output=f"class:{i}").compute(FRAME, **PLAIN)
        for i in (0, 1)
    )
    found = explainer().aggregate(one.pool(GROUPS) - two.pool(GROUPS))
    expected = sums((one - two).values)
    torch.testing.assert_close(found.values, expected.mean(0), rtol=1e-12, atol=1e-15)
    with pytest.raises(InputError, match="differ in their groups"):
        _ = one.pool(GROUPS) - two


# --- Maps, molecules, sequences, several variables ------------------------------------------------


class Maps(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.tanh().square().flatten(1).sum(1, keepdim=True)


MAPS = torch.randn(3, 2, 7, 10, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
IMAGES = Tensors(("item", "channel", "height", "width"), reduce=("channel",), output="value")
SUMMED = ("channel",)
NOISE: dict[str, Any] = {"samplers": ["gaussian"], "n_samples": 5}


@pytest.mark.parametrize("aggregator", ["raw", "abs"])
@pytest.mark.parametrize("size", [4, (3, 5), 1, 20])
def test_blocks_of_pixels_keep_the_axes_of_the_map(size: Any, aggregator: str) -> None:
    kept = salience.Explainer(Maps(), IMAGES).compute(MAPS, **NOISE)
    values = (kept.values.abs() if aggregator == "abs" else kept.values).sum(2)
    high, across = size if isinstance(size, tuple) else (size, size)
    rows = [values[..., i : i + high, :].sum(-2) for i in range(0, 7, high)]
    expected = torch.stack(
        [
            torch.stack([row[..., j : j + across].sum(-1) for j in range(0, 10, across)], -1)
            for row in rows
        ],
        -2,
    )
    found = salience.explain(
        Maps(), MAPS, IMAGES, **NOISE, aggregator=aggregator, pool=Blocks(size), max_rows=4
    )
    torch.testing.assert_close(found.values, expected.mean(0), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(found.std_error, expected.std(0) / 5**0.5, rtol=1e-10, atol=1e-14)
    assert found["input"].names is None and found["input"].counts is None


def test_labels_of_pixels_make_superpixels() -> None:
    labels = (torch.arange(7)[:, None] // 3) * 4 + torch.arange(10) // 3
    labels[0, 0] = -1
    found = salience.explain(Maps(), MAPS, IMAGES, **NOISE, pool=labels)
    draws = salience.Explainer(Maps(), IMAGES).compute(MAPS, **NOISE).values.sum(2)
    names = sorted({str(i) for i in labels.flatten().tolist() if i >= 0}, key=int)
    assert found["input"].names == tuple(names)
    for at, name in enumerate(names):
        expected = draws[..., labels == int(name)].sum(-1)
        torch.testing.assert_close(found.values[:, at], expected.mean(0), rtol=1e-12, atol=1e-14)


def test_single_pixels_are_named_by_their_place_along_each_axis() -> None:
    found = salience.explain(
        Maps(), MAPS, IMAGES, pool={"corner": (0, 0), "edge": [(0, 1), (6, 9)]}
    )
    single = salience.explain(Maps(), MAPS, IMAGES).values
    expected = torch.stack([single[:, 0, 0], single[:, 0, 1] + single[:, 6, 9]], 1)
    torch.testing.assert_close(found.values, expected, rtol=1e-12, atol=1e-15)


def test_fragments_of_molecules_and_atoms_of_ragged_items(graphs: Any) -> None:
    model, _ = graphs.models(p=0.3)
    groups = [
        {f"g{k}": list(range(k, len(graph.labels), 2)) for k in range(min(2, len(graph.labels)))}
        for graph in graphs.data
    ]
    explainer = salience.Explainer(model, graphs.ragged(reduce=SUMMED))
    kept = explainer.compute(graphs.data, samplers=["mc_dropout"], n_samples=6)
    for aggregator in ("raw", "abs"):
        expected = explainer.aggregate(kept.pool(groups), aggregator)
        for max_rows in (6, 100):
            other = salience.Explainer(model, graphs.ragged(reduce=SUMMED), max_rows=max_rows)
            found = other.explain(
                graphs.data,
                samplers=["mc_dropout"],
                n_samples=6,
                pool=groups,
                aggregator=aggregator,
            )
            single = explainer.aggregate(kept, aggregator)
            for item, own in enumerate(groups):
                assert found["embed"].names[item] == tuple(own)
                for at, members in enumerate(own.values()):
                    value = single.values[item][members].sum()
                    torch.testing.assert_close(
                        found.values[item][at], value, rtol=1e-11, atol=1e-14
                    )
                torch.testing.assert_close(
                    found.std_error[item], expected.std_error[item], rtol=1e-8, atol=1e-14
                )
    draws = [d.sum(-1) if d.ndim == 3 else d for d in kept.values]
    found = explainer.aggregate(kept.pool(groups))
    for item, own in enumerate(groups):
        for at, members in enumerate(own.values()):
            error = draws[item][:, members].sum(1).std(0) / 6**0.5
            torch.testing.assert_close(found.std_error[item][at], error, rtol=1e-9, atol=1e-14)


def test_ragged_and_padded_forms_of_items_pool_alike(graphs: Any) -> None:
    ragged, padded = graphs.models()
    groups = [[list(range(len(graph.labels)))] for graph in graphs.data]
    one = salience.explain(ragged, graphs.data, graphs.ragged(reduce=SUMMED), pool=groups)
    two = salience.explain(padded, graphs.data, graphs.padded(reduce=SUMMED), pool=groups)
    for a, b in zip(one.values, two.values, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-14)


def squares(x: Tensor, mask: Tensor) -> Tensor:
    return (x.tanh().square() * mask[:, None]).sum((1, 2))


def test_words_of_padded_series_and_blocks_in_them(series: Any) -> None:
    made = torch.Generator().manual_seed(2)
    data = [torch.randn(2, n, generator=made, dtype=torch.float64) for n in (5, 2, 3, 1)]
    single = salience.explain(squares, data, series(), output="value")
    words = [torch.arange(2 * one.shape[1]).reshape(2, -1) % 2 for one in data]
    for in_front in (False, True):
        found = salience.explain(squares, data, series(in_front), output="value", pool=words)
        for item, labels in enumerate(words):
            expected = torch.stack(
                [single.values[item][labels == k].sum() for k in labels.unique()]
            )
            torch.testing.assert_close(found.values[item], expected, rtol=1e-12, atol=1e-15)
        blocks = salience.explain(
            squares, data, series(in_front), output="value", pool=Blocks((1, 2)), max_rows=2
        )
        for one, other in zip(blocks.values, single.values, strict=True):
            halves = [other[:, i : i + 2].sum(1) for i in range(0, other.shape[1], 2)]
            torch.testing.assert_close(one, torch.stack(halves, 1), rtol=1e-12, atol=1e-15)


class Two(nn.Module):
    """An embedding of categories beside numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.out = nn.Embedding(5, 3), nn.Linear(3 * 2 + 2, 2)

    def forward(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        parts = [numeric, self.embed(categorical).flatten(1)]
        return self.out(torch.cat(parts, 1).tanh())


MIXED = pd.DataFrame({"u": [0.1, 0.5, -1.0], "k": [1, 2, 0], "v": [1.0, 2.0, 0.5], "l": [3, 4, 4]})


def test_columns_of_joined_variables_are_pooled_by_name() -> None:
    model, domain = Two().double(), Tabular(categorical=("k", "l"))
    single = salience.explain(model, MIXED, domain, output="class:1", **NOISE)
    names = list(single.column_names("features") or [])
    groups = {"x": ["u", "k"], "y": ["l", "v", "k"]}
    found = salience.explain(model, MIXED, domain, output="class:1", **NOISE, pool=groups)
    assert list(found.saliency) == ["pooled"]
    expected = torch.stack(
        [single.values[:, [names.index(n) for n in own]].sum(1) for own in groups.values()], 1
    )
    torch.testing.assert_close(found.values, expected, rtol=1e-12, atol=1e-15)
    explainer = salience.Explainer(model, domain, output="class:1")
    kept = explainer.compute(MIXED, **NOISE)
    assert torch.equal(explainer.aggregate(kept.pool(groups)).std_error, found.std_error)


def test_several_variables_are_pooled_into_one() -> None:
    model, domain = Two().double(), Tabular(categorical=("k", "l"))
    target = ["embed"]
    single = salience.explain(model, MIXED, domain, target=target, output="class:1")
    groups = {"k": {"embed": [0]}, "both": {"embed": [0, 1]}}
    found = salience.explain(model, MIXED, domain, target=target, output="class:1", pool=groups)
    expected = torch.stack([single.values[:, 0], single.values.sum(1)], 1)
    torch.testing.assert_close(found.values, expected, rtol=1e-12, atol=1e-15)


class AtomsAndBonds(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.bonds, self.out = nn.Embedding(120, 4), nn.Embedding(5, 3), nn.Linear(4, 1)
        self.edge = nn.Linear(3, 4)

    def forward(
        self, atoms: Tensor, edge_index: Tensor, bond_type: Tensor, owner: Tensor
    ) -> Tensor:
        h = self.embed(atoms)
        messages = h[edge_index[0]] * self.edge(self.bonds(bond_type))
        h = torch.tanh(h.index_add(0, edge_index[1], messages))
        return h.new_zeros(int(owner.max()) + 1, 1).index_add(0, owner, self.out(h))


def test_atoms_are_pooled_with_their_bonds() -> None:
    model = AtomsAndBonds().double()
    domain = {"name": "molgraph", "fields": ("atoms", "edge_index", "bond_type", "owner")}
    target = ["embed", salience.Target("bonds", axes=("bond", "channel"))]
    smiles = ["CCO", "CC(=O)O"]
    single = salience.explain(model, smiles, domain, target=target)
    groups = [
        {"tail": {"embed": [1, 2], "bonds": [2, 3]}, "head": {"embed": [0]}},
        {"acid": {"embed": [1, 2, 3], "bonds": [0, 5]}},
    ]
    found = salience.explain(model, smiles, domain, target=target, pool=groups)
    for item, own in enumerate(groups):
        for at, members in enumerate(own.values()):
            parts = [single[v].values[item][i] for v, own_i in members.items() for i in own_i]
            expected = torch.stack([p.sum() for p in parts]).sum()
            torch.testing.assert_close(found.values[item][at], expected, rtol=1e-10, atol=1e-14)
    assert found["pooled"].names == (("tail", "head"), ("acid",))


# --- Refusals -------------------------------------------------------------------------------------

WRONG: dict[str, tuple[Any, str]] = {
    "an unknown name": ({"x": ["a", "zz"]}, "'zz'"),
    "too high": ({"x": [0, 4]}, "names the position 4"),
    "negative": ({"x": [-1]}, "names the position -1"),
    "no whole number": ({"x": [0.5]}, "the position 0.5"),
    "twice": ({"x": [1, 1]}, "names a position twice"),
    "an empty group": ({"x": []}, "'x' is empty"),
    "no groups": ({}, "empty"),
    "nothing": ([], "pool="),
    "a number": (3, "pool=3"),
    "a word": ("a", "pool='a'"),
    "labels of halves": (np.array([0.0, 1.0, 0.0, 1.0]), "whole numbers"),
    "labels of another shape": (np.array([0, 1]), r"shape \(2,\)"),
    "a mask of another shape": ({"x": [True, False]}, "mask of a group"),
    "another number of items": ([{"x": [0]}] * 3, "3 items were given for 7 items"),
    "labels of fewer items": (np.zeros((3, 4), int), "3 items"),
    "an item that is wrong": ([{"x": [0]}] * 6 + [{"x": [9]}], "groups of item 6"),
    "an item without groups": ([{"x": [0]}] * 6 + [3], "groups of item 6"),
    "a variable that is not there": ({"x": {"embed": [0]}}, "'embed'"),
    "blocks of too many axes": (Blocks((2, 2)), "2 axes"),
    "names for groups": ([["a"], ["b"]] + [["c"]] * 5, r"of item 0: 'a' is the name of a position"),
    "one name twice": ({1: ["a"], "1": ["b"]}, "two groups have the name '1'"),
    "no position in a group": (np.full(4, -1), "no position into a group"),
    "a label below -1": (np.array([0, 1, -2, 0]), "the label -2"),
    "a label beyond 64 bits": (np.array([0, 1, 2, 2**64 - 1], dtype=np.uint64), "the label 1844"),
    "labels in another order": (pd.Series([0, 0, 1, 1], index=[1, 0, 2, 3]), r"sort_index\(\)"),
    "labels of columns that are not there": (pd.Series([0, 1], index=["a", "zz"]), "'zz'"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_groups_that_do_not_fit_are_refused_in_a_sentence(kind: str) -> None:
    groups, words = WRONG[kind]
    kept = explainer().compute(FRAME, **PLAIN)
    for ask in (
        lambda: kept.pool(groups),
        lambda: explainer().explain(FRAME, **PLAIN, pool=groups),
    ):
        with pytest.raises(InputError, match=words) as caught:
            ask()
        assert len(str(caught.value)) <= 300


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("calculator", ["gradient", "integrated_gradients:steps=4"])
def test_groups_are_refused_before_any_backward_pass(
    kind: str, calculator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def grad(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("work was done")

    monkeypatch.setattr(torch.autograd, "grad", grad)
    with pytest.raises(InputError, match=WRONG[kind][1]):
        explainer().explain(FRAME, calculator, **PLAIN, pool=WRONG[kind][0])


@pytest.mark.parametrize("kind", ["an unknown name", "an item that is wrong", "names for groups"])
def test_a_check_finds_groups_that_do_not_fit(kind: str) -> None:
    groups, words = WRONG[kind]
    last = explainer().check(FRAME, **PLAIN, pool=groups).verdicts[-1]
    assert last.outcome == "refused"
    assert re.search(words, str(last))


def test_labels_for_more_items_than_a_stream_has_are_refused_at_its_end() -> None:
    labels = np.tile([0, 1, 0, -1], (9, 1))
    found = explainer().stream([FRAME.iloc[:3], FRAME.iloc[3:]], **PLAIN, pool=labels)
    assert [len(next(found)) for _ in FRAME.index] == [1] * 7
    with pytest.raises(InputError, match="labels of 9 items were given for 7 items"):
        next(found)


def test_a_stream_does_not_give_labels_to_the_items_behind_a_broken_one(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for path in paths:
        Image.new("RGB", (224, 224), "green").save(path)
    paths[0].write_text("no photo")
    net = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 3))
    own = salience.Explainer(net, Vision(on_error="skip"))
    labels = torch.arange(224) // 100
    with pytest.raises(InputError, match="on_error='raise'"):
        next(own.stream([paths[:2], paths[2:]], pool=labels.repeat(3, 224, 1)))
    common = labels.repeat(224, 1)
    assert [len(e) for e in own.stream([paths[:2], paths[2:]], pool=common)] == [1, 1]


@pytest.mark.parametrize("size", [0, -1, 1.5, "4", (2, 0), None, True])
def test_blocks_have_whole_lengths(size: Any) -> None:
    with pytest.raises(InputError, match="size"):
        Blocks(size)


def test_several_variables_want_members_by_variable() -> None:
    model = AtomsAndBonds()
    domain = {"name": "molgraph", "fields": ("atoms", "edge_index", "bond_type", "owner")}
    target = ["embed", salience.Target("bonds", axes=("bond", "channel"))]
    with pytest.raises(InputError, match="several target variables"):
        salience.explain(model, ["CCO"], domain, target=target, pool=[{"x": [0]}])
