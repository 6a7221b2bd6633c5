"""Items of a run share one shape; one of another is recorded, however the data is cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from salience import Explainer, InputError, ResultSet, load_model

ODD = (3, 7)


def run(out: Path, **settings: Any) -> ResultSet:
    """Ten photos, of which two are one line high: their saliency could be added to any."""
    photos = [torch.rand(3, 1 if item in ODD else 6, 8) for item in range(10)]
    explainer = Explainer(load_model("scale_models:photos", None), "vision", output="class:0")
    return explainer.explain_dataset(photos, out, **settings)


@pytest.mark.parametrize("unit_items", [1, 4, 10])
def test_items_of_another_shape_are_recorded(unit_items: int, tmp_path: Path) -> None:
    results = run(tmp_path / "run", unit_items=unit_items)
    assert list(results.failed) == list(ODD)
    assert "item 7 has 'input' of shape (1, 8)" in results.failed[7]
    assert results.importance().n_items == len(results.explanation()) == 8


def test_an_item_of_another_shape_can_end_the_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="item 3 has shape"):
        run(tmp_path / "run", unit_items=1, on_error="raise")
