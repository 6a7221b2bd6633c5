"""Annotations in columns: views of items, selected, joined and saved without a loop."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

import salience
from salience import ColumnAnnotations, Explanation, InputError

ROWS = torch.randn(7, 3, generator=torch.Generator().manual_seed(0))


def explained(n: int = 7, **settings: object) -> Explanation:
    torch.manual_seed(0)
    return salience.explain(nn.Linear(3, 2), ROWS[:n], "tabular", **settings)


def held(explanation: Explanation) -> torch.Tensor:
    assert isinstance(explanation.annotations, ColumnAnnotations)
    return explanation.annotations.columns["values"]


def test_items_are_rows_of_the_columns() -> None:
    notes = ColumnAnnotations({"x": torch.arange(6).reshape(3, 2), "y": torch.arange(3)})
    assert len(notes) == 3 and [int(note["y"]) for note in notes] == [0, 1, 2]
    assert notes[1]["x"].tolist() == [2, 3] and notes[-1]["y"] == 2
    part = notes[1:]
    assert isinstance(part, ColumnAnnotations) and part[0]["x"].tolist() == [2, 3]
    assert notes.select(torch.tensor([2, 0])).columns["y"].tolist() == [2, 0]
    assert pickle.loads(pickle.dumps(notes)).columns["x"].equal(notes.columns["x"])


@pytest.mark.parametrize("columns", [{}, {"x": torch.ones(2), "y": torch.ones(3)}])
def test_columns_of_different_lengths_are_refused(columns: dict[str, torch.Tensor]) -> None:
    with pytest.raises(InputError, match="one row for each item"):
        ColumnAnnotations(columns)


def test_values_of_a_table_are_those_of_its_rows_however_it_is_packed() -> None:
    assert held(explained()).equal(ROWS)
    assert held(explained(max_rows=2)).equal(ROWS)
    parts = salience.Explainer(nn.Linear(3, 2), "tabular").stream([ROWS[:4], ROWS[4:]])
    assert torch.cat([held(part) for part in parts]).equal(ROWS)


def test_a_selection_has_its_own() -> None:
    found = explained()
    assert held(found.iloc[[5, 0]]).equal(ROWS[[5, 0]])
    assert held(found.where(lambda e: e.score > 0)).equal(ROWS[found.score > 0])
    assert held(found.item(3)).equal(ROWS[3:4])


def test_they_are_saved_and_loaded(tmp_path: Path) -> None:
    found = explained()
    found.save(tmp_path / "a.salience")
    loaded = Explanation.load(tmp_path / "a.salience")
    assert held(loaded).equal(ROWS)
    loaded.visualize(0)


def test_a_mixture_with_other_annotations_is_a_list() -> None:
    one, other = explained(), explained()
    notes = [{"values": row} for row in ROWS]
    joined = salience.ItemTable.join([one, replace(other, annotations=notes)])
    assert len(joined.annotations) == 14
    assert all(note["values"].equal(ROWS[i % 7]) for i, note in enumerate(joined.annotations))


def test_arrays_of_another_tool_have_them_too() -> None:
    found = Explanation.from_arrays(torch.zeros(7, 3), ROWS, "tabular")
    assert held(found).equal(ROWS)


@pytest.mark.parametrize(
    "damage", [{"columns": []}, {"columns": ["other"]}, {"columns": ["values"], "more": 1}, 3]
)
def test_a_file_with_other_columns_is_refused(damage: object) -> None:
    from salience.results.files.schema import _lengths_of_annotations

    tensors = {"annotations/values": ROWS}
    assert _lengths_of_annotations({"columns": ["values"]}, tensors) == {"annotations/values": 7}
    try:
        lengths = _lengths_of_annotations(damage, tensors)
    except InputError:
        return
    assert set(lengths.values()) == {-1}  # no number of items
