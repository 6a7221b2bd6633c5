"""Settings of every part: truth values, whole numbers, real numbers, ids; or a sentence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

import salience
from salience import ClassScore, Explainer, InputError, Target, Tensors
from salience.plugins import host
from salience.plugins.parts import make

NET = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)).eval()
X = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
STATES = [NET.state_dict()] * 3


def explained(**settings: Any) -> salience.Explanation:
    return Explainer(NET, Tensors(), output=ClassScore(0)).explain(
        X, samplers=["gaussian"], **({"n_samples": 2} | settings)
    )


def refused(make_it: Callable[[], Any]) -> None:
    with pytest.raises(InputError) as caught:
        make_it()
    assert "\n" not in str(caught.value)


TRUTHS: dict[str, Callable[[Any], Any]] = {
    "partial": lambda word: explained(partial=word),
    "progress": lambda word: explained(progress=word),
    "bars": lambda word: make("visualizers", "bar", {"sort": word}),
    "heat map": lambda word: make("visualizers", "heatmap", {"colorbar": word}),
    "overlay": lambda word: make("visualizers", "overlay", {"certainty": word}),
    "molecule": lambda word: make("visualizers", "molecule", {"atom_indices": word}),
    "hydrogens": lambda word: make("domains", "molgraph", {"add_hs": word}),
}


@pytest.mark.parametrize("word", ["false", "no", "off", 0, 1, 2.0])
@pytest.mark.parametrize("setting", TRUTHS)
def test_a_truth_value_is_true_or_false(setting: str, word: Any) -> None:
    refused(lambda: TRUTHS[setting](word))


NUMBERS: dict[str, Callable[[Any], Any]] = {
    "seed": lambda n: explained(seed=n),
    "n_samples": lambda n: explained(n_samples=n),
    "pair": lambda n: explained(n_samples=(n, 2)),
    "max_rows": lambda n: Explainer(NET, Tensors(), max_rows=n),
    "min": lambda n: salience.Until(min=n),
    "max": lambda n: salience.Until(max=n),
    "class": ClassScore,
    "value": lambda n: salience.Value("none" if n is None else n),  # type: ignore[arg-type]
    "tap": lambda n: salience.Tap("0", call=n),
    "call": lambda n: Target("0", call=n),
    "index": lambda n: Target("0", index=[n] if isinstance(n, str) else n),  # type: ignore[arg-type]
    "window": lambda n: salience.Occlusion(window={"feature": n}),
    "item": lambda n: explained().item(n),
    "rank": lambda n: salience.SWAG(STATES, rank="none" if n is None else n),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("wrong", [True, 2.0, "2", None, 1j, np.array([2]), float("nan")], ids=repr)
@pytest.mark.parametrize("setting", NUMBERS)
def test_a_whole_number_is_whole(setting: str, wrong: Any) -> None:
    refused(lambda: NUMBERS[setting](wrong))


def test_whole_numbers_of_any_library_serve() -> None:
    for two in (np.int64(2), np.uint8(2), torch.tensor(2), np.array(2)):
        assert ClassScore(two).index == 2 and Target("0", call=two).call == 2  # type: ignore[arg-type]
        assert explained(n_samples=two, seed=two).n_samples == 2
        assert explained().item(two).ids == [2]  # type: ignore[arg-type]


REALS: dict[str, Callable[[Any], Any]] = {
    "level": lambda x: explained().significant(level=x),
    "interval": lambda x: explained().confidence_interval(x),
    "factor": salience.MeanPlusStd,
    "q": salience.Quantile,
    "rel_error": lambda x: salience.Until(rel_error=x),
    "weights": salience.WeightNoise,
    "scale": salience.GaussianNoise,
    "percentile": lambda x: make("visualizers", "overlay", {"percentile": x}),
    "ratio": lambda x: make("visualizers", "molecule", {"ratio": x}),
    "size": lambda x: make("visualizers", "molecule", {"size": (300, x)}),
    "mean": lambda x: make("domains", {"name": "vision", "transform": {"mean": [x, 0, 0]}}),
}


@pytest.mark.parametrize(
    "wrong", ["0.5", None, 1j, float("nan"), float("inf"), [0.5, "a"]], ids=repr
)
@pytest.mark.parametrize("setting", REALS)
def test_a_real_number_is_finite_and_no_word(setting: str, wrong: Any) -> None:
    refused(lambda: REALS[setting](wrong))


@dataclass(frozen=True)
class Foreign(salience.Aggregator):
    """A part of another author, which does not check its settings."""

    on: bool = False
    number: int = 1

    def __post_init__(self) -> None:
        """Check nothing."""

    def transform(self, draws: Tensor) -> Tensor:
        return -draws if self.on else draws


def test_parts_of_other_authors_made_by_name_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(host()._parts["aggregators"], "foreign", Foreign)
    assert make("aggregators", "foreign:on=true").on is True
    assert make("aggregators", "foreign:on=False").on is False
    for text in ("foreign:on=no", "foreign:on=1", "foreign:number=true", "foreign:number=1.0"):
        refused(lambda text=text: make("aggregators", text))  # type: ignore[misc]


def test_a_setting_is_set_once() -> None:
    with pytest.raises(InputError, match="sets 'scale' twice"):
        make("samplers", "gaussian:scale=1,scale=2")


IDS: dict[str, Callable[[], Any]] = {
    "a word": lambda: "vwxyz",
    "bytes": lambda: [b"a", b"b", b"c", b"d", b"e"],
    "a set": lambda: {1, 2, 3, 4, 5},
    "a mapping": lambda: dict.fromkeys(range(5)),
    "masked": lambda: np.ma.array(range(5), mask=[0, 1, 0, 0, 0]),
    "two axes": lambda: np.arange(5)[:, None],
    "a frame": lambda: pd.DataFrame({"id": range(5)}),
    "a number": lambda: 5,
    "missing": lambda: pd.Series([1, 2, 3, 4, None], dtype="Int64"),
    "half a character": lambda: ["\ud800", "b", "c", "d", "e"],
    "times": lambda: pd.date_range("2020", periods=5),
    "durations": lambda: np.arange(5).astype("m8[s]"),
    "too few": lambda: [1, 2],
}


@pytest.mark.parametrize("form", IDS)
def test_ids_without_order_or_of_other_kinds_are_refused(form: str) -> None:
    refused(lambda: explained(ids=IDS[form]()))


def test_ids_of_any_container_count_by_position() -> None:
    truth = explained(ids=[3, 1, 4, 5, 9]).values
    for ids in (
        np.array([3, 1, 4, 5, 9], dtype=np.uint8),
        pd.Series([3, 1, 4, 5, 9], index=[4, 3, 2, 1, 0]),
        torch.tensor([3, 1, 4, 5, 9]),
        (i for i in (3, 1, 4, 5, 9)),
    ):
        assert torch.equal(explained(ids=ids).values, truth)
    words = pd.Series(list("abcde"), dtype="category")
    assert torch.equal(explained(ids=words).values, explained(ids=list("abcde")).values)


def test_other_settings_of_the_wrong_kind_are_refused_in_a_sentence() -> None:
    refused(lambda: Explainer(NET, Tensors(), speedups="folding"))
    refused(lambda: Explainer(NET, Tensors(), speedups=None))  # type: ignore[arg-type]
    refused(lambda: Explainer(NET, Tensors(), device=3.5))  # type: ignore[arg-type]
    refused(lambda: make("visualizers", "heatmap", {"cmap": 3}))
    refused(lambda: make("visualizers", "molecule", {"size": 300}))
    refused(lambda: make("domains", {"name": "vision", "transform": {"std": ("1", "1", "1")}}))
    assert Target("0", axes="item").axes == ("item",)  # type: ignore[arg-type]


# Modules of plugins may do without `from __future__ import annotations`: types are then classes.
AS_CLASSES = """
from dataclasses import dataclass
import salience

@dataclass(frozen=True)
class Power(salience.Aggregator):
    power: float = 1.0
    rank: int | None = None
    word: str = "a"
    flag: bool = True
"""


@pytest.mark.parametrize(
    ("setting", "value"), [("power", "x"), ("rank", 0.5), ("word", 3), ("flag", 1)]
)
def test_settings_whose_types_are_classes_are_checked(setting: str, value: Any) -> None:
    namespace: dict[str, Any] = {"__name__": __name__}
    exec(compile(AS_CLASSES, "plugin.py", "exec", dont_inherit=True), namespace)
    cls = namespace["Power"]
    assert {type(f.type) for f in fields(cls)} - {str}
    refused(lambda: cls(**{setting: value}))
