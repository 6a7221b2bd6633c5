"""What reports draw of a row."""

import dataclasses

import pandas as pd
import torch
from torch import nn

import salience
from salience.testing import check_payload
from salience_tabular import Tabular


class Mixed(nn.Module):
    """A sum of the numeric columns and of the embedding of the categorical one."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(2, 3)

    def forward(self, numeric: torch.Tensor, categorical: torch.Tensor) -> torch.Tensor:
        return numeric.float().sum(1) + self.embed(categorical).sum((1, 2))


FRAME = pd.DataFrame({"age": [30.0, 41.5], "colour": [1, 0], "dose": [0.25, 3.0]})


def test_a_row_is_bars_of_its_features() -> None:
    explanation = salience.explain(
        Mixed(), FRAME, Tabular(categorical=["colour"]), target=["numeric", "embed"], output="value"
    )
    found = check_payload(explanation, 1)
    assert found is not None
    assert found["view"] == "bars" and found["names"] == ["age", "colour", "dose"]


def test_values_of_features_are_numbers_and_names_of_categories() -> None:
    explanation = salience.explain(
        Mixed(), FRAME, Tabular(categorical=["colour"]), target=["numeric", "embed"], output="value"
    )
    notes = [{"values": torch.tensor(row)} for row in FRAME.to_numpy()]
    info = {**explanation.dataset_info, "categories": [["red", "green"]]}
    explanation = dataclasses.replace(explanation, annotations=notes, dataset_info=info)
    found = check_payload(explanation, 0)
    assert found is not None
    assert found["numbers"].tolist() == [30.0, 1.0, 0.25]
    assert found["texts"] == ["", "green", ""]


def test_groups_of_columns_have_names_and_no_values() -> None:
    frame = FRAME[["age", "dose"]]
    pooled = salience.explain(nn.Linear(2, 2).double(), frame, "tabular", pool={"both": [0, 1]})
    notes = [{"values": torch.tensor(row)} for row in frame.to_numpy()]
    found = check_payload(dataclasses.replace(pooled, annotations=notes), 0)
    assert found is not None and found["names"] == ["both"] and "numbers" not in found


def test_units_inside_the_model_are_no_columns() -> None:
    net = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2)).double()
    explanation = salience.explain(
        net, FRAME.astype(float), "tabular", target=salience.Target("1", axes=("item", "unit"))
    )
    assert check_payload(explanation, 0) is None
