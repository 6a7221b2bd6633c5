"""Parquet gives what pandas reads of the whole file, however rows are grouped and cut."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
import scale_models
import torch
from pyarrow import parquet
from torch import Tensor, nn

from salience import Explainer, InputError, load_model
from salience.runs.sources.parquet import ParquetFile
from salience_tabular import Tabular

WORDS = ["red", "blue", "red", "green", "blue", "green", "black", "red"] * 5


def frame() -> pd.DataFrame:
    return pd.DataFrame(scale_models.rows(40).double().numpy(), columns=list("abcdef"))


def ids_of(data: Any, out: Path, unit_items: int) -> list[int | str]:
    explainer = Explainer(load_model("scale_models:table", None), "tabular", output="class:0")
    return explainer.explain_dataset(data, out, unit_items=unit_items).ids


INDEXES: dict[str, Sequence[Any]] = {
    "counted": pd.RangeIndex(100, 180, 2),
    "from 0": pd.RangeIndex(40),
    "numbers": pd.Index(range(40, 0, -1)),
    "words": pd.Index([f"row {n}" for n in range(40)]),
    "dates": pd.date_range("2026-01-01", periods=40),
}


@pytest.mark.parametrize("kind", INDEXES)
@pytest.mark.parametrize("unit_items", [10, 40])
def test_rows_are_called_as_in_the_frame(kind: str, unit_items: int, tmp_path: Path) -> None:
    data = frame().set_axis(INDEXES[kind], axis=0)
    data.to_parquet(tmp_path / "rows.parquet", row_group_size=7)
    of_file = ids_of(tmp_path / "rows.parquet", tmp_path / "file", unit_items)
    assert of_file == ids_of(data, tmp_path / "frame", unit_items)
    assert of_file[1] == {"counted": 102, "from 0": 1, "numbers": 39, "words": "row 1"}.get(
        kind, "2026-01-02"
    )


class Coded(nn.Module):
    """Numbers, and a category whose code decides about their gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.body = nn.Embedding(4, 3), nn.Linear(9, 2)

    def forward(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        return self.body(torch.cat([numeric, self.embed(categorical)[:, 0].float()], 1)).tanh()


def test_a_code_means_one_entry_in_all_row_groups(tmp_path: Path) -> None:
    table = pa.table(frame().astype("float32").assign(word=WORDS))
    kind = pa.dictionary(pa.int32(), pa.string())
    at, path = table.schema.get_field_index("word"), tmp_path / "rows.parquet"
    with parquet.ParquetWriter(path, table.schema.set(at, pa.field("word", kind))) as writer:
        for start in range(0, 40, 3):  # of which each codes its own words
            part = table.slice(start, 3)
            coded = pa.array(WORDS[start : start + 3]).dictionary_encode()
            writer.write_table(part.set_column(at, pa.field("word", kind), coded))
    torch.manual_seed(0)
    explainer = Explainer(Coded(), Tabular(categorical=["word"]), output="class:0", max_rows=8)
    expected = explainer.explain(pd.read_parquet(path))
    found = explainer.explain_dataset(path, tmp_path / "run", unit_items=5).explanation()
    torch.testing.assert_close(found.values, expected.values)


@pytest.mark.parametrize("content", [b"", b"PAR1 and no more"])
def test_what_is_no_parquet_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "rows.parquet").write_bytes(content)
    with pytest.raises(InputError, match="is no Parquet file, or damaged"):
        ids_of(tmp_path / "rows.parquet", tmp_path / "run", 10)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_file_without_rows_is_empty_data(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"rows.{suffix}"
    empty = frame()[:0]
    empty.to_csv(path, index=False) if suffix == "csv" else empty.to_parquet(path)
    with pytest.raises(InputError, match="the data is empty"):
        ids_of(path, tmp_path / "run", 10)


def test_a_row_group_is_read_once_for_ranges_that_follow(tmp_path: Path) -> None:
    frame().to_parquet(tmp_path / "rows.parquet", row_group_size=20)
    source, read = ParquetFile(tmp_path / "rows.parquet"), []
    inner = source._file
    source._file = Counted(inner, read)
    for start in range(0, 40, 4):
        with source.reading(start, start + 4) as rows:
            pd.testing.assert_frame_equal(rows, frame()[start : start + 4])
    assert read == [0, 1]


class Counted:
    """A file that notes which row groups are read."""

    def __init__(self, file: Any, read: list[int]) -> None:
        self._file, self._read = file, read

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def read_row_group(self, group: int, *columns: Any) -> Any:
        self._read.append(group)
        return self._file.read_row_group(group, *columns)


def test_a_row_group_that_is_damaged_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    frame().to_parquet(path, row_group_size=20, compression="zstd")
    data = bytearray(path.read_bytes())
    data[4:60] = bytes(56)  # of the first pages
    path.write_bytes(data)
    with (
        pytest.raises(InputError, match=r"row group 0 of 'rows\.parquet' is damaged"),
        ParquetFile(path).reading(0, 4),
    ):
        pass
