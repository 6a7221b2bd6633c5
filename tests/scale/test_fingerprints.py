"""What tells models and data from others, beside their weights and values."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from rdkit import Chem
from sklearn.preprocessing import StandardScaler
from torch import nn

from salience.runs.fingerprints.models import of_model
from salience.runs.fingerprints.values import of_values


class Scaled(nn.Module):
    """Multiplies by a constant that is not saved with the weights."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.register_buffer("factor", torch.tensor(factor), persistent=False)


class Doubled(nn.Module):
    """Doubles by one way, or by another."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + x


def another_doubled() -> nn.Module:
    """A module of the same name, with other code."""

    def forward(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
        return 2 * x

    kind = type("Doubled", (nn.Module,), {"forward": forward, "__module__": __name__})
    forward.__qualname__ = "Doubled.forward"
    return kind()


class Tripled(nn.Module):
    """Triples; as a script it differs by its code alone."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + x + x


def shifted(value: Any) -> nn.Module:
    made = nn.Identity()
    made.shift = torch.tensor(value) if isinstance(value, list) else value
    return made


def of_class(number: float) -> nn.Module:
    return type("Own", (nn.Module,), {"factor": number, "__module__": __name__})()


def traced(function: Any) -> Any:
    return torch.jit.trace(lambda x: function(x), torch.ones(2))


def calling(lines: str) -> Any:
    """A function of a module of the user's with some other lines."""
    space = {"__name__": "models_of_a_user", "helper": len}
    exec(f"{lines}\ndef model(x): return helper(x) * FACTOR", space)
    return space["model"]


def times(number: float) -> Callable[[torch.Tensor], torch.Tensor]:
    factor = torch.tensor(number)
    return lambda x: factor * x


class Multiplying:
    """Multiplies by an attribute."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return self.factor * x

    def apply(self, x: torch.Tensor) -> torch.Tensor:
        return self.factor * x


def hooked(factor: int) -> nn.Module:
    made = nn.Identity()
    if factor == 2:
        made.register_forward_hook(lambda module, inputs, output: 2 * output)
    else:
        made.register_forward_hook(lambda module, inputs, output: 3 * output)
    return made


MODELS: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "activation": (lambda: nn.Sequential(nn.Tanh()), lambda: nn.Sequential(nn.ReLU())),
    "rate of dropout": (lambda: nn.Dropout(0.1), lambda: nn.Dropout(0.5)),
    "code": (Doubled, another_doubled),
    "array among the attributes": (lambda: shifted([1.0, 2.0]), lambda: shifted([1.0, 3.0])),
    "number in a mapping": (lambda: shifted({"by": 1}), lambda: shifted({"by": 2})),
    "data of a class": (lambda: of_class(2.0), lambda: of_class(3.0)),
    "script": (lambda: torch.jit.script(Doubled()), lambda: torch.jit.script(Tripled())),
    "trace": (lambda: traced(torch.tanh), lambda: traced(torch.relu)),
    "global name": (lambda: calling("FACTOR = 2.0"), lambda: calling("FACTOR = 3.0")),
    "function that is called": (
        lambda: calling("FACTOR = 1.0\ndef helper(x): return x + 1"),
        lambda: calling("FACTOR = 1.0\ndef helper(x): return x - 1"),
    ),
    "tensor that a function closes over": (lambda: times(2.0), lambda: times(3.0)),
    "default of a function": (lambda: lambda x, n=2: n * x, lambda: lambda x, n=3: n * x),
    "partial of a function": (lambda: partial(power, 2), lambda: partial(power, 3)),
    "object with a call": (lambda: Multiplying(2.0), lambda: Multiplying(3.0)),
    "method of an object": (lambda: Multiplying(2.0).apply, lambda: Multiplying(3.0).apply),
    "traced code": (
        lambda: torch.fx.symbolic_trace(Doubled()),
        lambda: torch.fx.symbolic_trace(another_doubled()),
    ),
    "hook": (lambda: hooked(2), lambda: hooked(3)),
    "buffer that is not saved": (lambda: Scaled(1.0), lambda: Scaled(2.0)),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", MODELS)
def test_models_differ_by_more_than_their_weights(kind: str) -> None:
    one, other = MODELS[kind]
    assert of_model(one()) == of_model(one())
    assert of_model(one()) != of_model(other())


class Holding:
    """An object that holds another."""

    def __init__(self, held: object) -> None:
        self.held = held


def around() -> Holding:
    made = Holding([1])
    made.held = [made, 2]
    return made


def molecule(name: str) -> Chem.Mol:
    made = Chem.MolFromSmiles("CCO")
    made.SetProp("_Name", name)
    return made


def power(number: int) -> Callable[[int], int]:
    return lambda x: x**number


OBJECTS: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
    "code of a lambda": (lambda: lambda x: x + 1, lambda: lambda x: x - 1),
    "constants of a lambda": (lambda: lambda x: x + 1, lambda: lambda x: x + 2),
    "closures": (lambda: power(2), lambda: power(3)),
    "arguments of a partial": (lambda: partial(power, 2), lambda: partial(power, 3)),
    "attributes": (lambda: Holding(1), lambda: Holding(2)),
    "attributes of attributes": (lambda: Holding(Holding([1])), lambda: Holding(Holding([2]))),
    "arrays": (lambda: Holding(np.arange(3)), lambda: Holding(np.arange(3.0))),
    "dates": (
        lambda: np.array(["2026-01-01"], "datetime64[s]"),
        lambda: np.array(["2026-01-02"], "datetime64[s]"),
    ),
    "masks": (
        lambda: np.ma.array([1.0, 2.0], mask=[False, True]),
        lambda: np.ma.array([1.0, 2.0], mask=[True, False]),
    ),
    "words in an array": (lambda: np.array(["CCO"]), lambda: np.array(["CCN"])),
    "names of molecules": (lambda: molecule("a"), lambda: molecule("b")),
    "sets": (lambda: Holding({"a", "b"}), lambda: Holding({"a", "c"})),
    "modules": (lambda: Holding(Scaled(1.0)), lambda: Holding(nn.Identity())),
    "what holds itself": (around, lambda: Holding([Holding(1), 2])),
    "patterns": (lambda: re.compile("a"), lambda: re.compile("b")),
    "scalers": (
        lambda: StandardScaler().fit([[1.0], [2.0]]),
        lambda: StandardScaler().fit([[1.0], [3.0]]),
    ),
}


@pytest.mark.parametrize("kind", OBJECTS)
def test_objects_differ_by_what_they_hold(kind: str) -> None:
    one, other = OBJECTS[kind]
    assert of_values(one()) == of_values(one())
    assert of_values(one()) != of_values(other())


def frame(index: list[str], categories: list[str]) -> pd.DataFrame:
    colours = pd.Categorical(["red", "blue"], categories=categories)
    return pd.DataFrame({"x": [1.0, 2.0], "colour": colours}, index=index)


def test_frames_differ_by_their_index() -> None:
    given = ["red", "blue"]
    assert of_values(frame(["a", "b"], given)) == of_values(frame(["a", "b"], given))
    assert of_values(frame(["a", "b"], given)) != of_values(frame(["a", "c"], given))


def test_frames_differ_by_the_codes_of_their_categories() -> None:
    names = ["a", "b"]
    assert of_values(frame(names, ["red", "blue"])) != of_values(frame(names, ["blue", "red"]))


_ELSEWHERE = """
import torch
from types import SimpleNamespace
from salience.runs.fingerprints.values import of_values
held = [torch.zeros(5) for _ in range({others})]
one = SimpleNamespace(x=torch.arange(3.0), names={{"a", "b", "carbon"}})
one.of = lambda x: x in {{1, "a"}}
print(of_values([one, {{"x", "yz"}}]))
"""


def test_objects_with_tensors_and_sets_have_the_same_one_in_other_processes() -> None:
    found = {
        subprocess.check_output(
            [sys.executable, "-c", _ELSEWHERE.format(others=number)],
            env={**os.environ, "PYTHONHASHSEED": str(number)},
        )
        for number in (1, 7)
    }
    assert len(found) == 1
