"""CSV files: broken rows are named at once or left out, and what is no text is refused."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import salience
from salience import InputError, Notice
from salience_tabular import Tabular


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "a.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


BROKEN = "a,b\n1,2\n3\n5,6,7\n\n8,x\n9,\n10,11\n12,13\n14,15\n"


def test_broken_rows_of_a_csv_file_are_named_at_once_or_left_out(tmp_path):
    path = written(tmp_path, BROKEN)
    with pytest.raises(InputError, match="4 of 8 items cannot be read, items 1, 2, 3, 4: ") as e:
        Tabular().read(path)
    for part in ("row 1 (line 3 of a.csv) has 1 cells", "row 2 (line 4", "'x'", "row 4, column"):
        assert part in str(e.value)
    with pytest.warns(Notice, match="4 of 8 items cannot be read and are left out"):
        table = Tabular(on_error="skip").read(path)
    expected = [[1.0, 2.0], [10.0, 11.0], [12.0, 13.0], [14.0, 15.0]]
    assert torch.equal(table.numeric, torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("kind", [np.asarray, torch.tensor, pd.DataFrame])
def test_broken_rows_of_tables_in_memory_too(kind):
    data = kind([[1.0, 0.0], [float("nan"), 1.0], [3.0, 1.0], [4.0, -1.0], [5.0, 0.5]])
    with pytest.raises(InputError, match="3 of 5 items cannot be read, items 1, 3, 4"):
        Tabular(categorical=[1]).read(data)
    with pytest.warns(Notice, match="items 1, 3, 4"):
        table = Tabular(categorical=[1], on_error="skip").read(data)
    assert table.numeric[:, 0].tolist() == [1.0, 3.0]
    assert table.categorical[:, 0].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a,b\n1,2\n\xee\xff,3\n", "cannot be read as CSV"),
        (b"a,b\n1,\x002\n", "zero bytes"),
        ("a,b\n1,2\n".encode("utf-16"), "cannot be read as CSV"),
        (b"\x89PNG\r\n\x1a\n\0\0", "cannot be read as CSV"),
        ('a,b\n1,"2\n3,4\n', "cannot be read as CSV"),
        ("a,b\n1,2,\n3,4,\n", "2 of 2 items cannot be read"),
        ("a;b\n1;2\n", "semicolons separate its cells"),
    ],
)
@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_files_that_are_no_table_are_refused(tmp_path, content, words, on_error):
    with pytest.raises(InputError, match=words):
        Tabular(on_error=on_error).read(written(tmp_path, content))


def test_a_csv_file_with_a_mark_of_byte_order_keeps_its_names(tmp_path):
    table = Tabular().read(written(tmp_path, "\ufeffa,b\n1,2\n"))
    assert table.columns == ("a", "b")


def test_labels_do_not_go_with_a_stream_that_leaves_out_rows():
    net = torch.nn.Linear(2, 3)
    explainer = salience.Explainer(
        net, Tabular(on_error="skip"), output=salience.CrossEntropy([0, 1, 2, 0])
    )
    with pytest.raises(InputError, match="go by their positions"):
        list(explainer.stream([np.eye(2), np.eye(2)]))


@pytest.mark.parametrize("header, told", [("0,1", False), ("a,1", False), ("5.1,3", True)])
def test_a_first_line_of_numbers_is_told(tmp_path, header, told):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        table = Tabular().read(written(tmp_path, f"{header}\n1,2\n3,4\n"))
    assert table.numeric.shape == (2, 2)
    assert any("first line of a.csv" in str(w.message) for w in caught) == told


@pytest.mark.parametrize(("sign", "word"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")])
def test_cells_that_no_commas_separate_are_refused(tmp_path: Path, sign: str, word: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(f"plant{sign}a\np{sign}1,5\nq{sign}2\n")
    with pytest.raises(InputError, match=f"{word} separate its cells, not commas"):
        Tabular(id_column="plant").read(path)
    path.write_text(f"a{sign}b\n1\n2\n")  # the name of the only column
    assert len(Tabular().read(path)) == 2
