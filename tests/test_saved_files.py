"""Files that earlier versions wrote load, are drawn, and say what they said then."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import salience

FOLDER = Path(__file__).parent / "saved_by_0_1"
RUNS = ["molgraph", "spectra", "tabular", "tensors", "vision"]


@pytest.fixture(scope="module", params=RUNS)
def run(request: pytest.FixtureRequest) -> tuple[salience.Explanation, dict[str, Any]]:
    said = json.loads((FOLDER / f"{request.param}.json").read_text())
    return salience.Explanation.load(FOLDER / f"{request.param}.salience"), said


def test_every_kept_file_is_tested() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.salience")) == RUNS


def test_items_have_the_same_scores_ids_and_draws(
    run: tuple[salience.Explanation, dict[str, Any]],
) -> None:
    explanation, said = run
    assert list(explanation.ids) == said["ids"]
    for name in ("prediction", "score", "delta", "completeness_gap", "n_independent", "draws"):
        assert same(getattr(explanation, name), said[name]), name


def test_values_and_errors_are_the_same(run: tuple[salience.Explanation, dict[str, Any]]) -> None:
    explanation, said = run
    assert list(explanation.saliency) == list(said["variables"])
    for name, before in said["variables"].items():
        saliency = explanation[name]
        assert same(saliency.flat, before["values"])
        assert same(saliency.flat_error, before["std_error"])
        assert same(saliency.counts, before["counts"])
        assert set(saliency.flat_parts) == set(before["variance_parts"])
        for part, values in before["variance_parts"].items():
            assert same(saliency.flat_parts[part], values)
        low, high = explanation.confidence_interval(0.9, name)
        assert close([low, high], before["interval"], 1e-6)  # now rounded from float64
        assert close(explanation.certainty(name), before["certainty"])
        if "p_values" in before:
            assert close(explanation.p_values(name), before["p_values"])


def test_the_record_is_the_same(run: tuple[salience.Explanation, dict[str, Any]]) -> None:
    explanation, said = run
    assert same(plain(explanation.provenance), said["provenance"])


def test_files_of_earlier_versions_are_drawn(
    run: tuple[salience.Explanation, dict[str, Any]], tmp_path: Path
) -> None:
    explanation, _ = run
    if not getattr(explanation.domain, "visualizer", ""):
        return  # plain tensors have no picture
    explanation.visualize(0, path=tmp_path / "item.png")
    assert np.asarray(Image.open(tmp_path / "item.png")).std() > 1


def plain(record: Any) -> Any:
    """A record as JSON holds it."""

    def numbers(value: Any) -> Any:
        return (value.values if isinstance(value, salience.PerItem) else value).tolist()

    return json.loads(json.dumps(record, default=numbers))


def same(now: Any, then: Any) -> bool:
    """Equal to the last bit, NaN included."""
    return close(now, then, 0.0)


def close(now: Any, then: Any, tolerance: float = 1e-12) -> bool:
    now = now.tolist() if hasattr(now, "tolist") else now
    if isinstance(then, dict):
        return now.keys() == then.keys() and all(close(now[k], then[k], tolerance) for k in then)
    if isinstance(then, list):
        return len(now) == len(then) and all(
            close(n, t, tolerance) for n, t in zip(now, then, strict=True)
        )
    if isinstance(then, float):
        return (math.isnan(now) and math.isnan(then)) or math.isclose(
            now, then, rel_tol=tolerance, abs_tol=tolerance
        )
    return bool(now == then)
