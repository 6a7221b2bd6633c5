"""What the domain reads, refuses, collates and joins."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from salience import InputError
from salience_tabular import Table, Tabular

ROWS = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "age": [31, 42, 53],
            "city": pd.Categorical(["Rome", "Oslo", "Rome"], categories=["Oslo", "Rome", "Bern"]),
            "income": [1.5, 2.5, 3.5],
            "smokes": [0, 1, 1],
        }
    )


def csv(folder: Path) -> Path:
    path = folder / "rows.csv"
    pd.DataFrame(ROWS, columns=["a", "b", "c"]).to_csv(path, index=False)
    return path


@pytest.mark.parametrize(
    "data",
    [
        ROWS,
        torch.tensor(ROWS),
        torch.tensor(ROWS, requires_grad=True),
        pd.DataFrame(ROWS),
        np.asfortranarray(ROWS),
        ROWS[::-1][::-1],
        ROWS.astype(">f8"),
        ROWS.astype(int),
    ],
)
def test_reads_the_same_numbers_from_every_kind_of_table(data):
    table = Tabular().read(data)
    assert table.numeric.dtype == torch.float64
    assert torch.equal(table.numeric, torch.tensor(ROWS))
    assert len(table) == 2


def test_reads_a_csv_file_by_path_by_text_and_in_a_list(tmp_path):
    path = csv(tmp_path)
    for data in (path, str(path), [str(path)]):
        table = Tabular().read(data)
        assert torch.equal(table.numeric, torch.tensor(ROWS))
        assert table.columns == ("a", "b", "c")


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_floats_keep_their_precision(dtype):
    assert Tabular().read(torch.tensor(ROWS, dtype=dtype)).numeric.dtype == dtype


def test_bfloat16_and_booleans_are_read_exactly():
    assert Tabular().read(torch.tensor(ROWS).bfloat16()).numeric.tolist() == ROWS.tolist()
    assert Tabular().read(np.array([[True, False]])).numeric.tolist() == [[1.0, 0.0]]


def test_nullable_columns_of_pandas_are_read():
    table = Tabular().read(frame().drop(columns="city").convert_dtypes())
    assert table.numeric.tolist() == [[31, 1.5, 0], [42, 2.5, 1], [53, 3.5, 1]]


def test_reading_copies_so_that_neither_side_can_change_the_other():
    for data in (ROWS.copy(), torch.tensor(ROWS), pd.DataFrame(ROWS.copy())):
        domain = Tabular()
        table = domain.read(data)
        domain.collate(table[0:2]).arguments["numeric"].zero_()
        assert torch.equal(table.numeric, torch.tensor(ROWS))
        assert np.array_equal(np.asarray(data), ROWS)


def test_slices_are_tables_and_rows_collate_to_the_same_batch():
    domain = Tabular(categorical=(1,))
    table = domain.read(ROWS)
    part = table[1:2]
    assert isinstance(part, Table) and len(part) == 1
    by_slice, by_row = domain.collate(table), domain.collate([table[0], table[1]])
    for name in ("numeric", "categorical"):
        assert torch.equal(by_slice.arguments[name], by_row.arguments[name])
    with pytest.raises(IndexError):
        table[2]


def test_names_come_from_the_frame_the_setting_or_are_numbered():
    assert Tabular().read(pd.DataFrame(ROWS, columns=["a", "b", "c"])).columns == ("a", "b", "c")
    assert Tabular().read(ROWS).columns == ("feature 0", "feature 1", "feature 2")
    named = Tabular(feature_names=np.array(["x", "y", "z"]))
    assert named.read(ROWS).columns == ("x", "y", "z")
    with pytest.raises(InputError, match=r"2 names, but the table has 3 columns"):
        Tabular(feature_names=("x", "y")).read(ROWS)


def test_categories_become_codes_and_the_order_of_declaration_is_kept():
    domain = Tabular(categorical=("smokes", "city"))
    table = domain.read(frame())
    batch = domain.collate(table)
    assert batch.arguments["numeric"].tolist() == [[31, 1.5], [42, 2.5], [53, 3.5]]
    assert batch.arguments["categorical"].tolist() == [[0, 1], [1, 0], [1, 1]]
    assert batch.arguments["categorical"].dtype == torch.int64
    assert list(batch.layout.fields) == ["numeric", "categorical"]
    assert domain.dataset_info(table) == {
        "columns": ["age", "city", "income", "smokes"],
        "numeric": [0, 2],
        "categorical": [3, 1],
        "categories": [None, ["Oslo", "Rome", "Bern"]],
    }


def test_codes_do_not_depend_on_which_rows_are_explained():
    domain = Tabular(categorical="city")
    assert domain.read(frame()[2:]).categorical.tolist() == [[1]]


def test_a_table_of_categories_alone_has_no_numeric_values():
    table = Tabular(categorical=(0, 1)).read(np.array([[0, 1], [2, 0]]))
    assert table.numeric.shape == (2, 0)
    assert table.categorical.tolist() == [[0, 1], [2, 0]]


def test_settings_survive_a_round_trip_through_lists():
    domain = Tabular(categorical=["city", np.int64(2)], feature_names=["a", "city", "c"])
    assert domain == Tabular(categorical=("city", 2), feature_names=("a", "city", "c"))
    assert type(domain.categorical[1]) is int
    hash(domain)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (ROWS[0], r"shape \(3,\), expected \(rows, columns\)"),
        (np.zeros((0, 3)), r"0 rows and 3 columns"),
        (pd.DataFrame({"a": []}), r"0 rows and 1 columns"),
        ([[1.0, 2.0]], r"cannot be read from a list"),
        (np.array([["a", 1.0]], dtype=object), r"array of object, expected real numbers"),
        (np.array([[None, 1.0]], dtype=object), r"row 0, column 'feature 0' holds nan"),
        (ROWS.astype(complex), r"array of complex128, expected real numbers"),
        (torch.tensor(ROWS).to_sparse(), r"to_dense"),
        ("no/such.csv", r"no file 'no/such.csv'"),
        (np.array([[1.0, 2.0], [3.0, np.nan]]), r"row 1, column 'feature 1' holds nan"),
        (
            np.array([[1.0, np.inf], [np.nan, 2]]),
            r"items 0, 1: row 0, column 'feature 1' holds inf",
        ),
        (pd.DataFrame({"a": [1, None], "b": [1, 2]}), r"row 1, column 'a' holds nan"),
        (np.ma.masked_equal(ROWS, 5.0), r"row 1, column 'feature 1' holds nan"),
        (pd.DataFrame({"a": [1], "b": ["x"]}), r"column 'b' holds \w+ values, expected numbers"),
        (pd.DataFrame({"when": pd.to_datetime(["2020-01-01"])}), r"column 'when' holds datetime"),
        (frame(), r"column 'city' holds categories but is not declared.*categorical=\('city'"),
    ],
)
def test_refuses_what_is_no_table_of_finite_numbers(data, message):
    with pytest.raises(InputError, match=message):
        Tabular().read(data)


def test_refuses_a_file_that_is_no_csv(tmp_path):
    path = tmp_path / "empty.csv"
    path.write_text("")
    with pytest.raises(InputError, match=r"empty.csv' cannot be read as CSV"):
        Tabular().read(path)


@pytest.mark.parametrize(
    ("categorical", "data", "message"),
    [
        ((3,), ROWS, r"column 3 is out of range: the table has 3 columns; pass 0 to 2"),
        (("ctiy",), frame(), r"0 columns called 'ctiy'.*did you mean 'city'"),
        (("a",), pd.DataFrame(ROWS, columns=["a", "a", "b"]), r"2 columns called 'a'"),
        (("city", 1), frame(), r"twice, by name and by position"),
        ((0,), np.array([[0.5]]), r"row 0, column 'feature 0' holds 0.5, expected the code"),
        ((0,), np.array([[1], [-1]]), r"row 1, column 'feature 0' holds -1"),
        ((0,), np.array([[np.nan]]), r"holds nan, expected the code"),
        (("c",), pd.DataFrame({"c": pd.Categorical(["x", None])}), r"row 1, column 'c' holds -1"),
        (("c",), pd.DataFrame({"c": ["x", "y"]}), r"column 'c' holds.*categories={'c'"),
    ],
)
def test_refuses_categories_that_it_cannot_code(categorical, data, message):
    with pytest.raises(InputError, match=message):
        Tabular(categorical=categorical).read(data)


def test_refuses_a_column_declared_twice():
    with pytest.raises(InputError, match="names a column twice"):
        Tabular(categorical=("a", "a"))


FACTS = {"columns": ["a", "b", "c", "d"], "numeric": [0, 2], "categorical": [3, 1]}
NUMERIC = torch.tensor([[10.0, 12.0], [20.0, 22.0]])
CODES = torch.tensor([[13.0, 11.0], [23.0, 21.0]])
JOINED = [[10.0, 11.0, 12.0, 13.0], [20.0, 21.0, 22.0, 23.0]]


@pytest.mark.parametrize(
    "saliency",
    [
        {"numeric": NUMERIC, "embed": CODES},
        {"embed": CODES, "numeric": NUMERIC},
        {"input": NUMERIC, "embeds.0": CODES[:, 0], "embeds.1": CODES[:, 1]},
    ],
)
def test_join_puts_columns_into_the_order_of_the_table(saliency):
    joined = Tabular(categorical=("d", "b")).join(saliency, FACTS)
    assert list(joined) == ["features"]
    assert joined["features"].tolist() == JOINED


@pytest.mark.parametrize(
    "saliency",
    [
        {"numeric": NUMERIC},
        {"embed": CODES},
        {"numeric": NUMERIC, "embeds.0": CODES[:, 0]},
        {"embed": CODES, "hidden": NUMERIC},
        {"numeric": NUMERIC, "hidden": torch.zeros(2, 2, 3)},
    ],
)
def test_join_leaves_alone_what_does_not_cover_the_columns(saliency):
    assert Tabular(categorical=("d", "b")).join(saliency, FACTS) is saliency


def test_join_of_categories_alone_needs_no_numeric_variable():
    facts = {"columns": ["a", "b"], "numeric": [], "categorical": [1, 0]}
    joined = Tabular(categorical=(1, 0)).join({"embed": CODES}, facts)
    assert joined["features"].tolist() == [[11.0, 13.0], [21.0, 23.0]]


def test_without_categories_there_is_nothing_to_join():
    facts = {"columns": ["a", "b"], "numeric": [0, 1], "categorical": []}
    saliency = {"input": NUMERIC}
    assert Tabular().join(saliency, facts) is saliency
