"""What tells models and data from others, beside their weights and values."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pandas as pd
import pytest
import torch
from torch import nn

from salience.runs.fingerprint import of_model, of_values


class Scaled(nn.Module):
    """Multiplies by a constant that is not saved with the weights."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.register_buffer("factor", torch.tensor(factor), persistent=False)


MODELS: dict[str, tuple[Callable[[], nn.Module], Callable[[], nn.Module]]] = {
    "activation": (lambda: nn.Sequential(nn.Tanh()), lambda: nn.Sequential(nn.ReLU())),
    "rate of dropout": (lambda: nn.Dropout(0.1), lambda: nn.Dropout(0.5)),
    "buffer that is not saved": (lambda: Scaled(1.0), lambda: Scaled(2.0)),
}


@pytest.mark.parametrize("kind", MODELS)
def test_models_differ_by_more_than_their_weights(kind: str) -> None:
    one, other = MODELS[kind]
    assert of_model(one()) == of_model(one())
    assert of_model(one()) != of_model(other())


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
from salience.runs.fingerprint import of_values
held = [torch.zeros(5) for _ in range({others})]
one = SimpleNamespace(x=torch.arange(3.0), names={{"a", "b", "carbon"}})
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
