"""Columns go by their names: what is handed in, further data, and the names of results."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

import salience
from salience import ClassScore, Explainer, InputError, IntegratedGradients, Mean, PerItem, Target
from salience_tabular import Tabular

torch.manual_seed(0)
NET = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)).eval()
X, BASES = torch.randn(5, 4), torch.randn(5, 4)
TABLE = pd.DataFrame(X.numpy(), columns=list("abcd"))
OTHER = pd.DataFrame(BASES.numpy(), columns=list("abcd"))
TURNED = list("cadb")


def explained(baseline: Any = 0.0, data: Any = TABLE, domain: Any = "tabular") -> Tensor:
    method = IntegratedGradients(baseline=baseline)
    found: Tensor = salience.explain(NET, data, domain, method, output=ClassScore(0)).values
    return found


def numbered(frame: pd.DataFrame, labels: list[int]) -> pd.DataFrame:
    return frame.set_axis(labels, axis=1)


MEANS: dict[str, tuple[Any, ...]] = {
    "background": (Mean(OTHER),),
    "background in another order": (Mean(OTHER[TURNED]),),
    "background with further columns": (Mean(OTHER.assign(label=1.0)[["label", *TURNED]]),),
    "background as an array": (Mean(BASES.numpy()),),
    "background without names": (Mean(pd.DataFrame(BASES.numpy())),),
    "background of an array": (Mean(OTHER), X.numpy()),
    "means": (OTHER.mean(),),
    "means in another order": (OTHER.mean()[TURNED],),
    "means of more columns": (OTHER.assign(label=1.0).mean(),),
    "means of an array": (OTHER.mean(), X.numpy()),
    "means labelled by position": (pd.Series(OTHER.mean().to_numpy()),),
    "means labelled otherwise": (pd.Series(OTHER.mean().to_numpy(), index=[7, 9, 4, 2]),),
    "columns that are numbers": (
        pd.Series(OTHER.mean().to_numpy(), index=[2, 0, 3, 1])[[0, 1, 2, 3]],
        numbered(TABLE, [2, 0, 3, 1]),
    ),
    "columns that were renamed": (
        OTHER.mean()[TURNED],
        TABLE,
        Tabular(feature_names=list("wxyz")),
    ),
    "background of renamed columns": (
        Mean(OTHER[TURNED]),
        TABLE,
        Tabular(feature_names=list("wxyz")),
    ),
    "new names": (
        OTHER.mean().set_axis(list("wxyz"))[list("zwyx")],
        TABLE,
        Tabular(feature_names=list("wxyz")),
    ),
    "objects": (OTHER.mean().astype(object),),
    "decimals": ([Decimal(float(value)) for value in OTHER.mean()],),
}


@pytest.mark.parametrize("form", MEANS)
def test_means_of_columns_are_those_of_the_columns_of_the_data(form: str) -> None:
    truth = explained(torch.tensor(OTHER.mean().to_numpy()))
    torch.testing.assert_close(explained(*MEANS[form]), truth)


ROWS: dict[str, Callable[[], Any]] = {
    "frame": lambda: OTHER[TURNED],
    "nullable frame": lambda: OTHER[TURNED].astype("Float64"),
    "list of rows": lambda: [row for _, row in OTHER[TURNED].iterrows()],
    "frame with rows in any labels": lambda: OTHER.set_axis([4, 2, 0, 1, 3]),
    "array of arrays": lambda: np.array([*OTHER.to_numpy()], dtype=object),
}


@pytest.mark.parametrize("form", ROWS)
def test_a_baseline_of_each_row_has_the_columns_of_the_data(form: str) -> None:
    torch.testing.assert_close(explained(PerItem(ROWS[form]())), explained(PerItem(BASES)))


WRONG: dict[str, Callable[[], Any]] = {
    "background of other columns": lambda: Mean(OTHER.rename(columns={"a": "z"})),
    "background of fewer columns": lambda: Mean(OTHER[["a", "b"]]),
    "background of a narrower array": lambda: Mean(BASES[:, :3].numpy()),
    "background with a column twice": lambda: Mean(OTHER[["a", "a", "b", "c", "d"]]),
    "means of fewer columns": lambda: OTHER.mean()[["a", "b"]],
    "a mapping of items": lambda: PerItem({0: BASES[0]}),  # type: ignore[arg-type]
    "a set of items": lambda: PerItem({1.0, 2.0}),  # type: ignore[arg-type]
    "rows with a missing value": lambda: PerItem(OTHER.mask(OTHER > 1)),
    "a baseline that is not finite": lambda: float("nan"),
    "truth values": lambda: [True, False, True, False],
    "a truth value": lambda: True,
}


@pytest.mark.parametrize("form", WRONG)
def test_what_lacks_a_column_or_a_number_is_refused_in_a_sentence(form: str) -> None:
    with pytest.raises(InputError) as caught:
        explained(WRONG[form]())
    assert "\n" not in str(caught.value)


def test_chunks_of_a_stream_have_the_columns_of_the_first() -> None:
    explainer = Explainer(NET, "tabular", output=ClassScore(0))
    chunks = [TABLE[:2], TABLE[2:][TURNED]]
    found = [one.values[0] for one in explainer.stream(chunks, "integrated_gradients")]
    torch.testing.assert_close(torch.stack(found), explained())
    with pytest.raises(InputError, match="columns called 'a'"):
        list(explainer.stream([TABLE[:2], TABLE[2:].rename(columns={"a": "z"})]))


CELLS: dict[str, Callable[[], Any]] = {
    "objects": lambda: TABLE.astype(object),
    "an array of objects": lambda: TABLE.to_numpy().astype(object),
    "nullable": lambda: TABLE.astype("Float64"),
    "decimals": lambda: TABLE.astype(float).map(Decimal),
    "big endian": lambda: X.numpy().astype(">f4"),
    "reversed": lambda: X.flip(0).numpy()[::-1],
}


@pytest.mark.parametrize("form", CELLS)
def test_a_table_is_read_from_any_cells_that_hold_numbers(form: str) -> None:
    torch.testing.assert_close(explained(data=CELLS[form]()), explained(), check_dtype=False)


def test_frames_of_polars_and_arrow_are_read_by_their_own_conversion() -> None:
    polars, arrow = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    table = polars.DataFrame({name: TABLE[name].to_numpy() for name in TABLE})
    others = polars.DataFrame({name: OTHER[name].to_numpy() for name in OTHER})
    torch.testing.assert_close(explained(data=table), explained())
    torch.testing.assert_close(explained(data=arrow.table(table.to_dict())), explained())
    torch.testing.assert_close(explained(PerItem(others[TURNED])), explained(PerItem(BASES)))
    torch.testing.assert_close(explained(Mean(others[TURNED])), explained(Mean(OTHER)))
    kinds = table.with_columns(k=polars.Series([*"uvuvu"], dtype=polars.Enum(["v", "u"])))
    assert Tabular(categorical="k").read(kinds).categorical.flatten().tolist() == [1, 0, 1, 0, 1]
    for wrong in (table.lazy(), table.with_columns(k=polars.Series([*"uvuvu"]))):
        with pytest.raises(InputError):
            explained(data=wrong)


@pytest.mark.parametrize("wrong", [[1.5], [True], {1, 2}, {"a": 1}, None, [None]])
def test_categorical_columns_are_names_or_positions_in_order(wrong: Any) -> None:
    with pytest.raises(InputError):
        Tabular(categorical=wrong)
    with pytest.raises(InputError):
        Tabular(feature_names={"a", "b"})  # type: ignore[arg-type]


# --- Names out ------------------------------------------------------------------------------------


class Mixed(nn.Module):
    """Numeric columns, and categorical ones by ``n`` embeddings."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.embeds = nn.ModuleList(nn.Embedding(4, 2) for _ in range(n))
        self.hidden = nn.Linear(6, 4)
        self.out = nn.Linear(4, 1)

    def forward(self, numeric: Tensor, codes: Tensor) -> Tensor:
        embedded = self.embeds[0](codes).flatten(1)
        for embed in self.embeds[1:]:
            embedded = embedded + embed(codes).flatten(1)
        hidden: Tensor = torch.tanh(self.hidden(torch.cat([numeric, embedded], 1)))
        made: Tensor = self.out(hidden)
        return made


MIXED = TABLE.assign(kind=[0, 3, 2, 1, 0])[["a", "kind", "b", "c", "d"]]


def test_a_mixed_table_explains_all_its_columns() -> None:
    domain = Tabular(categorical="kind")
    found = salience.explain(Mixed(1), MIXED, domain, output="value")
    assert list(found.to_dataframe().position[:5]) == list(MIXED.columns)
    model = Mixed(1)
    one = salience.explain(model, MIXED, domain, output="value").values
    two = salience.explain(
        model, MIXED, domain, target=["numeric", "embeds.0"], output="value"
    ).values
    assert torch.equal(one, two)


def test_a_mixed_table_is_refused_where_the_modules_of_its_columns_are_not_known() -> None:
    for model in (Mixed(2), lambda numeric, codes: numeric[:, :1]):
        with pytest.raises(InputError, match=r"\['kind'\].*pass target=\['numeric', \.\.\.\]"):
            salience.explain(model, MIXED, Tabular(categorical="kind"), output="value")


def test_the_numeric_columns_of_a_mixed_table_have_their_own_names() -> None:
    domain = Tabular(categorical="kind")
    found = salience.explain(Mixed(1), MIXED, domain, target="numeric", output="value")
    assert list(found.to_dataframe().position[:4]) == list("abcd")
    labels = {label.get_text() for label in found.visualize().axes[0].get_yticklabels()}
    assert labels == set("abcd")


@pytest.mark.parametrize("target", ["hidden", "embeds.0"])
def test_units_inside_a_model_of_a_mixed_table_have_no_names(target: str) -> None:
    axes = ("item", "neuron") if target == "hidden" else ("item", "column", "channel")
    found = salience.explain(
        Mixed(1),
        MIXED,
        Tabular(categorical="kind"),
        target=Target(target, axes=axes),
        output="value",
    )
    assert not set(found.to_dataframe().position) & set(MIXED.columns)
    labels = {label.get_text() for label in found.visualize().axes[0].get_yticklabels()}
    assert not labels & set(MIXED.columns)
