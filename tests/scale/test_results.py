"""What can be asked of the results of a data set."""

from __future__ import annotations

import math
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scale_models
import torch

from salience import Explainer, Explanation, InputError, ResultSet, load_model

METHOD: dict[str, Any] = {"samplers": ["gaussian"], "n_samples": 3}
LABELS = ["a", "b", "b", "c", None] * 100


def explainer() -> Explainer:
    return Explainer(
        load_model("scale_models:table", None), "tabular", output="class:0", max_rows=64
    )


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("results") / "run"
    ids = [f"row {number}" for number in range(500)]
    data = scale_models.rows()
    settings: Any = {"ids": ids, "labels": LABELS, "unit_items": 64} | METHOD
    explainer().explain_dataset(data, path, "integrated_gradients:steps=4", **settings)
    return path


@pytest.fixture
def results(out: Path) -> ResultSet:
    return ResultSet.open(out)


@pytest.fixture(scope="module")
def expected() -> Explanation:
    ids = [f"row {number}" for number in range(500)]
    return explainer().explain(
        scale_models.rows(), "integrated_gradients:steps=4", ids=ids, **METHOD
    )


def test_slices_are_lazy_and_those_of_the_explanation(
    results: ResultSet, expected: Explanation
) -> None:
    every = expected.values
    for chosen in (slice(60, 70), slice(None, None, 97), slice(-3, None), slice(10, 0, -3)):
        part = results[chosen]
        assert isinstance(part, ResultSet)
        assert part.positions == list(range(500))[chosen]
        torch.testing.assert_close(
            part.explanation().values, every[part.positions], rtol=1e-4, atol=1e-6
        )
    places = [499, 0, 64, 63, 0]
    torch.testing.assert_close(
        results[places].explanation().values, every[places], rtol=1e-4, atol=1e-6
    )
    assert results[100:200][[3, 5]][-1].ids == ["row 105"]
    mask = np.arange(500) % 250 == 7
    assert results[mask].ids == ["row 7", "row 257"]


def test_items_chosen_twice_count_twice(results: ResultSet) -> None:
    places = [70, 2, 499, 2, 2, 70]  # as in a bootstrap over items
    found, chosen = results[places].importance(), results[places].explanation()
    assert found.n_items == 6
    torch.testing.assert_close(found.mean, chosen.mean(), rtol=1e-4, atol=1e-6, check_dtype=False)


def test_a_result_set_is_gone_through_and_pickles(results: ResultSet) -> None:
    assert [one.ids for one in results[62:66]] == [[f"row {number}"] for number in range(62, 66)]
    assert pickle.loads(pickle.dumps(results[62:66])).ids == results[62:66].ids
    with pytest.raises(InputError, match=r"in results\.ids"):
        "row 1" in results  # noqa: B015


@pytest.mark.parametrize("chosen", [500, -501, [0, 500], [0.5], "row 1", [[1]]])
def test_places_that_there_are_not(results: ResultSet, chosen: Any) -> None:
    with pytest.raises(InputError, match=r"no item|item="):
        results[chosen]


def test_items_are_found_by_id(results: ResultSet) -> None:
    assert results.loc["row 123"].positions == [123]
    assert results.loc[["row 400", "row 2"]].explanation().ids == ["row 400", "row 2"]
    assert results[100:].loc["row 123"].positions == [123]
    for absent in ("row 500", 3, None):
        with pytest.raises(InputError, match="no item of these has the id"):
            results.loc[absent]
    with pytest.raises(InputError, match="no item of these has the id"):
        results[:100].loc["row 123"]


def test_items_are_found_by_label(results: ResultSet) -> None:
    assert results.where(label="c").positions == list(range(3, 500, 5))
    assert set(results.where(label=["a", "c"]).labels) == {"a", "c"}
    assert len(results[:10].where(label="b")) == 4
    assert results.where(label=None).positions == list(range(4, 500, 5))
    with pytest.raises(InputError, match="no item has the label 'd'"):
        results.where(label="d")


def test_importance_is_that_of_all_items_in_memory(
    results: ResultSet, expected: Explanation
) -> None:
    for part, same in ((results, expected), (results.where(label="b"), None)):
        whole = part.explanation() if same is None else same
        found = part.importance()
        assert found.n_items == len(part)
        close: Any = {"rtol": 1e-4, "atol": 1e-6, "check_dtype": False}
        torch.testing.assert_close(found.mean, whole.mean(), **close)
        torch.testing.assert_close(found.magnitude, whole.mean("magnitude"), **close)
        torch.testing.assert_close(found.std_error_draws, whole.mean_std_error("draws"), **close)
        torch.testing.assert_close(found.std_error_items, whole.mean_std_error("items"), **close)
        torch.testing.assert_close(
            found.magnitude_std_error_items, whole.mean_std_error("items", "magnitude"), **close
        )
        torch.testing.assert_close(part.mean("magnitude"), found.magnitude)
    table = results.importance().to_dataframe()
    assert table["magnitude"].is_monotonic_decreasing


def test_importance_with_draws_that_items_share(tmp_path: Path) -> None:
    members = [scale_models.table() for _ in range(3)]
    for number, member in enumerate(members):
        with torch.no_grad():
            member[0].weight.add_(0.1 * number)
    from salience import Ensemble

    settings: Any = {"samplers": [Ensemble(members)], "n_samples": 3}
    found = explainer().explain_dataset(
        scale_models.rows(), tmp_path / "run", unit_items=100, **settings
    )
    whole = explainer().explain(scale_models.rows(), **settings)
    torch.testing.assert_close(
        found.importance().std_error_draws,
        whole.mean_std_error("draws"),
        rtol=1e-4,
        atol=1e-7,
        check_dtype=False,
    )


def test_tables_and_arrays(results: ResultSet, expected: Explanation) -> None:
    part = results[62:66]
    table = part.to_dataframe(wide=True)
    assert list(table["id"]) == ["row 62", "row 63", "row 64", "row 65"]
    assert list(table.columns) == list(expected.iloc[62:66].to_dataframe(wide=True).columns)
    assert part.to_xarray()["saliency"].shape == (4, 6)


def test_chosen_items_are_drawn_and_reported(results: ResultSet, tmp_path: Path) -> None:
    chosen = results.where(label="c")[:3].explanation()
    chosen.visualize(0, path=tmp_path / "row.png")
    chosen.visualize(path=tmp_path / "mean.png")
    chosen.report(tmp_path / "report.html")
    chosen.save(tmp_path / "some.salience")
    assert list(Explanation.load(tmp_path / "some.salience").ids) == ["row 3", "row 8", "row 13"]


def test_ragged_items_have_no_mean(tmp_path: Path) -> None:
    model = load_model("scale_models:molecules", None)
    made = Explainer(model, "molgraph", target="embed", output="value", max_rows=60)
    smiles = ["CCO", "CN", "c1ccccc1"] * 5
    found = made.explain_dataset(smiles, tmp_path / "run", unit_items=4)
    with pytest.raises(InputError, match="ragged"):
        found.importance()
    assert [len(values) for values in found[[5, 1]].explanation().values] == [6, 2]


def test_groups_that_are_pooled_keep_their_names(tmp_path: Path) -> None:
    made = explainer().explain_dataset(
        scale_models.rows(), tmp_path / "run", unit_items=200, pool={"x": [0, 1], "y": [2, 3, 4, 5]}
    )
    assert made.importance().names == ("x", "y")
    assert made[3:5].explanation().values.shape == (2, 2)


def test_a_run_of_some_units_can_be_asked(out: Path, tmp_path: Path) -> None:
    settings: Any = {"labels": LABELS, "unit_items": 64, "stripe": (1, 2)} | METHOD
    found = explainer().explain_dataset(scale_models.rows(), tmp_path / "run", **settings)
    assert not found.is_complete
    assert len(found) == 4 * 64 - 12
    assert found.positions[0] == 64
    assert found.loc[70].positions == [70]
    assert set(found.where(label="a").labels) == {"a"}
    assert found.importance().n_items == len(found)


# --- What does not grow ---------------------------------------------------------------------------


def test_the_driver_does_not_grow_with_the_units(tmp_path: Path) -> None:
    program = Path(__file__).with_name("many_units.py")
    command = [sys.executable, program, tmp_path, "pool:processes=2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=True)
    few, many = map(int, done.stdout.split())  # the peaks of 200 and of 10 000 units, in bytes
    assert 0 <= many - few < 100e6


def seconds(call: Callable[[], object], number: int = 21) -> float:
    """Processor time that a call takes: the lower quartile, since what disturbs it only adds."""
    times = []
    for _ in range(number):
        begin = time.process_time()
        call()
        times.append(time.process_time() - begin)
    return sorted(times)[number // 4]


def test_an_item_of_a_million_is_found_at_once(tmp_path: Path) -> None:
    number, out = 1_000_000, tmp_path / "run"
    data = torch.randn(number, 6, generator=torch.Generator().manual_seed(6))
    made = Explainer(load_model("scale_models:table", None), "tensor", max_rows=4096)
    ids = [f"item {position}" for position in range(number)]
    made.explain_dataset(data, out, ids=ids, unit_items=20_000)
    draw = np.random.default_rng(7)
    results = ResultSet.open(out)
    assert seconds(lambda: ResultSet.open(out), 5) < 1

    def one() -> None:
        position = int(draw.integers(number))
        found = results.loc[f"item {position}"].explanation()
        assert found.ids == [f"item {position}"] and math.isfinite(found.score)

    assert seconds(one) < 0.01


def test_a_slice_of_photos_is_read_at_once(tmp_path: Path) -> None:
    made = Explainer(
        load_model("scale_models:photos", None), "vision", output="class:1", max_rows=8
    )
    pixels = torch.randint(0, 256, (128, 224, 224, 3), generator=torch.Generator().manual_seed(8))
    results = made.explain_dataset(
        list(pixels.to(torch.uint8).numpy()), tmp_path / "run", unit_items=50
    )
    draw = np.random.default_rng(9)

    def some() -> None:
        start = int(draw.integers(128 - 32))
        assert results[start : start + 32].explanation().values.shape == (32, 224, 224)

    assert seconds(some, 9) < 0.05


def test_the_code_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs" / "datasets.md").read_text()
    program = page.split("```py\n")[1].split("```")[0]
    monkeypatch.chdir(tmp_path)
    exec(compile(program, "document", "exec"), {"__name__": "document"})
    assert Path("row.png").is_file()
    assert ResultSet.open("run").is_complete


def test_items_that_were_chosen_are_found_by_id_wherever_they_stand(tmp_path: Path) -> None:
    explainer = Explainer(scale_models.table(), "tensor", max_rows=64)
    ids = [f"row {n}" for n in range(100)]
    results = explainer.explain_dataset(scale_models.rows(100), tmp_path / "run", ids=ids)
    chosen = results[[70, 3, 70, 5]]
    assert chosen.loc["row 70"].ids == ["row 70", "row 70"]
    assert chosen.loc[["row 5", "row 3"]].positions == [5, 3]
    with pytest.raises(InputError, match="no item of these has the id 'row 4'"):
        chosen.loc["row 4"]
