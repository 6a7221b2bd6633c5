"""Tables, labelled arrays and files of an explanation hold its values under their names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

import salience
from salience import Explanation, InputError, Tensors

torch.manual_seed(0)
NET = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2)).double().eval()
X = torch.randn(5, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
FRAME = pd.DataFrame(X.numpy(), columns=["a", "b", "c"], index=list("pqrst"))
NOISE: dict[str, Any] = {"samplers": ["gaussian"], "n_samples": 4}


class Atoms(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.bonds, self.out = nn.Embedding(120, 4), nn.Embedding(5, 4), nn.Linear(4, 1)

    def forward(
        self, atoms: Tensor, edge_index: Tensor, bond_type: Tensor, owner: Tensor
    ) -> Tensor:
        h = self.embed(atoms)
        h = h.index_add(0, edge_index[1], h[edge_index[0]] * self.bonds(bond_type)).tanh()
        return h.new_zeros(int(owner.max()) + 1, 1).index_add(0, owner, self.out(h))


BONDS = salience.Target("bonds", axes=("bond", "channel"))
DOMAIN = {"name": "molgraph", "fields": ("atoms", "edge_index", "bond_type", "owner")}


def table(**settings: Any) -> Explanation:
    return salience.explain(NET, FRAME, "tabular", **(NOISE | settings))


def molecules(**settings: Any) -> Explanation:
    return salience.explain(Atoms(), ["CCO", "C=O"], DOMAIN, **(NOISE | settings))


def maps() -> Explanation:
    data = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(2))
    domain = Tensors(("item", "channel", "height", "width"), reduce=("channel",), output="value")
    return salience.explain(lambda x: x.square().sum((1, 2, 3)), data, domain, **NOISE)


# --- Tables ---------------------------------------------------------------------------------------


def test_a_table_with_a_row_an_item_has_a_column_for_each_feature() -> None:
    found = table()
    wide = found.to_dataframe(wide=True)
    assert list(wide["id"]) == list("pqrst") and len(wide) == 5
    np.testing.assert_array_equal(wide[["a", "b", "c"]], found.values)
    np.testing.assert_array_equal(wide[[f"{n} std_error" for n in "abc"]], found.std_error)
    np.testing.assert_array_equal(wide[["prediction 0", "prediction 1"]], found.prediction)
    single = table(samplers=[], n_samples=1).to_dataframe(wide=True)
    assert not [name for name in single.columns if "std_error" in name]


def test_maps_are_tabled_by_their_axes() -> None:
    found = maps()
    long = found.to_dataframe()
    row = long[(long["id"] == 1) & (long["height"] == 3) & (long["width"] == 2)]
    assert row["saliency"].item() == float(found.values[1, 3, 2])
    assert row["position"].item() == (3, 2)
    wide = found.to_dataframe(wide=True)
    assert wide["3,2"].tolist() == found.values[:, 3, 2].tolist()
    assert wide["prediction"].tolist() == found.score.tolist()


def test_atoms_are_tabled_with_elements_and_neighbours() -> None:
    found = molecules()
    for wide in (False, True):
        rows = found.to_dataframe(wide=wide)
        assert rows["element"].tolist() == ["C", "C", "O", "C", "O"]
        assert rows["neighbours"].tolist() == ["1", "0 2", "1", "1", "0"]
        assert rows["id"].tolist() == ["CCO"] * 3 + ["C=O"] * 2
        np.testing.assert_array_equal(rows["saliency"], torch.cat(list(found.values)))


def test_several_variables_stand_side_by_side() -> None:
    found = molecules(target=["embed", BONDS])
    long = found.to_dataframe()
    bonds = long[long["variable"] == "bonds"]
    ends = list(zip(bonds["from_atom"].astype(int), bonds["to_atom"].astype(int), strict=True))
    assert ends == [(0, 1), (1, 2), (1, 0), (2, 1), (0, 1), (1, 0)]
    wide = found.to_dataframe(wide=True)
    for name in ("embed", "bonds"):
        values = wide[f"{name} saliency"].dropna().to_numpy()
        np.testing.assert_array_equal(values, torch.cat(list(found[name].values)))


def test_ids_that_repeat_keep_their_items_apart() -> None:
    found = salience.explain(Atoms(), ["CCO", "CCO"], DOMAIN, target=["embed", BONDS])
    wide = found.to_dataframe(wide=True)
    assert len(wide) == 2 * (3 + 4)
    assert wide["embed saliency"].notna().sum() == 6


def test_atoms_and_bonds_share_no_row() -> None:
    found = molecules(target=["embed", BONDS])
    wide = found.to_dataframe(wide=True)
    assert wide["axis"].tolist() == ["atom"] * 3 + ["bond"] * 4 + ["atom"] * 2 + ["bond"] * 2
    assert wide["embed saliency"].isna().tolist() == (wide["axis"] == "bond").tolist()
    units = salience.Target("bonds", axes=("bond", "unit"))
    long = molecules(target=["embed", units]).to_dataframe(wide=True)
    first = long[(long["axis"] == "bond, unit") & (long["id"] == "C=O")]
    assert first["position"].tolist() == [(bond, unit) for bond in range(2) for unit in range(4)]


@pytest.mark.parametrize(
    "axes",
    [("id", "std_error"), ("saliency", "variable"), ("output", "position"), ("item2", "score")],
)
def test_axes_may_have_names_of_columns(axes: tuple[str, str]) -> None:
    data = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(2))
    domain = Tensors(("item", *axes), output="class:0")
    model = nn.Sequential(nn.Flatten(), nn.Tanh(), nn.Linear(20, 2))
    found = salience.explain(model, data, domain, ids=["p", "q", "r"], **NOISE)
    long = found.to_dataframe()
    assert long.columns.is_unique and long["id"].tolist() == ["p"] * 20 + ["q"] * 20 + ["r"] * 20
    np.testing.assert_array_equal(long["saliency"], found.values.flatten())
    np.testing.assert_array_equal(long["std_error"], found.std_error.flatten())
    assert long["position"].tolist() == [(i, j) for _ in "pqr" for i in range(4) for j in range(5)]
    made = found.to_xarray()
    np.testing.assert_array_equal(made["saliency"], found.values)
    assert made["prediction"].sizes == {"item": 3, "output": 2}
    for axis, dim in zip(axes, made["saliency"].dims[1:], strict=True):
        assert axis in dim


def test_groups_are_tabled_by_their_names() -> None:
    groups = [{"tail": [1, 2], "head": [0]}, {"all": [0, 1]}]
    found = molecules(pool=groups)
    assert found.to_dataframe()["position"].tolist() == ["tail", "head", "all"]
    wide = table(pool={"x": ["a", "b"], "y": ["c"]}).to_dataframe(wide=True)
    assert {"x", "y", "x std_error"} <= set(wide.columns)


def test_no_two_columns_have_one_name(tmp_path: Path) -> None:
    names = {"id": ["a"], "prediction 0": ["b"], "x": ["c"], "x std_error": ["a", "b"]}
    found = table(pool=names)
    wide = found.to_dataframe(wide=True)
    assert wide.columns.is_unique
    assert wide["id"].tolist() == list(found.ids)
    for at, column in enumerate(("input id", "input prediction 0", "x", "x std_error")):
        np.testing.assert_array_equal(wide[column], found.values[:, at])
    np.testing.assert_array_equal(wide["input x std_error"], found.std_error[:, 2])
    found.export(tmp_path / "a.parquet", wide=True)
    assert pd.read_parquet(tmp_path / "a.parquet").columns.tolist() == wide.columns.tolist()


# --- xarray ---------------------------------------------------------------------------------------


def test_labelled_arrays_of_a_table() -> None:
    found = table()
    made = found.to_xarray()
    assert made["saliency"].dims == ("item", "feature")
    np.testing.assert_array_equal(made["saliency"].sel(item="r", feature="b"), found.values[2, 1])
    np.testing.assert_array_equal(made["std_error"], found.std_error)
    np.testing.assert_array_equal(made["score"], found.score)
    assert made.attrs["domain"] == "tabular"


def test_labelled_arrays_of_maps_and_molecules(tmp_path: Path) -> None:
    found = maps()
    assert found.to_xarray()["saliency"].sizes == {"item": 2, "height": 4, "width": 5}
    ragged = molecules(target=["embed", BONDS])
    made = ragged.to_xarray()
    values = made["embed_saliency"]
    second = values[(made["embed_item_of_position"] == 1).to_numpy()]
    np.testing.assert_array_equal(second, ragged["embed"].values[1])
    assert made["embed_place"].to_numpy().tolist() == [0, 1, 2, 0, 1]


def test_labelled_arrays_of_groups_have_their_names() -> None:
    found = table(pool={"x": [0], "y": [1, 2]})
    named = found.to_xarray()["saliency"]
    assert named.dims == ("item", "group")
    np.testing.assert_array_equal(named.sel(group="y"), found.values[:, 1])
    own = molecules(pool=[{"tail": [1, 2], "head": [0]}, {"all": [0, 1]}]).to_xarray()
    assert own["group_of_position"].to_numpy().tolist() == ["tail", "head", "all"]


def test_labelled_arrays_of_mixed_ids_go_to_files(tmp_path: Path) -> None:
    made = table(ids=["p", 7, "q", 3, "r"]).to_xarray()
    assert made["item"].to_numpy().tolist() == ["p", "7", "q", "3", "r"]
    made.to_netcdf(tmp_path / "a.nc")


# --- Files ----------------------------------------------------------------------------------------


def test_files_hold_the_values(tmp_path: Path) -> None:
    found = table()
    found.export(tmp_path / "a.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy", allow_pickle=False), found.values)
    for wide in (False, True):
        expected = found.to_dataframe(wide=wide)
        found.export(tmp_path / "a.csv", wide=wide)
        read = pd.read_csv(tmp_path / "a.csv", float_precision="round_trip")
        pd.testing.assert_frame_equal(read, expected, check_dtype=False)
        found.export(tmp_path / "a.parquet", wide=wide)
        read = pd.read_parquet(tmp_path / "a.parquet")
        pd.testing.assert_frame_equal(read, expected, check_dtype=False)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_maps_molecules_and_mixed_ids_are_exported(suffix: str, tmp_path: Path) -> None:
    mixed = table(ids=["p", 3, "7", 8, "x"])
    for found in (maps(), molecules(), molecules(target=["embed", BONDS]), mixed):
        for wide in (False, True):
            found.export(tmp_path / f"a.{suffix}", wide=wide)
            read = getattr(pd, f"read_{suffix}")(tmp_path / f"a.{suffix}")
            assert len(read) == len(found.to_dataframe(wide=wide))


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "plain"]


def test_cells_that_begin_like_formulas_are_quoted(tmp_path: Path) -> None:
    frame = pd.DataFrame(torch.randn(6, 3).double().numpy(), columns=["=cmd", "b", "@c"])
    frame.index = FORMULAS
    found = salience.explain(NET, frame, "tabular")
    found.export(tmp_path / "a.csv", wide=True)
    read = pd.read_csv(tmp_path / "a.csv")
    assert read["id"].tolist() == [f"'{name}" for name in FORMULAS[:5]] + ["plain"]
    assert {"'=cmd", "b", "'@c"} <= set(read.columns)
    np.testing.assert_allclose(read["b"], found.values[:, 1])  # negative numbers are numbers
    found.export(tmp_path / "a.csv")
    assert pd.read_csv(tmp_path / "a.csv")["position"].tolist()[:3] == ["'=cmd", "b", "'@c"]


WRONG: dict[str, tuple[Any, str]] = {
    "no suffix": (lambda p: table().export(p / "a"), "cannot export"),
    "another suffix": (lambda p: table().export(p / "a.xlsx"), ".csv"),
    "an array of ragged items": (lambda p: molecules().export(p / "a.npy"), "differ in size"),
    "an array of several": (
        lambda p: molecules(target=["embed", BONDS]).export(p / "a.npy"),
        "several target variables",
    ),
    "no truth value": (lambda p: table().to_dataframe(wide="yes"), "wide="),
    "no path": (lambda p: table().export(3), "path"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_cannot_be_written_is_refused(kind: str, tmp_path: Path) -> None:
    ask, words = WRONG[kind]
    with pytest.raises(InputError, match=words):
        ask(tmp_path)
    assert not list(tmp_path.iterdir())
