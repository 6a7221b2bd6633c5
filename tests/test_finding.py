"""Items are found by id, position, mask and column; names in data never key draws."""

from __future__ import annotations

import datetime
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from rdkit import Chem
from torch import Tensor, nn

import salience
from salience import Explanation, InputError, Mean, PerItem
from salience_tabular import Tabular
from tests.nets import Atoms

torch.manual_seed(0)
NET = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2)).double().eval()
X = torch.randn(4, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
DRAWN: dict[str, Any] = {"samplers": ["gaussian"], "n_samples": 4}
COLUMNS = ["a", "b", "c"]
IG = salience.IntegratedGradients


class Floats(nn.Module):
    """The sum over atoms of a function of their features."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(9, 1)

    def forward(self, atoms: Tensor, edge_index: Tensor, owner: Tensor) -> Tensor:
        h = self.out(atoms.float().tanh())
        return h.new_zeros(int(owner.max()) + 1, 1).index_add(0, owner, h).tanh()


def one_hot(mol: Any) -> Tensor:
    return nn.functional.one_hot(
        torch.tensor([a.GetAtomicNum() for a in mol.GetAtoms()]), 9
    ).float()


SMILES = ["CCO", "c1ccccc1O", "CC", "CCN"]
ATOMS = Atoms()


def table(data: Any = X, domain: Any = "tabular", **settings: Any) -> Explanation:
    return salience.explain(NET, data, domain, **(DRAWN | settings))


def frame(index: Any) -> pd.DataFrame:
    return pd.DataFrame(X.numpy(), columns=COLUMNS, index=index)


def graphs(data: Any = SMILES, domain: Any = "molgraph", **settings: Any) -> Explanation:
    return salience.explain(ATOMS, data, domain, **(DRAWN | settings))


def squares(x: Tensor, mask: Tensor) -> Tensor:
    """The sum of squares over the real positions of each item."""
    return (x.square() * mask[:, None]).sum((1, 2))


def padded(series: Any) -> Explanation:
    made = torch.Generator().manual_seed(2)
    data = [torch.randn(2, n, generator=made) for n in (5, 2, 3, 1)]
    return salience.explain(squares, data, series(), output="value", ids=list("abcd"), **DRAWN)


# --- Names in the data ---------------------------------------------------------------------------

INDEXES: dict[str, tuple[Any, list[Any]]] = {
    "strings": (["p", "q", "r", "s"], ["p", "q", "r", "s"]),
    "numbers": ([30, 10, 20, 0], [30, 10, 20, 0]),
    "a later part": (pd.RangeIndex(100, 104), [100, 101, 102, 103]),
    "repeated": (["p", "q", "p", "s"], ["p", "q", "p", "s"]),
    "dates": (
        pd.date_range("2020-01-01", periods=4),
        [f"2020-01-0{day}" for day in range(1, 5)],
    ),
    "pairs": (
        pd.MultiIndex.from_product([[0, 1], ["x", "y"]]),
        ["0, x", "0, y", "1, x", "1, y"],
    ),
    "halves": ([0.5, 1.5, 2.5, 3.5], ["0.5", "1.5", "2.5", "3.5"]),
    "some missing": (["p", None, float("nan"), "s"], ["p", 1, 2, "s"]),
    "numbers, one missing": ([7.0, float("nan"), 8.0, 9.0], [7, 1, 8, 9]),
    "more than 64 bits": (pd.Index([2**70, 1, 2, 3], dtype=object), [str(2**70), 1, 2, 3]),
    "empty": (["p", "", "q", ""], ["p", 1, "q", 3]),
    "bytes": (pd.Index([b"p", b"q", b"r", b"s"], dtype=object), ["p", "q", "r", "s"]),
    "pairs, a part missing": (
        pd.MultiIndex.from_tuples([("a", 1), ("a", None), ("b", 1), ("b", 2)]),
        ["a, 1", "a, nan", "b, 1", "b, 2"],
    ),
    "counted": (pd.RangeIndex(4), [0, 1, 2, 3]),
}


@pytest.mark.parametrize("kind", INDEXES)
def test_the_index_of_a_frame_names_rows_and_keys_no_draws(kind: str) -> None:
    index, names = INDEXES[kind]
    plain, found = table(X.numpy()), table(frame(index))
    assert list(found.ids) == names
    assert torch.equal(found.values, plain.values)
    assert torch.equal(found.std_error, plain.std_error)
    assert "ids" not in found.provenance
    for at, name in enumerate(names):
        if names.count(name) == 1:
            assert torch.equal(found.loc[name].values, found.values[[at]])


def test_labels_of_the_index_find_their_rows_as_they_are() -> None:
    dated = table(frame(pd.date_range("2020-01-01", periods=4)))
    assert torch.equal(dated.loc[pd.Timestamp("2020-01-03")].values, dated.values[[2]])
    paired = table(frame(pd.MultiIndex.from_product([[0, 1], ["x", "y"]])))
    assert torch.equal(paired.loc[(1, "x")].values, paired.values[[2]])
    for day in ("2020-01-03", datetime.date(2020, 1, 3), np.datetime64("2020-01-03")):
        assert torch.equal(dated.loc[day].values, dated.values[[2]])
    two = dated.loc[pd.date_range("2020-01-02", periods=2)]
    assert torch.equal(two.values, dated.values[[1, 2]])
    assert torch.equal(dated.where(ids=pd.Timestamp("2020-01-03")).values, dated.values[[2]])
    halves = table(frame([0.5, 1.5, 2.5, 3.5]))
    assert torch.equal(halves.loc[2.5].values, halves.values[[2]])


def test_only_ids_key_draws() -> None:
    names = ["p", "q", "r", "s"]
    first = table(frame(names), ids=names)
    order = [2, 0, 3, 1]
    other = table(frame(names).iloc[order], ids=[names[i] for i in order])
    torch.testing.assert_close(other.values, first.values[order], rtol=1e-12, atol=0)
    assert not torch.equal(table(frame(names).iloc[order]).values, first.values[order])


def test_ids_replace_the_names_of_the_data() -> None:
    found = table(frame(["p", "q", "r", "s"]), ids=[5, 6, 7, 8])
    assert list(found.ids) == [5, 6, 7, 8]
    with pytest.raises(InputError, match="no item has the id 'p'"):
        found.loc["p"]


def test_what_repeats_is_had_all_together_and_not_as_one_item() -> None:
    found = table(frame(["p", "q", "p", "s"]))
    assert torch.equal(found.loc["p"].values, found.values[[0, 2]])
    assert torch.equal(found.loc[["s", "p"]].values, found.values[[3, 0, 2]])
    with pytest.raises(InputError, match=r"2 items have the id 'p'.*\.loc\['p'\]"):
        found.item("p")


@pytest.mark.parametrize(
    "written", [["x1", "x2", "x3", "x4"], ["007", "08", "NA", "10"], list("4321")]
)
def test_a_column_of_ids_is_no_feature(written: list[str], tmp_path: Path) -> None:
    data = frame(None)
    data.insert(1, "patient", written)
    domain = Tabular(id_column="patient")
    data.to_csv(tmp_path / "a.csv", index=False)
    expected = [int(w) for w in written] if written == list("4321") else written
    for source in (data, tmp_path / "a.csv"):
        found = table(source, domain)
        assert found.dataset_info["columns"] == COLUMNS
        assert list(found.ids) == expected
        torch.testing.assert_close(found.values, table().values, rtol=1e-12, atol=0)


def test_a_column_of_ids_is_left_out_of_further_tables() -> None:
    data = frame(None).assign(patient=list("wxyz"))
    domain = Tabular(id_column="patient")
    pieces = [data.iloc[:2], data.iloc[2:]]
    explainer = salience.Explainer(NET, domain)
    found = list(explainer.stream(pieces, **DRAWN))
    assert [one.ids[0] for one in found] == list("wxyz")
    torch.testing.assert_close(
        torch.cat([one.values for one in found]), table().values, rtol=1e-12, atol=0
    )
    assert [one.provenance.get("positions", [0]) for one in found] == [[0], [1], [2], [3]]


def test_a_column_of_ids_may_be_missing_in_background_data_and_be_the_index() -> None:
    data, domain = frame(None).assign(patient=list("wxyz")), Tabular(id_column="patient")
    single: dict[str, Any] = {"samplers": [], "n_samples": 1}
    plain = table(calculator=IG(steps=3, baseline=Mean(X.numpy())), **single)
    for background in (data, frame(None)):
        found = table(data, domain, calculator=IG(steps=3, baseline=Mean(background)), **single)
        torch.testing.assert_close(found.values, plain.values, rtol=1e-12, atol=0)
    assert list(table(data.set_index("patient"), domain).ids) == list("wxyz")


@pytest.mark.parametrize("column", ["patients", "a, b", 3])
def test_a_column_of_ids_that_is_not_there_is_refused(column: Any) -> None:
    with pytest.raises(InputError, match="id_column"):
        table(frame(None), Tabular(id_column=column))
    with pytest.raises(InputError, match="id_column"):
        table(X.numpy(), Tabular(id_column="a"))


def test_molecules_are_called_by_title_index_or_smiles(tmp_path: Path) -> None:
    titled = [Chem.MolFromSmiles(s) for s in SMILES]
    titled[1].SetProp("_Name", "phenol")
    series = pd.Series(SMILES, index=list("wxyz"))
    data = pd.DataFrame({"smiles": SMILES, "code": ["m1", "m2", "m3", "m4"]})
    data.to_csv(tmp_path / "a.csv", index=False)
    coded = {"name": "molgraph", "id_column": "code"}
    plain = graphs()
    assert list(plain.ids) == SMILES
    for source, domain, names in [
        (titled, "molgraph", ["CCO", "phenol", "CC", "CCN"]),
        (series, "molgraph", list("wxyz")),
        (data.set_index("code"), "molgraph", ["m1", "m2", "m3", "m4"]),
        (data, coded, ["m1", "m2", "m3", "m4"]),
        (tmp_path / "a.csv", coded, ["m1", "m2", "m3", "m4"]),
    ]:
        found = graphs(source, domain)
        assert list(found.ids) == names
        for one, other in zip(found.values, plain.values, strict=True):
            assert torch.equal(one, other)
        assert torch.equal(found.loc[names[1]].values[0], plain.values[1])


def test_an_index_of_molecules_that_is_no_text_leaves_them_their_titles() -> None:
    numbered = graphs(pd.Series(SMILES, index=[37, 5, 11, 2]))
    assert list(numbered.ids) == [37, 5, 11, 2]
    assert [note["name"] for note in numbered.annotations] == SMILES
    assert torch.equal(numbered.loc[5].values[0], numbered.values[1])
    pairs = pd.MultiIndex.from_product([["a", "b"], [1, 2]])
    paired = graphs(pd.DataFrame({"smiles": SMILES}, index=pairs))
    assert torch.equal(paired.loc["a", 2].values[0], paired.values[1])
    partly = graphs(pd.Series(SMILES, index=["p", None, "q", float("nan")]))
    assert list(partly.ids) == ["p", SMILES[1], "q", SMILES[3]]


def test_photos_are_called_by_their_files(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (3, 8, 8, 3), dtype=np.uint8)
    for name, one in zip(["cat.png", "dog.png"], pixels, strict=False):
        Image.fromarray(one).save(tmp_path / name)
    net = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 2))
    mixed = [tmp_path / "dog.png", tmp_path / "cat.png", pixels[2]]
    found = salience.explain(net, mixed, "vision")
    assert list(found.ids) == ["dog.png", "cat.png", 2]
    assert torch.equal(found.item("cat.png").values[0], found.values[1])
    assert list(salience.explain(net, list(pixels), "vision").ids) == [0, 1, 2]


# --- Choosing -------------------------------------------------------------------------------------

KINDS: dict[str, Any] = {
    "dense": lambda _: table(ids=list("abcd")),
    "padded": padded,
    "ragged": lambda _: graphs(),
}


CHOICES: dict[str, tuple[Any, list[int]]] = {
    "a number": (2, [2]),
    "from the end": (-1, [3]),
    "a slice": (slice(1, 3), [1, 2]),
    "every other": (slice(None, None, -2), [3, 1]),
    "a list": ([3, 0, 0], [3, 0, 0]),
    "a tuple": ((1, 2), [1, 2]),
    "an array": (np.array([2, 1]), [2, 1]),
    "a tensor": (torch.tensor([0, -2]), [0, 2]),
    "a number of numpy": (np.int64(1), [1]),
    "a mask": ([True, False, False, True], [0, 3]),
    "a mask of numpy": (np.array([False, True, True, False]), [1, 2]),
    "a mask of torch": (torch.tensor([False, False, True, False]), [2]),
    "a mask of pandas": (pd.Series([False, True, False, False], index=[9, 8, 7, 6]), [1]),
}


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("kind", KINDS)
def test_items_by_position_are_those_items(kind: str, choice: str, series: Any) -> None:
    every, (chosen, positions) = KINDS[kind](series), CHOICES[choice]
    found = every.iloc[chosen]
    assert isinstance(found, Explanation) and len(found) == len(positions)
    for name in ("values", "std_error"):
        whole = getattr(every, name)
        for one, at in zip(getattr(found, name), positions, strict=True):
            assert torch.equal(one, whole[at])
    assert list(found.ids) == [every.ids[at] for at in positions]
    for column in ("prediction", "score", "n_independent", "drawn"):
        assert torch.equal(getattr(found, column), getattr(every, column)[positions])
    names = [every.ids[at] for at in positions]
    if choice != "a list":
        assert torch.equal(every.loc[names].score, found.score)
    if choice == "a mask":
        assert torch.equal(every.loc[chosen].score, found.score)


@pytest.mark.parametrize("kind", KINDS)
def test_a_choice_does_not_share_memory(kind: str, series: Any) -> None:
    every = KINDS[kind](series)
    before = every.values[1].clone()
    every.iloc[1:].only.flat.zero_()
    every.item(1).score.zero_()
    assert torch.equal(every.values[1], before) and every.score[1] != 0


def test_what_was_chosen_runs_again_with_the_same_draws() -> None:
    for given in ({}, {"ids": ["p", "q", "r", "s"]}):
        every = table(frame(["k", "l", "m", "n"]), **given)
        found = every.iloc[[3, 1]]
        again = salience.rerun(NET, frame(None).iloc[[3, 1]], found.provenance)
        torch.testing.assert_close(again.values, found.values, rtol=1e-12, atol=0)


LABELS = [0, 1, 1, 0]
OWN_LABELS = np.array([[0, 0, 1], [0, 1, 1], [1, 1, 0], [0, -1, 1]])
PER_ITEM: dict[str, dict[str, Any]] = {
    "labels": {"output": salience.CrossEntropy(LABELS)},
    "labels in a tensor": {"output": salience.CrossEntropy(torch.tensor(LABELS))},
    "baselines": {"calculator": IG(steps=3, baseline=PerItem(X.flip(0)))},
    "a list of baselines": {"calculator": IG(steps=3, baseline=PerItem(list(X.flip(0))))},
    "replaced values": {"calculator": salience.Occlusion(value=PerItem(X.flip(0)))},
    "labels of positions": {"pool": OWN_LABELS},
    "groups": {"pool": [{"k": ["a"]}, {"l": [1, 2]}, {"m": [0]}, {"n": ["c"], "o": [0]}]},
}


def same_values(one: Explanation, other: Explanation) -> None:
    assert len(one) == len(other)
    for a, b in zip(one.values, other.values, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("order", [[3, 1], [1, 0, 3, 2], [2]], ids=str)
@pytest.mark.parametrize("kind", PER_ITEM)
def test_what_belongs_to_single_items_is_chosen_with_them(kind: str, order: list[int]) -> None:
    every = table(frame(None), **PER_ITEM[kind])
    found = every.iloc[order]
    same_values(salience.rerun(NET, frame(None).iloc[order], found.provenance), found)
    twice = every.iloc[[3, 2, 1, 0]].iloc[[3 - at for at in order]]
    assert str(twice.provenance) == str(found.provenance)


@pytest.mark.parametrize("kind", PER_ITEM)
def test_items_of_a_stream_run_again_alone(kind: str) -> None:
    given = {"calculator": "gradient", **PER_ITEM[kind], **DRAWN}
    explainer = salience.Explainer(NET, "tabular", output=given.pop("output", None))
    pieces = [frame(list("pqrs")).iloc[:2], frame(list("pqrs")).iloc[2:]]
    for at, found in enumerate(explainer.stream(pieces, **given)):
        assert list(found.ids) == ["pqrs"[at]]
        same_values(salience.rerun(NET, frame(None).iloc[[at]], found.provenance), found)


def test_groups_of_fragments_and_of_kept_draws_are_chosen_with_their_items() -> None:
    each = [{"first": [0]}, {"ring": [0, 1, 2]}, {"all": [0, 1]}, {"last": [2]}]
    found = graphs(pool=each).iloc[[3, 1]]
    again = salience.rerun(ATOMS, [SMILES[3], SMILES[1]], found.provenance)
    same_values(again, found)
    assert [v.numel() for v in found.values] == [1, 1] and found.only.names == again.only.names
    explainer = salience.Explainer(NET, "tabular")
    kept = explainer.aggregate(explainer.compute(X, **DRAWN).pool(OWN_LABELS)).iloc[[2, 0]]
    same_values(salience.rerun(NET, X[[2, 0]], kept.provenance), kept)


def test_groups_of_occlusion_are_chosen_with_their_molecules() -> None:
    groups = [[0, 0, 1], [0, 0, 0, 1, 1, 1, 2], [0, 1], [0, 1, 1]]
    model = Floats()
    domain = {"name": "molgraph", "atom_features": one_hot}
    method = salience.Occlusion(groups=groups)
    every = salience.explain(model, SMILES, domain, method, output="value")
    found = every.iloc[[3, 0]]
    own = salience.explain(
        model, [SMILES[3], SMILES[0]], domain, salience.Occlusion(groups=[groups[3], groups[0]])
    )
    same_values(own, found)
    assert found.provenance["calculator"]["groups"] == [groups[3], groups[0]]


@pytest.mark.parametrize("way", ["explain", "compute"])
def test_labels_for_groups_of_more_items_are_refused(way: str) -> None:
    explainer, labels = salience.Explainer(NET, "tabular"), np.zeros((5, 3), dtype=int)
    with pytest.raises(InputError, match="labels of 5 items were given for 4 items"):
        if way == "explain":
            explainer.explain(X, pool=labels)
        else:
            explainer.compute(X, **DRAWN).pool(labels)


@pytest.mark.parametrize("keys", [["a"], 3, "abcd", None], ids=repr)
def test_a_record_without_a_key_for_each_item_is_refused(keys: Any) -> None:
    found = table()
    wrong = replace(found, provenance={**found.provenance, "ids": keys})
    with pytest.raises(InputError, match="no key for each of the 4 items"):
        wrong.item(0)


def test_one_of_many_ragged_items_is_found_without_a_look_at_the_others() -> None:
    flat = torch.arange(60_000.0)
    counts = torch.full((10_000,), 6)
    saliency = salience.Saliency(flat, flat, counts)
    assert saliency.select(torch.tensor([7_000, 2])).values[0].tolist() == list(range(42000, 42006))


def test_where_takes_a_mask_a_function_and_columns() -> None:
    every = table(frame(["p", "q", "p", "s"]))
    above = (every.score > every.score.median()).nonzero()[:, 0].tolist()
    assert list(every.where(every.score > every.score.median()).ids) == [
        every.ids[i] for i in above
    ]
    found = every.where(lambda e: e.score > e.score.median())
    assert torch.equal(found.score, every.score[above])
    assert torch.equal(every.where(ids="p").values, every.values[[0, 2]])
    assert len(every.where(lambda e: e.score < 1e9, drawn=True, ids="q")) == 1
    molecules = graphs()
    assert list(molecules.where(name="CC").ids) == ["CC"]


WRONG: dict[str, tuple[Any, str]] = {
    "an unknown id": (lambda e: e.loc["x"], "no item has the id 'x'"),
    "a position as id": (lambda e: e.loc[1], r"a position is iloc\[1\]"),
    "no ids": (lambda e: e.loc[[]], "no id"),
    "too high": (lambda e: e.iloc[4], "items 0 to 3"),
    "one too high": (lambda e: e.iloc[[0, 4]], "items 0 to 3"),
    "a string": (lambda e: e.iloc["a"], "whole number"),
    "half a number": (lambda e: e.iloc[0.5], "whole number"),
    "a short mask": (lambda e: e.iloc[[True]], "mask has 1 entries for 4 items"),
    "an empty mask": (lambda e: e.iloc[[False] * 4], "fits no item"),
    "an empty slice": (lambda e: e.iloc[9:], "fits no item"),
    "a slice of strings": (lambda e: e.iloc["a":"b"], "whole number"),
    "no step": (lambda e: e.iloc[::0], "step of 0"),
    "an unknown column": (lambda e: e.where(colour="red"), "no column 'colour'"),
    "nothing fits": (lambda e: e.where(ids="zz"), "fits no item"),
    "no mask": (lambda e: e.where(e.score), "no truth value"),
    "no condition": (lambda e: e.where(), "no condition"),
    "a slice of ids": (lambda e: e.loc["a":"c"], r"write iloc\[2:5\]"),
    "a set": (lambda e: e.loc[{"a", "b"}], "a list of them"),
    "two axes": (lambda e: e.iloc[torch.ones(2, 2) > 0], "mask of one axis"),
    "a mask with a gap": (
        lambda e: e.iloc[pd.Series([True, None, True, False], dtype="boolean")],
        "no truth value",
    ),
    "an item without id": (lambda e: e.item("zz"), "no item has the id 'zz'"),
    "a number in brackets": (lambda e: e[0], r"item\(0\), iloc"),
    "a mask in brackets": (lambda e: e[e.score > 0], r"iloc\[mask\]"),
    "a loop": (lambda e: list(e), r"item\(0\), iloc"),
    "another variable": (lambda e: e["colour"], "no target variable 'colour'"),
    "several ids": (lambda e: e.where(ids=["a", "b"]), r"loc\[\[...\]\]"),
    "a grid of one": (lambda e: salience.grid(e), "at least one explanation; pass"),
    "a grid of nothing": (lambda e: salience.grid({}), "at least one explanation; pass"),
    "a grid of a number": (lambda e: salience.grid({"a": e, "b": 3}), "'b' is 3"),
    "a grid of fewer": (lambda e: salience.grid({"a": e, "b": e.iloc[:1]}), r"by .iloc\[\["),
    "a picture of no item": (lambda e: e.visualize("zz"), "no item has the id 'zz'"),
    "a grid of no item": (lambda e: salience.grid({"a": e}, ["zz"]), "no item has the id 'zz'"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_not_there_is_refused_in_a_sentence(kind: str) -> None:
    ask, words = WRONG[kind]
    with pytest.raises(InputError, match=words) as caught:
        ask(table(ids=list("abcd")))
    assert len(str(caught.value)) <= 300


def test_pictures_are_drawn_by_id(tmp_path: Path) -> None:
    found = table(frame(["p", "q", "r", "s"]))
    found.visualize("r", path=tmp_path / "r.png")
    found.visualize(2, path=tmp_path / "2.png")
    assert (tmp_path / "r.png").read_bytes() == (tmp_path / "2.png").read_bytes()
    salience.grid({"a": found}, ["s", 0], path=tmp_path / "grid.png")


@pytest.mark.parametrize("kind", KINDS)
def test_names_that_repeat_are_saved_and_found_again(
    kind: str, tmp_path: Path, series: Any
) -> None:
    every = KINDS[kind](series).iloc[[0, 1, 0]]
    every.save(tmp_path / "a.salience")
    again = Explanation.load(tmp_path / "a.salience")
    assert list(again.ids) == list(every.ids)
    assert len(again.loc[every.ids[0]]) == 2


def test_finders_pickle_and_say_what_they_are() -> None:
    found = table(ids=list("abcd"))
    for finder in (found.loc, found.iloc):
        assert len(repr(finder)) < 100
        assert torch.equal(pickle.loads(pickle.dumps(finder)).explanation.values, found.values)


# --- Differences ---------------------------------------------------------------------------------


def test_single_explanations_are_subtracted() -> None:
    one, two = (table(samplers=[], n_samples=1, output=f"class:{i}") for i in (0, 1))
    found = one - two
    assert torch.equal(found.values, one.values - two.values)
    assert torch.equal(found.score, one.score - two.score)
    for one_item, a, b in zip(
        (graphs(samplers=[], n_samples=1) - graphs(samplers=[], n_samples=1)).values,
        graphs(samplers=[], n_samples=1).values,
        graphs(samplers=[], n_samples=1).values,
        strict=True,
    ):
        assert torch.equal(one_item, a - b)


def test_explanations_of_draws_say_how_they_are_subtracted() -> None:
    with pytest.raises(InputError, match=r"explainer.aggregate\(samples - other_samples\)"):
        _ = table() - table()


def test_explanations_of_other_items_are_not_subtracted() -> None:
    single: dict[str, Any] = {"samplers": [], "n_samples": 1}
    with pytest.raises(InputError, match="differ in their items"):
        _ = table(**single) - table(**single, ids=[7, 8, 9, 10])
    with pytest.raises(InputError, match="differ in their signs"):
        _ = table(**single) - table(**single, aggregator="abs")
    with pytest.raises(InputError, match="no explanation"):
        _ = table(**single) - 3  # type: ignore[operator]
    with pytest.raises(InputError, match="magnitudes"):
        _ = table(**single, aggregator="abs") - table(**single, aggregator="abs")
    with pytest.raises(InputError, match="differ in their groups"):
        _ = table(**single, pool={"k": [0]}) - table(**single, pool={"l": [1]})


TURNED = ["q", "p", "r", "s"]
PAIRS: dict[str, Callable[[Any, Any], Any]] = {
    "explanations": lambda one, other: (
        table(one, samplers=[], n_samples=1) - table(other, samplers=[], n_samples=1)
    ),
    "samples": lambda one, other: (
        salience.Explainer(NET, "tabular").compute(one, **DRAWN)
        - salience.Explainer(NET, "tabular").compute(other, **DRAWN)
    ),
    "grids": lambda one, other: salience.grid({"one": table(one), "other": table(other)}),
}


@pytest.mark.parametrize("kind", PAIRS)
def test_items_in_another_order_are_not_laid_side_by_side(kind: str) -> None:
    named = frame(["p", "q", "r", "s"])
    with pytest.raises(InputError, match=r"items.*'p'.*'q'"):
        PAIRS[kind](named, named.loc[TURNED])
    PAIRS[kind](named, frame(None))  # which names no items


def test_only_samples_are_subtracted_from_samples() -> None:
    samples = salience.Explainer(NET, "tabular").compute(X)
    for wrong in (3, table()):
        with pytest.raises(InputError, match="no samples"):
            _ = samples - wrong  # type: ignore[operator]


def test_samples_of_named_items_are_subtracted_by_their_keys() -> None:
    explainers = [salience.Explainer(NET, "tabular", output=f"class:{i}") for i in (0, 1)]
    named, plain = (
        e.compute(d, **DRAWN) for e, d in zip(explainers, (frame(list("pqrs")), X), strict=True)
    )
    found = explainers[0].aggregate(named - plain)
    assert list(found.ids) == list("pqrs")


@pytest.mark.parametrize("index", [list("pqrs"), [3, 2, 1, 0], [7, 7, 8, 8], ["a", None, 5, "b"]])
def test_items_that_run_again_are_called_as_before(index: list[Any]) -> None:
    data = frame(index)
    every = table(data)
    for order in ([3, 1], [0, 2], [1, 1]):
        found = every.iloc[order]
        again = salience.rerun(NET, data.iloc[order], found.provenance)
        same_values(again, found)
        assert list(again.ids) == list(found.ids)
        assert again.iloc[[1]].provenance["positions"] == [order[1]]
    with pytest.raises(InputError, match="that of 2 items, but the data has 4"):
        salience.rerun(NET, data, every.iloc[[3, 1]].provenance)


def test_ids_that_the_user_gave_key_draws_and_name_items_when_run_again() -> None:
    data = frame(list("pqrs"))
    for given in (["k", "l", "m", "n"], range(4, 8), [9, 3, 2, 0]):
        found = table(data, ids=given).iloc[[3, 1]]
        again = salience.rerun(NET, data.iloc[[3, 1]], found.provenance)
        same_values(again, found)
        assert list(again.ids) == list(found.ids) == [given[3], given[1]]


@pytest.mark.parametrize("wrong", ["ab", [1.0, 2.0], ["a", "b"], [True, False], 3, None], ids=repr)
def test_recorded_positions_are_whole_numbers(wrong: Any) -> None:
    record = {**table().iloc[[3, 1]].provenance, "positions": wrong}
    with pytest.raises(InputError, match="under 'positions'"):
        salience.rerun(NET, frame(None).iloc[[3, 1]], record)


def test_an_item_without_a_name_has_not_the_name_of_another() -> None:
    found = table(frame([1.0, None, 5.0, None]))
    assert list(found.ids) == [1, "item 1", 5, 3]
    assert torch.equal(found.loc[1].values, found.iloc[[0]].values)
