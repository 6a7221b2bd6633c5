"""Data of every kind gives the same numbers as the same data in memory."""

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
from rdkit import Chem
from torch.utils.data import DataLoader, TensorDataset

from salience import Explainer, InputError, load_model
from salience.runs.sources.source import source_of

SMILES = ["CCO", "c1ccccc1O", "CC(=O)O", "CN", "CCCCCl", "C#N", "OCC", "CC(C)C", "O", "CCN"] * 30
POOL: dict[str, Any] = {"executor": "pool:processes=1"}


def frame() -> pd.DataFrame:
    return pd.DataFrame(scale_models.rows().double().numpy(), columns=list("abcdef"))


def csv(folder: Path) -> Path:
    frame().to_csv(folder / "rows.csv", index=False)
    return folder / "rows.csv"


def parquet(folder: Path) -> Path:
    frame().to_parquet(folder / "rows.parquet", row_group_size=70)
    return folder / "rows.parquet"


TABLES: dict[str, Callable[[Path], Any]] = {
    "tensor": lambda _: scale_models.rows().double(),
    "array": lambda _: scale_models.rows().double().numpy(),
    "Dataset": lambda _: TensorDataset(scale_models.rows().double()),
    "DataLoader": lambda _: DataLoader(TensorDataset(scale_models.rows().double()), 7),
    "own Dataset": lambda _: scale_models.Rows(),
    "name": lambda _: "scale_models:Rows",
    "name of a function": lambda _: "scale_models:rows",
    "frame": lambda _: frame(),
    "CSV": csv,
    "Parquet": parquet,
}


@pytest.mark.parametrize("kind", TABLES)
def test_tables(kind: str, tmp_path: Path) -> None:
    model = load_model("scale_models:table", None)
    explainer = Explainer(model, "tabular", output="class:0", max_rows=64)
    data = TABLES[kind](tmp_path)
    settings: Any = {"unit_items": 128, "samplers": ["gaussian"], "n_samples": 2}
    results = explainer.explain_dataset(data, tmp_path / "run", **settings)
    expected = explainer.explain(scale_models.rows().double(), samplers=["gaussian"], n_samples=2)
    assert results.failed == {} and len(results) == 500
    found = results.explanation()
    assert list(found.ids) == list(range(500))
    torch.testing.assert_close(found.values, expected.values.to(found.values), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", ["CSV", "own Dataset", "name", "frame"])
def test_other_processes_read_the_same(kind: str, tmp_path: Path) -> None:
    model = load_model("scale_models:table", None)
    explainer = Explainer(model, "tabular", output="class:0", max_rows=64)
    data = TABLES[kind](tmp_path)
    one = explainer.explain_dataset(data, tmp_path / "one", unit_items=128)
    two = explainer.explain_dataset(data, tmp_path / "two", unit_items=128, **POOL)
    assert one.digest() == two.digest()


def smiles_file(folder: Path) -> Path:
    lines = [f"{smiles} molecule {number}" for number, smiles in enumerate(SMILES)]
    (folder / "some.smi").write_text("smiles name\n" + "\n\n".join(lines) + "\n")
    return folder / "some.smi"


def smiles_table(folder: Path) -> Path:
    names = [f'"a\nname, of {number}"' for number in range(len(SMILES))]
    lines = [f"{name},{smiles}" for name, smiles in zip(names, SMILES, strict=True)]
    (folder / "some.csv").write_text("name,smiles\n" + "\n".join(lines))
    return folder / "some.csv"


def structures(folder: Path) -> Path:
    with Chem.SDWriter(str(folder / "some.sdf")) as writer:
        for smiles in SMILES:
            writer.write(Chem.MolFromSmiles(smiles))
    return folder / "some.sdf"


@pytest.mark.parametrize("make", [smiles_file, smiles_table, structures])
def test_files_of_molecules(make: Callable[[Path], Path], tmp_path: Path) -> None:
    model = load_model("scale_models:molecules", None)
    explainer = Explainer(model, "molgraph", target="embed", output="value", max_rows=300)
    path = make(tmp_path)
    results = explainer.explain_dataset(str(path), tmp_path / "run", unit_items=111)
    expected = explainer.explain(path)
    assert results.failed == {} and len(results) == len(SMILES)
    found = results.explanation()
    assert list(found.ids) == list(expected.ids)
    for mine, its in zip(found.values, expected.values, strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-4, atol=1e-6)


def test_a_folder_of_photos_with_one_that_is_none(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    draw = np.random.default_rng(0)
    for number in range(9):
        pixels = draw.integers(0, 256, (20, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"photo {number}.png")
    (folder / "photo 4.png").write_bytes(b"no photo")
    model = load_model("scale_models:photos", None)
    explainer = Explainer(model, "vision", output="class:1", max_rows=4)
    results = explainer.explain_dataset(folder, tmp_path / "run", unit_items=4)
    assert len(results) == 8
    ((name, reason),) = results.failed.items()
    assert name == "photo 4.png" and "item 4" in reason
    found = results.loc["photo 7.png"].explanation()
    assert found.values.shape == (1, 224, 224)
    found.visualize(0, path=tmp_path / "photo.png")
    assert (tmp_path / "photo.png").stat().st_size > 1000


def test_ranges_of_a_file_are_its_records(tmp_path: Path) -> None:
    explainer = Explainer(scale_models.table(), "tabular", output="class:0")
    source = source_of(csv(tmp_path), explainer.domain)
    assert len(source) == 500
    for start, stop in ((0, 1), (255, 257), (300, 500), (499, 500)):
        with source.reading(start, stop) as path:
            part = pd.read_csv(path).to_numpy()
        assert not Path(path).exists()
        np.testing.assert_allclose(part, frame().to_numpy()[start:stop])


def test_a_set_and_a_stream_have_no_positions(tmp_path: Path) -> None:
    class Endless(torch.utils.data.IterableDataset[Any]):
        def __iter__(self) -> Any:
            return iter(scale_models.rows())

    explainer = Explainer(scale_models.table(), "tensor")
    with pytest.raises(InputError, match="no length or no positions"):
        explainer.explain_dataset(Endless(), tmp_path / "run")


@pytest.mark.parametrize("max_rows", [8, "auto"])
def test_units_may_be_larger_than_the_data(max_rows: int | str, tmp_path: Path) -> None:
    explainer = Explainer(load_model("scale_models:table", None), "tensor", max_rows=max_rows)
    for _ in range(2):
        results = explainer.explain_dataset(scale_models.rows(9), tmp_path / "run", unit_items=1000)
        assert len(results) == 9


def test_molecules_that_cannot_be_read_are_recorded(tmp_path: Path) -> None:
    (tmp_path / "some.smi").write_text("CCO a\nnone b\nCN c\nCC d\n")
    explainer = Explainer(load_model("scale_models:molecules", None), "molgraph", target="embed")
    results = explainer.explain_dataset(tmp_path / "some.smi", tmp_path / "run", unit_items=4)
    assert len(results.failed) == 1 and results.ids == ["a", "c", "d"]
    assert results.explanation().item(1).annotations[0].keys() >= {"mol"}


def test_files_are_sent_by_paths_that_hold_in_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "one.png")
    monkeypatch.chdir(tmp_path)
    vision = Explainer(load_model("scale_models:photos", None), "vision").domain
    for data in (".", "one.png"):
        _, sent = source_of(data, vision).held(0, 1)
        assert sent == [str(tmp_path / "one.png")]


def test_a_folder_of_files_of_several_items_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    csv(tmp_path / "tables")
    explainer = Explainer(load_model("scale_models:table", None), "tabular", output="class:0")
    with pytest.raises(InputError, match=r"500 items where the data has 1; .* file of several"):
        explainer.explain_dataset(tmp_path / "tables", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_file_that_another_domain_reads_is_named(tmp_path: Path) -> None:
    explainer = Explainer(load_model("scale_models:photos", None), "vision", output="class:0")
    with pytest.raises(InputError) as told:
        explainer.explain_dataset(csv(tmp_path), tmp_path / "run")
    assert str(tmp_path / "rows.csv") in str(told.value)


def test_no_path_is_not_the_working_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    csv(tmp_path)
    explainer = Explainer(load_model("scale_models:table", None), "tabular", output="class:0")
    with pytest.raises(InputError, match="there is no file or folder ''"):
        explainer.explain_dataset("", tmp_path / "run")
