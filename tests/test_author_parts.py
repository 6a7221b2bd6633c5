"""The parts that the author's pages write down pass the conformance kit."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from salience.testing.checks import KINDS, checks_of
from salience.testing.comparing import NotTestedError
from salience.testing.parametrize import subject_of
from salience_template.padded import Signals

AUTHORS = Path(__file__).parents[1] / "docs" / "authors"
#: Page → class that it defines, for each part.
PARTS = [
    ("README", "Trimmed"),
    ("aggregator", "Positive"),
    ("calculator", "MeanGradient"),
    ("calculator", "Windows"),
    ("executor", "TwoThreads"),
    ("inner_target", "Texts"),
    ("sampler", "Masking"),
    ("weights", "HiddenNoise"),
]


def blocks(page: str) -> str:
    """All the Python of a page."""
    text = (AUTHORS / f"{page}.md").read_text()
    return "\n".join(re.findall(r"^```python\n(.*?)^```", text, re.M | re.S))


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str) -> ModuleType:
    """A page as a module, whose classes can be pickled."""
    name = f"page_of_{page}"
    (tmp_path / f"{name}.py").write_text(blocks(page))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(sys.modules, name, ModuleType(name))  # so that it is removed afterwards
    del sys.modules[name]
    return importlib.import_module(name)


def sum_of_squares(signal: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return (signal.square() * mask[:, None]).sum((1, 2))


def given(module: ModuleType, name: str) -> dict[str, Any]:
    """What a part is tried on, where that is not the examples of the kit."""
    if name == "Texts":
        return {"data": ["saliency", "of", "letters"], "model": module.Net()}
    if name == "Windows":
        data = [np.random.default_rng(n).normal(size=(3, n)) for n in (12, 7, 3)]
        return {"data": data, "model": sum_of_squares, "domain": Signals(), "output": "value"}
    if name == "HiddenNoise":
        return {"data": torch.randn(5, 4), "model": module.model}
    return {}


@pytest.mark.parametrize(("page", "name"), PARTS)
def test_a_part_of_the_pages_conforms(written: ModuleType, name: str) -> None:
    part = getattr(written, name)()
    tested, failed = 0, []
    for check in checks_of(subject_of(part, **given(written, name))):
        try:
            check.run()
        except NotTestedError:
            continue
        except AssertionError as error:
            failed.append(str(error))
        tested += 1
    assert failed == []
    assert tested > 5


@pytest.mark.parametrize("page", sorted({page for page, _ in PARTS}))
def test_every_part_of_a_page_is_on_the_list(written: ModuleType, page: str) -> None:
    kinds = tuple(KINDS)
    own = {
        name
        for name, thing in vars(written).items()
        if isinstance(thing, type) and issubclass(thing, kinds)
        if thing.__module__ == written.__name__
    }
    assert own == {name for on, name in PARTS if on == page}


def test_pages_without_a_part_of_their_own_define_none() -> None:
    others = {path.stem for path in AUTHORS.glob("*.md")} - {page for page, _ in PARTS}
    assert [page for page in sorted(others) if re.search(r"^class \w+\(", blocks(page), re.M)] == []
