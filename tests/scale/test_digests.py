"""The numbers of a run depend neither on the executor nor on what happened meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import salience
from salience import Explainer, ResultSet, load_model

SMILES = ["CCO", "c1ccccc1O", "CC(=O)O", "CN", "CCCCCl", "C#N", "OCC", "CC(C)C", "O", "CCN"] * 4


def table() -> tuple[Explainer, Any, int]:
    made = Explainer(load_model("scale_models:table", None), "tensor", max_rows=32)
    return made, torch.randn(300, 6, generator=torch.Generator().manual_seed(4)), 64


def photos() -> tuple[Explainer, Any, int]:
    made = Explainer(
        load_model("scale_models:photos", None), "vision", output="class:1", max_rows=4
    )
    pixels = torch.randint(0, 256, (12, 20, 24, 3), generator=torch.Generator().manual_seed(5))
    return made, list(pixels.to(torch.uint8).numpy()), 5


def molecules() -> tuple[Explainer, Any, int]:
    model = load_model("scale_models:molecules", None)
    made = Explainer(model, "molgraph", target="embed", output="value", max_rows=60)
    return made, SMILES, 7


KINDS: dict[str, Callable[[], tuple[Explainer, Any, int]]] = {
    "table": table,
    "photos": photos,
    "molecules": molecules,
}
METHODS: dict[str, tuple[Any, ...]] = {
    "integrated gradients": ("integrated_gradients:steps=4", [], 1),
    "smoothgrad": ("gradient", ["gaussian"], 3),
    "bayesgrad": ("gradient", ["mc_dropout"], 3),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", KINDS)
def test_executors_give_the_same_digest(kind: str, method: str, tmp_path: Path) -> None:
    explainer, data, unit_items = KINDS[kind]()
    digests = {}
    for executor in ("serial", "threads:devices=[cpu,cpu]", "pool:processes=2"):
        out = tmp_path / executor
        settings: Any = {"unit_items": unit_items, "executor": executor}
        results = explainer.explain_dataset(data, out, *METHODS[method], **settings)
        assert results.is_complete
        assert len(results) == len(data)
        digests[executor] = results.digest()
    assert len(set(digests.values())) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_has_the_numbers_of_explain(kind: str, tmp_path: Path) -> None:
    explainer, data, unit_items = KINDS[kind]()
    results = explainer.explain_dataset(
        data, tmp_path / "run", *METHODS["smoothgrad"], unit_items=unit_items
    )
    found, expected = results.explanation(), explainer.explain(data, *METHODS["smoothgrad"])
    assert list(found.ids) == list(expected.ids)
    for name, saliency in expected.saliency.items():
        torch.testing.assert_close(found.saliency[name].flat, saliency.flat, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(
            found.saliency[name].flat_error, saliency.flat_error, rtol=1e-4, atol=1e-6
        )
    torch.testing.assert_close(found.score, expected.score, rtol=1e-5, atol=1e-6)
    assert found.design == expected.design


def test_ids_key_the_draws(tmp_path: Path) -> None:
    explainer, data, _ = table()
    ids = [f"row {number}" for number in range(len(data))]
    results = explainer.explain_dataset(
        data, tmp_path / "run", "gradient", ["gaussian"], 3, ids=ids, unit_items=50
    )
    chosen = results.loc[["row 170", "row 3"]].explanation()
    assert chosen.ids == ["row 170", "row 3"]
    again = salience.rerun(explainer.model, data[[170, 3]], chosen.provenance, max_rows=1)
    torch.testing.assert_close(chosen.values, again.values, rtol=1e-5, atol=1e-6)


def test_stripes_make_one_run(tmp_path: Path) -> None:
    explainer, data, _ = table()
    method: Any = METHODS["smoothgrad"]
    alone = explainer.explain_dataset(data, tmp_path / "one", *method, unit_items=40)
    for rank in (1, 2, 0):
        settings: Any = {"unit_items": 40, "stripe": (np.int64(rank), 3)}
        striped = explainer.explain_dataset(data, tmp_path / "three", *method, **settings)
        assert striped.is_complete == (rank == 0)
    assert striped.digest() == alone.digest()
    assert ResultSet.open(tmp_path / "three").loc[123].explanation().ids == [123]


def test_an_explainer_has_a_pool_as_well() -> None:
    model = load_model("scale_models:table", None)
    data = torch.randn(40, 6)
    settings: Any = {"samplers": ["gaussian"], "n_samples": 2}
    one = Explainer(model, "tensor", max_rows=8).explain(data, **settings)
    pool = Explainer(model, "tensor", max_rows=8, executor="pool:processes=2")
    torch.testing.assert_close(pool.explain(data, **settings).values, one.values, rtol=0, atol=0)


class InThisModule(salience.Raw):
    """An aggregator that another process cannot import."""

    __module__ = "__main__"


def test_parts_of_a_script_are_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import __main__

    monkeypatch.setattr(__main__, "InThisModule", InThisModule, raising=False)
    explainer, data, _ = table()
    settings: Any = {"executor": "pool:processes=1", "aggregator": InThisModule()}
    with pytest.raises(salience.InputError, match="define classes and functions in a module"):
        explainer.explain_dataset(data, tmp_path / "run", **settings)


def test_a_digest_does_not_depend_on_the_cut(tmp_path: Path) -> None:
    explainer, data, _ = table()  # rows of a pass are 32
    one, two = (explainer.explain_dataset(data, tmp_path / str(n), unit_items=n) for n in (64, 96))
    assert one.digest() == two.digest()
    assert one[:200].digest() == two[:200].digest() != one[1:201].digest()
