"""What items are called in the results of a data set, those that failed included."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scale_models
import torch
from PIL import Image

from salience import Explainer, InputError, ResultSet, load_model
from salience_tabular import Tabular

EXECUTORS = ["serial", "pool:processes=1"]


def tables(**settings: Any) -> Explainer:
    return Explainer(load_model("scale_models:table", None), Tabular(**settings), max_rows=64)


def frame(n_rows: int = 40) -> pd.DataFrame:
    return pd.DataFrame(scale_models.rows(n_rows).numpy(), columns=list("abcdef"))


def photos(folder: Path) -> Path:
    folder.mkdir()
    for number in range(4):
        Image.new("RGB", (8, 8)).save(folder / f"photo {number}.png")
    (folder / "photo 2.png").write_bytes(b"none")
    return folder


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("listed", [False, True])
def test_photos_that_cannot_be_read(executor: str, listed: bool, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos")
    data = sorted(folder.iterdir()) if listed else folder
    explainer = Explainer(load_model("scale_models:photos", None), "vision", max_rows=8)
    results = explainer.explain_dataset(data, tmp_path / "run", unit_items=2, executor=executor)
    assert results.failed.keys() == {"photo 2.png"}
    assert results.failed["photo 2.png"].startswith("InputError: item 2 ")
    assert results.ids == [f"photo {number}.png" for number in (0, 1, 3)]


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("bad", [np.nan, "a word"])
def test_rows_of_a_frame_are_called_by_its_index(executor: str, bad: Any, tmp_path: Path) -> None:
    given = frame().astype(object).set_axis([f"plant {number}" for number in range(40)])
    given.iloc[25, 1] = bad
    settings: Any = {"unit_items": 10, "executor": executor}
    results = tables().explain_dataset(given, tmp_path / "run", **settings)
    assert results.failed.keys() == {"plant 25"}
    assert "column 'b'" in results.failed["plant 25"]


def test_rows_without_a_name_are_not_called_like_others(tmp_path: Path) -> None:
    # Ids are from a column, so that the index names nothing; and 25 is the id of another row.
    given = frame().assign(plant=range(10, 50)).set_axis([f"row {n}" for n in range(40)])
    given.iloc[25, 1] = np.nan
    path = broken(csv(tmp_path, [str(n) for n in range(10, 50)]), 27)
    explainer = tables(id_column="plant")
    for data, name in ((given, 35), (path, "item 25")):
        results = explainer.explain_dataset(data, tmp_path / f"run {name}", unit_items=10)
        assert [*results.failed] == [name]
        assert results.ids == [n for n in range(10, 50) if n != 35]
        assert results.loc[25].positions == [15]


class Refusing(torch.nn.Module):
    """A model that gives NaN for an item."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.where(x[:, :1] > 0.5, torch.nan, x[:, :1]) * x


def test_items_that_are_read_but_not_explained_keep_their_names(tmp_path: Path) -> None:
    given = frame().assign(plant=[f"plant {n}" for n in range(40)])
    given["a"] = [1.0 if n == 25 else 0.1 for n in range(40)]
    explainer = Explainer(Refusing(), Tabular(id_column="plant"), output="class:1", max_rows=64)
    results = explainer.explain_dataset(given, tmp_path / "run", unit_items=10)
    assert results.failed.keys() == {"plant 25"}


def csv(folder: Path, ids: list[str]) -> Path:
    path = folder / "rows.csv"
    frame(len(ids)).assign(plant=ids).to_csv(path, index=False)
    return path


def broken(path: Path, line: int) -> Path:
    """The table with a line, counted from 1, that has too few cells."""
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[: line - 1], "1,2", *lines[line:]]) + "\n")
    return path


@pytest.mark.parametrize("executor", EXECUTORS)
def test_lines_of_a_file_are_counted_in_all_of_it(executor: str, tmp_path: Path) -> None:
    ids = ["plant\nof two lines", *(f"plant {n}" for n in range(1, 600))]
    path = broken(csv(tmp_path, ids), 302)
    settings: Any = {"unit_items": 64, "executor": executor}
    results = tables(id_column="plant").explain_dataset(path, tmp_path / "run", **settings)
    assert results.failed.keys() == {"item 299"}
    assert "row 299 (line 302 of rows.csv) has 2 cells" in results.failed["item 299"]


MOLECULES: dict[str, Callable[[Path], str]] = {
    "some.smi": lambda path: "".join(
        f"{'C1CC(' if n == 270 else 'CCO'} mol {n}\n" for n in range(300)
    ),
    "some.csv": lambda path: (
        "smiles\n" + "".join(f"{'C1CC(' if n == 270 else 'CCO'}\n" for n in range(300))
    ),
}


@pytest.mark.parametrize("name", MOLECULES)
def test_lines_of_molecules_are_counted_in_all_of_it(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(MOLECULES[name](path))
    explainer = Explainer(load_model("scale_models:molecules", None), "molgraph", max_rows=64)
    results = explainer.explain_dataset(path, tmp_path / "run", unit_items=100)
    called, line = ("mol 270", 271) if name.endswith("smi") else ("C1CC(", 272)
    assert [*results.failed] == [called]
    assert f"(line {line} of {name})" in results.failed[called]


def test_rows_of_one_name_that_fail_are_told_apart(tmp_path: Path) -> None:
    given = frame().set_axis(["plant"] * 40)
    given.iloc[[3, 25], 1] = np.nan
    results = tables().explain_dataset(given, tmp_path / "run", unit_items=10)
    assert [*results.failed] == ["plant", "plant (item 25)"]


def test_a_run_that_records_no_errors_names_the_item(tmp_path: Path) -> None:
    given = frame(300)
    given.iloc[170, 2] = np.nan
    with pytest.raises(InputError, match=r"^row 170, column 'c'"):
        tables().explain_dataset(given, tmp_path / "run", unit_items=50, on_error="raise")


# The rule of one reading: numbers where all names are numbers, else text. No cut may change it.
IDS: dict[str, tuple[list[str], list[Any]]] = {
    "numbers": ([str(n) for n in range(100, 140)], [*range(100, 140)]),
    "some are no numbers": (
        [str(n) if n < 20 else f"p{n}" for n in range(40)],
        [str(n) if n < 20 else f"p{n}" for n in range(40)],
    ),
    "a zero in front": (["007", *map(str, range(1, 40))], ["007", *map(str, range(1, 40))]),
}


@pytest.mark.parametrize("kind", IDS)
def test_names_do_not_depend_on_the_cut(kind: str, tmp_path: Path) -> None:
    written, expected = IDS[kind]
    path = csv(tmp_path, written)
    explainer = tables(id_column="plant")
    assert explainer.explain(path).ids == expected
    digests = set()
    for size in (4, 40):
        results = explainer.explain_dataset(path, tmp_path / f"run {size}", unit_items=size)
        assert results.ids == expected
        assert results.explanation().ids == expected
        assert results.loc[expected[5]].positions == [5]
        digests.add(results.digest())
    assert len(digests) == 1


def test_names_are_the_same_while_the_index_is_missing(tmp_path: Path) -> None:
    written, expected = IDS["some are no numbers"]
    explainer = tables(id_column="plant")
    explainer.explain_dataset(csv(tmp_path, written), tmp_path / "run", unit_items=4)
    (tmp_path / "run" / "units" / "000000009.parquet").unlink()
    results = ResultSet.open(tmp_path / "run")
    assert results.ids == expected[:36] and results.loc["3"].positions == [3]


def test_ids_of_the_user_stay_as_they_are(tmp_path: Path) -> None:
    ids = [1, "1", *range(2, 40)]
    results = tables().explain_dataset(frame(), tmp_path / "run", ids=ids, unit_items=4)
    assert results.ids == ids
    assert results.loc[1].positions == [0] and results.loc["1"].positions == [1]


def test_a_broken_row_leaves_numbers_as_they_are(tmp_path: Path) -> None:
    path = broken(csv(tmp_path, [str(n) for n in range(100, 140)]), 27)
    results = tables(id_column="plant").explain_dataset(path, tmp_path / "run", unit_items=8)
    assert results.loc[101].positions == [1] and results.failed.keys() == {"item 25"}
