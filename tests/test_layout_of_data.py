"""Domains whose layout depends on the data, and whose models return rows of another kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

import salience
from salience import Batch, Domain, Field, InputError, Layout


@dataclass(frozen=True)
class Columns(Domain):
    """Items are mappings column → number; the columns are known only from the data."""

    visualizer: ClassVar[str] = ""
    target: str = "a"
    output: str = "value"
    times: int = 1
    columns: tuple[str, ...] = field(default=())

    @property
    def layout(self) -> Layout:
        return Layout({name: Field(("item", "one")) for name in self.columns}, reduce=("one",))

    @property
    def needs_data(self) -> bool:
        return not self.columns

    def fitted(self, samples: Sequence[Any]) -> Columns:
        return replace(self, columns=tuple(samples[0])) if self.needs_data else self

    def read(self, data: Any) -> list[Any]:
        for number, item in enumerate(data):
            if self.columns and tuple(item) != self.columns:
                raise InputError(f"item {number} has other columns; give it {self.columns}")
        return list(data)

    def collate(self, samples: Sequence[Any]) -> Batch:
        arguments = {name: torch.tensor([[item[name]] for item in samples]) for name in samples[0]}
        return Batch(arguments, self.fitted(samples).layout, len(samples))

    def by_item(self, output: Any, values: Mapping[str, Any]) -> Any:
        return output[:: self.times]


DATA = [{"a": 1.0, "b": 2.0}, {"a": 3.0, "b": 0.5}, {"a": -1.0, "b": 1.5}]


def product(a: Tensor, b: Tensor) -> Tensor:
    return a**2 * b


@pytest.mark.parametrize("max_rows", [1, 2, 10])
def test_arguments_of_the_data_are_targets(max_rows: int) -> None:
    explainer = salience.Explainer(product, Columns(), target=["a", "b"], max_rows=max_rows)
    for found in (
        explainer.explain(DATA),
        explainer.aggregate(explainer.compute(DATA)),
    ):
        assert found["a"].values.tolist() == [4.0, 3.0, -3.0]
        assert found["b"].values.tolist() == [1.0, 9.0, 1.0]
    streamed = list(explainer.stream([DATA[:1], DATA[1:]]))
    assert [float(one["a"].values[0]) for one in streamed] == [4.0, 3.0, -3.0]


def test_later_chunks_and_data_of_means_have_the_same_layout() -> None:
    explainer = salience.Explainer(product, Columns())
    with pytest.raises(InputError, match="item 0 has other columns"):
        list(explainer.stream([DATA, [{"a": 1.0}]]))
    mean = salience.IntegratedGradients(baseline=salience.Mean([{"c": 1.0}]))
    with pytest.raises(InputError, match="item 0 has other columns"):
        explainer.explain(DATA, mean)
    # The explainer itself is not bound to the data that it met first.
    renamed = [{"a": item["a"], "c": item["b"]} for item in DATA]
    assert explainer.explain(renamed).values.tolist() == explainer.explain(DATA).values.tolist()


def test_a_target_that_the_data_lacks_is_refused_before_the_model_runs() -> None:
    def never(**values: Tensor) -> Tensor:
        raise AssertionError

    with pytest.raises(InputError, match="'d'"):
        salience.explain(never, DATA, Columns(), target="d")


@pytest.mark.parametrize("max_rows", [1, 10])
def test_the_domain_says_which_rows_of_the_output_are_the_items(max_rows: int) -> None:
    def three_rows_an_item(a: Tensor, b: Tensor) -> Tensor:
        value = a**2 * b
        return torch.stack([value, -value, 7 * value], 1).flatten()

    found = salience.explain(three_rows_an_item, DATA, Columns(times=3), max_rows=max_rows)
    assert found.values.tolist() == [4.0, 3.0, -3.0]
    assert found.score.tolist() == [2.0, 4.5, 1.5]
