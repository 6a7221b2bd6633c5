"""A run that differs is refused before it computes or touches anything."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scale_models
import torch

import salience
from salience import Ensemble, Explainer, InputError, ResultSet, load_model
from salience.plugins import host
from salience_tabular import Tabular

METHOD: dict[str, Any] = {"calculator": "gradient", "samplers": ["gaussian"], "n_samples": 2}


def explainer(**settings: Any) -> Explainer:
    return Explainer(
        load_model("scale_models:table", None), **{"domain": "tensor", "max_rows": 64} | settings
    )


@pytest.fixture
def out(tmp_path: Path) -> Path:
    explainer().explain_dataset(scale_models.rows(), tmp_path / "run", **METHOD, unit_items=100)
    return tmp_path / "run"


def state(out: Path) -> dict[Path, tuple[int, int]]:
    paths = [out, *out.rglob("*")]
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in paths}


def another_model() -> Explainer:
    made = explainer()
    with torch.no_grad():
        made.model[0].weight[0, 0] += 1e-3
    return made


def another_rate() -> Explainer:
    made = explainer()
    made.model[2].p = 0.5  # of dropout
    return made


def another_data() -> torch.Tensor:
    data = scale_models.rows()
    data[499, 5] += 1e-3
    return data


def ensemble(out: Path, folder: Path) -> ResultSet:
    members = [str(folder / f"{number}.pt") for number in range(2)]
    settings: Any = {"samplers": [Ensemble(members)], "n_samples": 2, "unit_items": 250}
    return explainer().explain_dataset(scale_models.rows(), out, **settings)


def test_files_of_weights_count_by_name_and_contents(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    for number in range(2):
        torch.save(scale_models.table().state_dict(), tmp_path / "here" / f"{number}.pt")
    done = ensemble(tmp_path / "run", tmp_path / "here").digest()
    (tmp_path / "here").rename(tmp_path / "there")
    assert ensemble(tmp_path / "run", tmp_path / "there").digest() == done
    (tmp_path / "there" / "1.pt").rename(tmp_path / "there" / "2.pt")
    with pytest.raises(InputError, match=r"cannot read '.* \(No such file"):
        ensemble(tmp_path / "run", tmp_path / "there")


def test_a_manifest_is_read_whatever_the_encoding_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Explainer(scale_models.table().double(), Tabular(class_names=["é", "b", "c"]))
    done = made.explain_dataset(scale_models.rows().double(), tmp_path / "run").digest()
    monkeypatch.setattr(io, "text_encoding", lambda encoding, *_: encoding or "ascii")
    assert ResultSet.open(tmp_path / "run").digest() == done


def test_plugins_that_were_loaded_besides_are_no_difference(tmp_path: Path) -> None:
    frame, out = pd.DataFrame(scale_models.rows().numpy()), tmp_path / "run"
    host.cache_clear()  # as in a new process
    one = explainer(domain=Tabular()).explain_dataset(frame, out, **METHOD, unit_items=100)
    assert json.loads((out / "manifest.json").read_text())["versions"].keys() == {
        *("salience", "salience-tabular", "torch"),
    }
    host().names("domains")  # loads all of them
    again = explainer(domain=Tabular()).explain_dataset(frame, out, **METHOD, unit_items=100)
    assert again.digest() == one.digest()


CHANGES: dict[str, tuple[Any, dict[str, Any]]] = {
    "model.sha256": (another_model, {}),
    "model.settings_sha256": (another_rate, {}),
    "data.sha256": (explainer, {"data": another_data()}),
    "data.n_items": (explainer, {"data": scale_models.rows(499)}),
    "data.kind": (explainer, {"data": scale_models.rows().numpy()}),
    "parts.seed": (explainer, {"seed": 1}),
    "parts.n_samples": (explainer, {"n_samples": 3}),
    "parts.calculator.name": (explainer, {"calculator": "occlusion"}),
    "parts.samplers": (explainer, {"samplers": ["gaussian:scale=0.1"]}),
    "parts.aggregator.name": (explainer, {"aggregator": "abs"}),
    "parts.output": (lambda: explainer(output="class:1"), {}),
    "speedups": (lambda: explainer(speedups=()), {}),
    "ids": (explainer, {"ids": [f"row {n}" for n in range(500)]}),
    "labels": (explainer, {"labels": [0] * 500}),
    "unit_items": (explainer, {"unit_items": 50}),
    "max_rows": (lambda: explainer(max_rows=32), {}),
}


@pytest.mark.parametrize("field", CHANGES)
def test_what_differs_is_named_and_nothing_is_touched(
    field: str, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, changes = CHANGES[field]
    before = state(out)
    settings = {"data": scale_models.rows(), "out": out} | METHOD | changes
    made = make()
    monkeypatch.setattr(salience.Worker, "of", None)  # nothing is computed
    with pytest.raises(InputError, match=rf"the run in this folder has {field}"):
        made.explain_dataset(**settings)
    assert state(out) == before


class Scaled(torch.nn.Module):
    """A model with a number that is not among its weights."""

    def __init__(self, number: float) -> None:
        super().__init__()
        self.net = scale_models.table()
        self.register_buffer("number", torch.tensor(number), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.number * self.net(x)


def reaching(model: torch.nn.Module) -> Any:
    """A function that calls a model."""
    return lambda x: model(x)


class Scaling:
    """A scaler that is no part of a record."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def inverse_transform(self, x: Any) -> Any:
        return self.factor * x


def test_objects_and_functions_among_the_settings_count(tmp_path: Path) -> None:
    for number, refused in ((2.0, False), (2.0, False), (3.0, True)):
        given: dict[str, dict[str, Any]] = {
            "parts.domain.scaler = '⟨Scaling": {"domain": Tabular(scaler=Scaling(number))},
            "parts.output.function = '⟨": {"output": lambda out, n=number: n * out[:, 0]},
        }
        for place, (said, settings) in enumerate(given.items()):
            out, data = tmp_path / str(place), scale_models.rows()
            if refused:
                with pytest.raises(InputError, match=re.escape(said)):
                    explainer(**settings).explain_dataset(data, out, unit_items=500)
            else:
                explainer(**settings).explain_dataset(data, out, unit_items=500)


def test_all_that_a_function_reaches_counts(tmp_path: Path) -> None:
    for number, refused in ((1.0, False), (1.0, False), (2.0, True)):
        for name, model in (("module", Scaled(number)), ("function", reaching(Scaled(number)))):
            made = Explainer(model, "tensor", max_rows=64)
            out, settings = tmp_path / name, {"unit_items": 500}
            if refused:
                with pytest.raises(InputError, match=r"has model\.sha256"):
                    made.explain_dataset(scale_models.rows(), out, **settings)
            else:
                made.explain_dataset(scale_models.rows(), out, **settings)


def test_weights_of_an_ensemble_count(tmp_path: Path) -> None:
    members = [scale_models.table() for _ in range(2)]
    settings: Any = {"samplers": [salience.Ensemble(members)], "n_samples": 2, "unit_items": 100}
    explainer().explain_dataset(scale_models.rows(), tmp_path / "run", **settings)
    with torch.no_grad():
        members[1][0].weight[0, 0] += 1e-3
    with pytest.raises(InputError, match="parts_sha256"):
        explainer().explain_dataset(scale_models.rows(), tmp_path / "run", **settings)


def test_the_same_again_computes_nothing(out: Path) -> None:
    before = state(out)
    again = explainer(max_rows="auto").explain_dataset(scale_models.rows(), out, **METHOD)
    assert len(again) == 500
    assert state(out) == before


def test_what_is_auto_is_settled_once(tmp_path: Path) -> None:
    made = explainer(max_rows="auto")
    one = made.explain_dataset(scale_models.rows(), tmp_path / "run", **METHOD)
    (tmp_path / "run" / "units" / "000000000.parquet").unlink()
    two = made.explain_dataset(scale_models.rows(), tmp_path / "run", **METHOD)
    assert one.digest() == two.digest()


def test_a_run_is_not_written_among_other_files(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="holds no run; pass a new folder"):
        explainer().explain_dataset(scale_models.rows(), tmp_path, **METHOD)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_run_that_may_not_go_on_is_refused(out: Path) -> None:
    with pytest.raises(InputError, match="holds a run already"):
        explainer().explain_dataset(scale_models.rows(), out, **METHOD, resume=False)


@pytest.mark.parametrize("text", ["", "[]", '{"format": 99}', '{"format": 1'])
def test_a_manifest_that_is_none_is_refused(text: str, out: Path) -> None:
    (out / "manifest.json").write_text(text)
    with pytest.raises(InputError, match="manifest"):
        ResultSet.open(out)


def test_a_model_made_otherwise_needs_the_driver(tmp_path: Path) -> None:
    made = Explainer(scale_models.table(), "tensor")
    with pytest.raises(InputError, match="load_model"):
        made.explain_dataset(scale_models.rows(), tmp_path / "run", executor="pool")
    assert not (tmp_path / "run").exists()


def test_a_factory_that_makes_something_else_is_found_out(tmp_path: Path) -> None:
    model = load_model("scale_models:altered", None)
    model.factor = 2.0
    settings: Any = {"executor": "pool:processes=1", "unit_items": 100}
    with pytest.raises(InputError, match="let the factory set all"):
        Explainer(model, "tensor", max_rows=8).explain_dataset(
            scale_models.rows(), tmp_path / "run", **settings
        )


def test_changed_weights_of_a_loaded_model_are_those_of_the_pool(tmp_path: Path) -> None:
    made = another_model()
    digests = [
        made.explain_dataset(
            scale_models.rows(), tmp_path / executor, unit_items=250, executor=executor
        ).digest()
        for executor in ("serial", "pool:processes=1")
    ]
    assert digests[0] == digests[1]


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "ids": ({"ids": [1, 2]}, "got 2 ids for 500 items"),
    "labels": ({"labels": [1, 2]}, "got 2 labels for 500 items"),
    "a label": ({"labels": [[]] * 500}, "is neither a number nor a string"),
    "unit_items": ({"unit_items": 0}, "unit_items"),
    "executor": ({"executor": "dask"}, "unknown executor 'dask'"),
    "executor object": ({"executor": 3}, "executor is 3"),
    "stripe": ({"stripe": (2, 2)}, "stripe is"),
    "on_error": ({"on_error": "skip"}, "on_error"),
    "data": ({"data": iter([1])}, "it has no length"),
    "file": ({"data": "no such file"}, "there is no file or folder"),
    "nothing": ({"data": np.zeros((0, 6))}, "the data is empty"),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_arguments_are_refused_before_anything_is_written(what: str, tmp_path: Path) -> None:
    changes, sentence = WRONG[what]
    settings = {"data": scale_models.rows(), "out": tmp_path / "run"} | changes
    with pytest.raises(InputError, match=sentence) as told:
        explainer().explain_dataset(**settings)
    assert len(str(told.value)) <= 400
    assert not (tmp_path / "run").exists()
