"""Every example on the pages of help runs as it is written."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
import torch

from salience import Explanation
from tests.commands import Result, run

PACKAGES = ("salience_tabular", "salience_vision", "salience_molgraph", "salience_report")
pytestmark = pytest.mark.skipif(
    not all(map(find_spec, (*PACKAGES, "pyarrow"))), reason="needs all the plugins"
)

MODELS = """
    import torch
    from torch import nn
    from torch.utils.data import TensorDataset

    def net():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 3, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2)
        )

    def mlp():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Dropout(0.5), nn.Linear(4, 2))

    def dataset():
        return TensorDataset(torch.linspace(-1, 1, 12).reshape(4, 3))

    class rows(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.embed = nn.Embedding(3, 2)
            self.last = nn.Linear(4, 2)

        def forward(self, numeric, categorical):
            inner = self.embed(categorical).flatten(1)
            return self.last(torch.cat([numeric, inner.to(numeric.dtype)], 1).tanh())

    class atoms(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.embed = nn.Embedding(100, 4)
            self.last = nn.Linear(4, 1)

        def forward(self, atoms, edge_index, owner):
            hidden = self.embed(atoms).tanh()
            pooled = hidden.new_zeros(int(owner.max()) + 1, 4).index_add(0, owner, hidden)
            return self.last(pooled)
"""


def photo(path: Path, seed: int) -> None:
    from PIL import Image

    pixels = np.random.default_rng(seed).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working folder of the examples, with a model, its weights and data of each kind."""
    made = tmp_path
    (made / "mymodels.py").write_text(dedent(MODELS))
    (made / "photos").mkdir()
    for number, name in enumerate(("cat.jpg", "dog.jpg", "hen.png")):
        photo(made / "photos" / name, number)
    (made / "photos" / "broken.jpg").write_bytes(b"no photo")
    (made / "mols.csv").write_text("name,smiles\nethanol,CCO\nphenol,c1ccccc1O\n")
    (made / "rows.csv").write_text("plant,colour,width,height\np,0,1,2\nq,2,0.5,-1\nr,1,-2,0\n")
    monkeypatch.chdir(made)
    monkeypatch.syspath_prepend(made)
    import mymodels  # type: ignore[import-not-found]

    torch.save(mymodels.net().state_dict(), made / "net.pt")
    yield made
    sys.modules.pop("mymodels", None)


def examples(*command: str) -> list[str]:
    """The examples on a page of help, each as one line."""
    page = run(*command, "--help").output
    lines = page[page.index("Examples:\n") :].replace("\\\n", "").splitlines()[1:]
    return [" ".join(line.split("  ")).strip() for line in lines]


def shell(document: Path) -> list[str]:
    """The commands in a document, each as one line."""
    blocks = re.findall(r"^```sh\n(.*?)^```", document.read_text(), re.M | re.S)
    return "".join(blocks).replace("\\\n", "").splitlines()


def call(line: str) -> Result:
    name, *words = shlex.split(line)
    assert name == "salience"
    return run(*words)


def test_every_example_runs(place: Path) -> None:
    (place / "photos" / "broken.jpg").unlink()
    pages = [
        examples(),
        *(examples(name) for name in ("plugins", "new", "show", "rerun", "report")),
    ]
    assert all(pages)
    for line in [line for page in pages for line in page]:
        result = call(line)
        assert result.exit_code == 0, (line, result.output)
    assert sorted(p.name for p in (place / "out").iterdir()) == [
        *("cat.png", "dog.png", "hen.png", "mean.png", "run.salience", "run_pictures")
    ]
    assert sorted(p.name for p in (place / "cat").iterdir()) == ["cat.svg", "pictures.csv"]
    two = sorted(p.name for p in (place / "two").iterdir())
    assert two == ["cat.svg", "dog.svg", "pictures.csv"]
    once, again = (Explanation.load(place / n / "run.salience") for n in ("out", "again"))
    assert torch.equal(once.values, again.values) and once.ids == again.ids
    assert "<title>Photos, twice" in (place / "both.html").read_text()


def test_every_example_of_explain_and_check_runs(place: Path) -> None:
    photos, molecules, table, dataset = examples("explain")
    result = call(photos)
    assert result.exit_code == 0, result.output
    assert "broken.jpg" in result.stderr and "1 of 4 inputs were left out" in result.stdout
    maps = Explanation.load(place / "maps" / "run.salience")
    assert list(maps.ids) == ["cat.jpg", "dog.jpg", "hen.png"]
    assert (place / "maps.html").stat().st_size > 10_000
    assert call(molecules).exit_code == 0
    assert sorted(p.name for p in (place / "mols").iterdir()) == [
        *("ethanol.png", "phenol.png", "run.salience")
    ]
    assert call(table).exit_code == 0
    import pandas as pd

    frame = pd.read_parquet(place / "rows.parquet")
    assert sorted(set(frame["position"])) == ["colour", "height", "width"]
    assert call(dataset).exit_code == 0
    assert len(Explanation.load(place / "rows2" / "run.salience")) == 4
    (place / "photos" / "broken.jpg").unlink()
    for line in examples("check"):
        assert call(line).exit_code == 0, line


def test_every_command_in_the_document_runs(place: Path) -> None:
    lines = shell(Path(__file__).parents[1] / "docs" / "command_line.md")
    assert len(lines) == 6
    for line in lines:
        result = call(line)
        assert result.exit_code == 0, (line, result.output)


def test_help_imports_neither_torch_nor_plotting(tmp_path: Path) -> None:
    code = "\n".join(
        [
            "import sys",
            "from salience.cli import main",
            "for page in ([], ['explain'], ['rerun']):",
            "    try: main([*page, '--help'])",
            "    except SystemExit: pass",
            "print([n for n in ('torch', 'matplotlib', 'pandas', 'numpy') if n in sys.modules])",
        ]
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=tmp_path
    )
    assert result.stdout.endswith("[]\n"), result.stdout[-300:] + result.stderr
