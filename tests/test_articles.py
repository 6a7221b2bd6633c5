"""Messages that are composed of words put the right article in front of them."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import salience
from salience.cli import main
from salience.errors import an
from salience_tabular import Tabular

ROOT = Path(__file__).parents[1]
SOURCES = sorted([*ROOT.glob("core/src/**/*.py"), *ROOT.glob("plugins/*/src/**/*.py")])


@pytest.mark.parametrize(
    "noun", ["aggregator", "executor", "int", "OrderedDict", "InputError", "uncle", "ndarray"]
)
def test_an_stands_before_the_sound_of_a_vowel(noun: str) -> None:
    assert an(noun) == f"an {noun}"


@pytest.mark.parametrize(
    "noun", ["domain", "dict", "uint8 tensor", "UnitResult", "user", "OneHot", "European"]
)
def test_a_stands_before_other_sounds(noun: str) -> None:
    assert an(noun) == f"a {noun}"


def written_before_what_differs(path: Path) -> list[int]:
    """Lines with an f-string that has a fixed article in front of a word that it does not know."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.JoinedStr)
        for text, after in zip(node.values, node.values[1:], strict=False)
        if isinstance(text, ast.Constant) and isinstance(after, ast.FormattedValue)
        if f" {text.value}".lower().endswith((" a ", " an ", "(a ", "(an "))
    ]


def test_no_message_has_a_fixed_article_before_a_word_that_differs() -> None:
    assert len(SOURCES) > 100
    found = {str(path): written_before_what_differs(path) for path in SOURCES}
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_what_finds_a_fixed_article_finds_one(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text('x = 1\ny = f"it has a {x}"\nz = f"{x} is no banana {x}"\n')
    assert written_before_what_differs(path) == [2]


def test_a_taken_name_of_an_aggregator_is_told_in_words() -> None:
    done = CliRunner().invoke(main, ["new", "raw"], prog_name="salience")
    assert "salience has an aggregator 'raw'; pick another name" in done.output


@pytest.mark.parametrize(("data", "words"), [(3, "from an int;"), (b"", "from a bytes;")])
def test_data_of_another_type_is_told_in_words(data: object, words: str) -> None:
    with pytest.raises(salience.InputError, match=words):
        Tabular().read(data)


def test_a_target_that_is_an_array_is_told_in_words() -> None:
    with pytest.raises(salience.InputError, match="target is an ndarray;"):
        salience.explain(
            torch.nn.Linear(2, 2), torch.randn(2, 2), salience.Tensors(), target=np.zeros(2)
        )
