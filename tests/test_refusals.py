"""What cannot be served is refused in one short line before any work, whatever its type.

The inputs are of the kinds at which the fuzzer found raw errors of Python; see ``tests/fuzz``.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor, nn

import salience
from salience import BrokenItems, Explainer, InputError, Occlusion, PerItem, Target, Tensors
from salience.cli import main
from salience.errors import LONGEST, brief, nearest, one_line

ROWS = torch.randn(3, 2, generator=torch.Generator().manual_seed(0))
MODEL = nn.Linear(2, 2).eval()


class Broken:
    """An object of which nothing can be asked."""

    def __repr__(self) -> str:
        raise RuntimeError


def explained(*parts: Any, **settings: Any) -> Any:
    own = {"domain": Tensors(), **{k: settings.pop(k) for k in _OF_EXPLAINER & set(settings)}}
    return Explainer(MODEL, **own).explain(ROWS, *parts, **settings)


_OF_EXPLAINER = {"domain", "executor", "max_rows", "device", "target", "output"}
LOOP: list[Any] = []
LOOP.append(LOOP)

REFUSED: dict[str, Callable[[], Any]] = {
    "a part without repr": lambda: explained(samplers=[Broken()]),
    "a part by a generator": lambda: explained(aggregator=(i for i in "raw")),
    "a name of 5000 characters": lambda: explained("x" * 5000),
    "a name of several lines": lambda: explained("gradient\nand more"),
    "a name that is no string": lambda: explained({"name": Broken()}),
    "half a character in a spec": lambda: explained("gradient:multiply_by_target=\ud800"),
    "a zero byte in a spec": lambda: explained("gradient:multiply_by_target='\0'"),
    "a spec nested too deep": lambda: explained("gradient:multiply_by_target=" + "(" * 5000),
    "a spec with an unhashable key": lambda: explained("gradient:multiply_by_target={[]: 1}"),
    "a number of 5000 digits": lambda: explained(aggregator={"name": "quantile", "q": 10**5000}),
    "no aggregator": lambda: explained(aggregator=None),
    "an unknown executor": lambda: explained(executor="dask"),
    "a class of executors": lambda: explained(executor=salience.Serial),
    "a series as max_rows": lambda: explained(max_rows=pd.Series(["auto", "auto"])),
    "a duration as max_rows": lambda: explained(seed=np.timedelta64(3, "s")),
    "the meta device": lambda: explained(device="meta"),
    "labels that hold themselves": lambda: explained(output=salience.CrossEntropy(LOOP)),
    "a number beyond floats": lambda: explained(Occlusion(value=[10**400, 1])),
    "one baseline for all items": lambda: explained(Occlusion(value=PerItem(torch.tensor(1.0)))),
    "groups that are none": lambda: explained(Occlusion(groups=True)),
    "axes by a number": lambda: Tensors(axes=3),
    "reduced axes by a number": lambda: Tensors(reduce=1.5),
    "axes of a target by a time": lambda: Target("0", axes=pd.Timestamp("2020-01-01")),
    "a target at an array": lambda: Target("0", at=np.arange(3)),
    "an unhashable variable": lambda: explained()[[]],
    "draws that are none": lambda: Explainer(MODEL, Tensors()).aggregate([1, 2]),
    "a file by nothing": lambda: salience.Explanation.load(None),
    "a file of a name too long": lambda: salience.Explanation.load("x" * 5000),
    "items of a grid by a mapping": lambda: salience.grid({"a": explained()}, {"x": 1}),
    "a record that lacks entries": lambda: salience.rerun(MODEL, ROWS, {"domain": "tabular"}),
    "a record that is none": lambda: salience.rerun(MODEL, ROWS, [1]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_meaning_is_refused_in_a_line(name: str) -> None:
    with pytest.raises(InputError) as caught:
        REFUSED[name]()
    said = str(caught.value)
    assert len(said.splitlines()) == 1
    assert len(said) <= LONGEST
    assert " at 0x" not in said


def test_windows_and_strides_may_be_numbers_of_any_library() -> None:
    part = Occlusion(window=np.array(2), stride=torch.tensor(1))
    assert (part.window, part.stride) == (2, 1)
    assert Occlusion(window={"feature": np.int8(2)}).window == {"feature": 2}


def test_names_that_are_numbers_are_written_where_the_setting_says_so() -> None:
    assert salience.names_of([1, "b"], "class_names", as_text=True) == ("1", "b")
    with pytest.raises(InputError, match="reduce holds 1; pass names as strings"):
        salience.names_of([1, "b"], "reduce")


# --- Sentences -----------------------------------------------------------------------------------


def test_a_long_refusal_keeps_its_beginning_and_its_mend() -> None:
    said = str(InputError("the table " + "x" * 900 + " is wide; cut it into several tables"))
    assert said.startswith("the table xxx")
    assert said.endswith("x is wide; cut it into several tables") and len(said) == LONGEST
    assert str(pickle.loads(pickle.dumps(InputError(said)))) == said


def test_addresses_and_line_breaks_are_taken_out() -> None:
    assert str(InputError(f"got {object()}\n  here; pass a number")) == (
        "got <object object> here; pass a number"
    )
    assert brief(Broken()) == "<Broken object>"
    assert one_line("a\ud800b") == "a\\ud800b"
    assert "gaussian" in nearest(Broken(), ["gaussian"])


def test_many_broken_items_are_named_shortly_and_told_at_length_in_notes() -> None:
    broken = BrokenItems()
    for at in range(0, 900, 2):
        broken.add(at, f"item {at} is of a kind that nobody reads " + "y" * 200 + "; leave it out")
    with pytest.raises(InputError, match="450 of 1000 items cannot be read, items 0, ") as caught:
        broken.settle(1000)
    said = str(caught.value)
    assert len(said) <= LONGEST
    assert "item 8 is" in said and said.endswith("as on_error='skip' does")
    assert len(caught.value.__notes__) == 450


# --- Pictures and the command line ---------------------------------------------------------------


class Drawn(salience.Visualizer):
    formats = ("png",)

    def item(self, explanation: Any, item: int) -> Tensor:
        raise AssertionError("nothing is drawn")


def test_a_format_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'xyz'; known are: png"):
        Drawn().check_format("xyz")
    Drawn().check_format("PNG")
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    line = ["explain", "--domain", "tabular", "--model", "torch.nn:Identity", "--format", "xyz"]
    paths = [str(tmp_path / "out"), str(tmp_path / "a.csv")]
    result = CliRunner().invoke(main, [*line, "--out", *paths])
    assert result.exit_code == 1
    assert "cannot write a picture as 'xyz'" in result.output


@pytest.mark.parametrize("option", ["--n-samples", "--max-rows", "--seed"])
@pytest.mark.parametrize("value", ["9" * 5000, "²"])
def test_numbers_that_are_none_are_refused_on_the_command_line(option: str, value: str) -> None:
    line = ["explain", "--domain", "tabular", "--model", "torch.nn:Identity", "--out", "nowhere"]
    result = CliRunner().invoke(main, [*line, option, value, "nowhere.csv"])
    assert result.exit_code in (1, 2)
    assert len(result.output.splitlines()[-1]) <= LONGEST + len("Error: ")
