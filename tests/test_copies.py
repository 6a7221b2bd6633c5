"""Every public object is copied and goes through pickle, errors with their notes included."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

import salience
from salience.model.checks import NotFiniteError
from salience.plugins import KINDS, host

WAYS: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}
NAMES = sorted(n for n in dir(salience) if n[0] != "_")
PARTS = [(kind, name) for kind in KINDS for name in sorted(host().names(kind))]


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 2)).eval()


X = torch.linspace(-1, 1, 12).reshape(4, 3)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", NAMES)
def test_names_of_salience(name: str, way: str) -> None:
    value = getattr(salience, name)
    if not isinstance(value, ModuleType):
        made = WAYS[way](value)
        assert made is value or type(made) is type(value)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind, name", PARTS)
def test_parts(kind: str, name: str, way: str) -> None:
    made = host().get(kind, name)
    needed = [
        p
        for p in inspect.signature(made).parameters.values()
        if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD
    ]
    part = made if needed else made()
    assert WAYS[way](part) == part or type(WAYS[way](part)) is type(part)


@pytest.mark.parametrize("way", WAYS)
def test_results_and_explainers(way: str) -> None:
    explainer = salience.Explainer(net(), "tensor")
    options: dict[str, Any] = {"samplers": ["gaussian", "mc_dropout"], "n_samples": 3}
    found, samples = explainer.explain(X, **options), explainer.compute(X, **options)
    other = WAYS[way](explainer).explain(X, **options)
    for one, truth in ((WAYS[way](found), found), (other, found), (WAYS[way](samples), samples)):
        assert torch.equal(one.values, truth.values)
    assert WAYS[way](found).preflight == found.preflight
    assert torch.equal(WAYS[way](found.item(1)).values, found.item(1).values)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "error",
    [
        *(salience.InputError("a sentence"), NotFiniteError("the output", 3)),
        *(salience.NoMeanError("a sentence"), salience.Notice("a sentence")),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_keep_their_words_and_notes(error: Exception, way: str) -> None:
    noted = copy.copy(error)
    noted.__notes__ = ["where it was"]
    made = WAYS[way](noted)
    assert type(made) is type(error)
    assert str(made) == str(error)
    assert made.__notes__ == ["where it was"]
