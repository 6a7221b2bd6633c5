"""The command line, from a file of weights and a file of data to pictures and a saved run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import salience
from salience import Explanation
from salience.cli import main
from tests.commands import run

MODELS = """
    import torch
    from torch import nn

    def rows():
        return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Dropout(0.5), nn.Linear(4, 2))

    class Rows(nn.Sequential):
        def __init__(self):
            super().__init__(*rows())

    made = rows()

    class Pixels(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.conv = nn.Conv2d(3, 3, 3)

        def forward(self, image):
            return self.conv(image).tanh().mean((2, 3))

    class Atoms(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.embed = nn.Embedding(100, 4)
            self.last = nn.Linear(4, 1)

        def forward(self, atoms, edge_index, owner):
            hidden = self.embed(atoms)
            near = torch.zeros_like(hidden).index_add(0, edge_index[1], hidden[edge_index[0]])
            hidden = (hidden + near).tanh()
            pooled = hidden.new_zeros(int(owner.max()) + 1, 4).index_add(0, owner, hidden)
            return self.last(pooled)

    def late():
        import beside
        return beside.rows()

    def function():
        return lambda x: x

    def failing():
        raise ValueError("no such size")

    def needing(size):
        return nn.Linear(size, 2)

    class Norm(nn.Module):
        def forward(self, x):
            return x - x.mean(0) / 2

    def meeting():
        return nn.Sequential(Norm(), rows())

    class Noise(nn.Module):
        def forward(self, x):
            return x + torch.randn_like(x)

    def drawing():
        return nn.Sequential(Noise(), rows())

    number = 3
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder with models, weights and rows; modules made here are forgotten again."""
    (tmp_path / "tiny.py").write_text(dedent(MODELS))
    (tmp_path / "beside.py").write_text("from tiny import rows\n")
    (tmp_path / "wrong.py").write_text("def (:\n")
    (tmp_path / "rows.csv").write_text("length,width,weight\n1,2,3\n0.5,-1,2\n-2,0,1\n")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in ("tiny", "beside", "wrong"):
        sys.modules.pop(name, None)


@pytest.fixture
def weights(folder: Path) -> dict[str, torch.Tensor]:
    """A state dict for ``tiny:rows``, stored as .pt and as .safetensors."""
    generator = torch.Generator().manual_seed(1)
    shapes = {"0.weight": (4, 3), "0.bias": (4,), "3.weight": (2, 4), "3.bias": (2,)}
    state = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    torch.save(state, folder / "weights.pt")
    save_file(state, folder / "weights.safetensors")
    return state


NO_WEIGHTS = "note: no --weights, so the weights are as "


def refused(*arguments: str, said: tuple[str, ...]) -> str:
    """The message of a run that ends with exit status 1 and one sentence."""
    result = run("explain", *arguments)
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit), result.output
    lines = [line for line in result.output.splitlines() if not line.startswith(NO_WEIGHTS)]
    assert len(lines) == 1 and lines[0].startswith("Error: "), result.output
    assert len(lines[0]) <= 400 and "Traceback" not in result.output
    for part in said:
        assert part in lines[0]
    return lines[0]


tabular = pytest.mark.skipif(not find_spec("salience_tabular"), reason="needs salience-tabular")
vision = pytest.mark.skipif(not find_spec("salience_vision"), reason="needs salience-vision")
molgraph = pytest.mark.skipif(not find_spec("salience_molgraph"), reason="needs salience-molgraph")

ROWS = ("--domain", "tabular", "--model", "tiny:rows", "--out", "out", "rows.csv")


def is_png(path: Path) -> bool:
    return path.read_bytes().startswith(b"\x89PNG\r\n")


# --- From data to pictures -----------------------------------------------------------------------


@tabular
@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_rows_of_a_table_are_explained_saved_and_drawn(
    suffix: str, folder: Path, weights: dict[str, torch.Tensor]
) -> None:
    result = run(
        "explain",
        *ROWS,
        *("--weights", f"weights.{suffix}", "--output", "class:1", "--seed", "3"),
        *("--calculator", "integrated_gradients:steps=8", "--aggregator", "square"),
        *("--sampler", "gaussian:scale=0.1", "--sampler", "mc_dropout", "--n-samples", "4"),
        *("--max-rows", "8"),
    )
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in (folder / "out").iterdir()) == [
        "0000.png",
        "0001.png",
        "0002.png",
        "mean.png",
        "run.salience",
    ]
    assert all(is_png(path) for path in (folder / "out").glob("*.png"))
    # The numbers are those of the same call in Python.
    sys.path.insert(0, str(folder))
    try:
        from tiny import rows  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(folder))
    model = rows()
    model.load_state_dict(weights)
    expected = salience.explain(
        model,
        str(folder / "rows.csv"),
        "tabular",
        "integrated_gradients:steps=8",
        output="class:1",
        samplers=["gaussian:scale=0.1", "mc_dropout"],
        n_samples=4,
        aggregator="square",
        seed=3,
        max_rows=8,
    )
    saved = Explanation.load(folder / "out" / "run.salience")
    assert torch.equal(saved.values, expected.values)
    assert torch.equal(saved.std_error, expected.std_error)
    assert saved.provenance["calculator"] == dict(expected.provenance["calculator"])
    # What the user is told.
    for told in ("3 items", "integrated_gradients", "gaussian, mc_dropout", "4 draws", "square"):
        assert told in result.output
    assert "completeness gap: median" in result.output and "run.salience" in result.output


@tabular
@pytest.mark.parametrize(
    ("model", "status", "said"),
    [("rows", 0, "holds"), ("meeting", 0, "fallback"), ("drawing", 1, "refused")],
)
def test_check_prints_the_verdicts_and_exits_by_them(
    model: str, status: int, said: str, folder: Path
) -> None:
    chosen = ("--domain", "tabular", "--model", f"tiny:{model}", "rows.csv")
    result = run("check", *chosen, "--output", "class:1")
    assert result.exit_code == status, result.output
    assert said in result.output and "items that were tried" in result.output
    assert not (folder / "out").exists()


@tabular
def test_at_most_so_many_items_are_drawn_but_all_are_saved(folder: Path) -> None:
    result = run("explain", *ROWS, "--items", "1", "--format", "svg")
    assert result.exit_code == 0, result.output
    names = sorted(path.name for path in (folder / "out").iterdir())
    assert names == ["0000.svg", "mean.svg", "run.salience"]
    assert len(Explanation.load(folder / "out" / "run.salience")) == 3
    assert "<svg" in (folder / "out" / "0000.svg").read_text()


@tabular
@pytest.mark.parametrize("model", ["tiny:rows", "tiny:Rows", "tiny:made", "tiny:late"])
def test_a_model_is_made_by_a_function_a_class_or_is_there_already(
    model: str, folder: Path
) -> None:
    arguments = [model if argument == "tiny:rows" else argument for argument in ROWS]
    result = run("explain", *arguments, "--items", "0")
    assert result.exit_code == 0, result.output


@tabular
def test_settings_of_parts_are_read_from_their_names(folder: Path) -> None:
    result = run(
        "explain",
        *("--domain", "tabular:feature_names=('a','b','c')", "--model", "tiny:rows"),
        *("--visualizer", "bar:num_visualize=1,title='Only one'", "--items", "1"),
        *("--format", "svg", "--out", "out", "rows.csv"),
    )
    assert result.exit_code == 0, result.output
    saved = Explanation.load(folder / "out" / "run.salience")
    assert list(saved.dataset_info["columns"]) == ["a", "b", "c"]


@vision
def test_photos_are_explained_and_drawn(folder: Path) -> None:
    from PIL import Image

    noise = np.random.default_rng(0).integers(0, 255, (2, 40, 40, 3), dtype=np.uint8)
    for name, pixels in zip(("a.png", "b.png"), noise, strict=True):
        Image.fromarray(pixels).save(folder / name)
    result = run(
        "explain",
        *("--domain", "vision", "--model", "tiny:Pixels", "--aggregator", "abs"),
        *("--out", "out", "a.png", "b.png"),
    )
    assert result.exit_code == 0, result.output
    saved = Explanation.load(folder / "out" / "run.salience")
    assert len(saved) == 2 and saved.values.ndim == 3
    assert is_png(folder / "out" / "a.png") and is_png(folder / "out" / "b.png")


@molgraph
def test_molecules_are_explained_and_drawn_with_a_picture_each_and_no_mean(folder: Path) -> None:
    result = run(
        "explain",
        *("--domain", "molgraph", "--model", "tiny:Atoms", "--format", "svg"),
        *("--calculator", "integrated_gradients", "--out", "out", "CCO", "c1ccccc1O"),
    )
    assert result.exit_code == 0, result.output
    saved = Explanation.load(folder / "out" / "run.salience")
    assert [len(values) for values in saved.values] == [3, 7]
    names = sorted(path.name for path in (folder / "out").iterdir())
    assert names == ["CCO.svg", "c1ccccc1O.svg", "run.salience"]
    assert "<svg" in (folder / "out" / "CCO.svg").read_text()


@tabular
def test_the_installed_command_finds_a_model_beside_it(folder: Path) -> None:
    # -P leaves the working folder out of the path, as it is for a console script.
    result = subprocess.run(
        [sys.executable, "-P", "-c", "from salience.cli import main; main()", "explain", *ROWS],
        cwd=folder,
        env=dict(os.environ, PYTHONPATH=""),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    assert (folder / "out" / "run.salience").is_file()
    # No bar where nobody watches, and no warning.
    assert result.stderr == f"{NO_WEIGHTS}tiny:rows makes them\n"


# --- What is refused -----------------------------------------------------------------------------


@tabular
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--model", "tiny"), ("'tiny'", "module:factory")),
        (("--model", "nowhere:rows"), ("'nowhere:rows'", "No module named")),
        (("--model", "tiny:nothing"), ("'tiny:nothing'", "nothing")),
        (("--model", "wrong:rows"), ("'wrong:rows'", "SyntaxError")),
        (("--model", "tiny:failing"), ("'tiny:failing'", "ValueError", "no such size")),
        (("--model", "tiny:needing"), ("'tiny:needing'", "size")),
        (("--model", "tiny:number"), ("'tiny:number'", "int")),
        (("--domain", "tabulra"), ("unknown domain 'tabulra'", "tabular")),
        (("--target", "hidden"), ("no module 'hidden'",)),
        (("--output", "class:5"), ("class index 5", "0 to 1")),
        (("--calculator", "gradients"), ("unknown calculator", "'gradient'")),
        (("--sampler", "gauss"), ("unknown sampler", "'gaussian'")),
        (("--aggregator", "mean"), ("unknown aggregator", "raw")),
        (("--visualizer", "pie"), ("unknown visualizer 'pie'", "bar")),
        (("--visualizer", "bar:colour=red"), ("no parameter 'colour'", "color")),
        (("--n-samples", "3"), ("n_samples=3 without a sampler",)),
        (("--n-samples", "8,x"), ("n_samples='8,x'", "until")),
        (("--n-samples", "8,4"), ("[8, 4] without a sampler",)),
        (("--n-samples", "until:most=4"), ("most",)),
        (("--max-rows", "many"), ("max_rows='many'", "'auto'")),
        (("--max-rows", "0"), ("max_rows=0",)),
        (("--device", "gpu"), ("device 'gpu'",)),
    ],
    ids=lambda value: "=".join(value) if value[0].startswith("--") else "",
)
def test_a_wrong_option_is_told_in_a_sentence_before_anything_is_computed(
    arguments: tuple[str, str], said: tuple[str, ...], folder: Path
) -> None:
    refused(*ROWS[:4], *arguments, *ROWS[4:], said=said)
    assert not (folder / "out").exists()


@tabular
def test_a_missing_file_of_data_is_told_in_a_sentence(folder: Path) -> None:
    refused(*ROWS[:-1], "none.csv", said=("'none.csv'",))


@tabular
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none.pt", ("no weights at 'none.pt'",)),
        ("folder.pt", ("no weights at 'folder.pt'",)),
        ("text.pt", ("'text.pt'", "state_dict")),
        ("empty.pt", ("'empty.pt'",)),
        ("text.safetensors", ("cannot read weights from 'text.safetensors'",)),
        ("whole.pt", ("'whole.pt'", "more than tensors", "model.state_dict()")),
        ("other.pt", ("'other.pt' do not fit", "size mismatch for 0.weight")),
        ("fewer.pt", ("'fewer.pt' do not fit", "Missing key", '"3.bias"')),
        ("tensor.pt", ("'tensor.pt' holds no weights", "state_dict()")),
    ],
)
def test_weights_that_are_missing_or_do_not_fit_are_refused(
    name: str, said: tuple[str, ...], folder: Path, weights: dict[str, torch.Tensor]
) -> None:
    (folder / "folder.pt").mkdir()
    (folder / "text.pt").write_text("hello")
    (folder / "empty.pt").write_bytes(b"")
    (folder / "text.safetensors").write_text("hello")
    torch.save(torch.nn.Linear(3, 2), folder / "whole.pt")
    torch.save({**weights, "0.weight": torch.ones(4, 5)}, folder / "other.pt")
    torch.save({key: weights[key] for key in list(weights)[:2]}, folder / "fewer.pt")
    torch.save(torch.ones(3), folder / "tensor.pt")
    refused(*ROWS, "--weights", name, said=said)
    assert not (folder / "out").exists()


class Malicious:
    """Would make a file if it were unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self._path),)


@tabular
@pytest.mark.parametrize("suffix", ["pt", "pth", "bin", "safetensors"])
def test_code_in_a_file_of_weights_is_not_executed(suffix: str, folder: Path) -> None:
    executed = folder / "executed"
    torch.save({"0.weight": Malicious(executed)}, folder / f"bad.{suffix}")
    refused(*ROWS, "--weights", f"bad.{suffix}", said=(f"'bad.{suffix}'",))
    assert not executed.exists()
    # The file would have done it.
    (folder / "open").write_bytes((folder / f"bad.{suffix}").read_bytes())
    torch.load(folder / "open", weights_only=False)
    assert executed.exists()


@tabular
def test_a_function_takes_no_weights(folder: Path, weights: dict[str, torch.Tensor]) -> None:
    arguments = [a if a != "tiny:rows" else "tiny:function" for a in ROWS]
    refused(*arguments, "--weights", "weights.pt", said=("function", "leave --weights out"))


@pytest.mark.parametrize("left_out", ["--domain", "--model", "--out", "DATA"])
def test_a_missing_option_is_a_usage_error(left_out: str) -> None:
    options = {"--domain": "tabular", "--model": "tiny:rows", "--out": "out"}
    given = [part for pair in options.items() if pair[0] != left_out for part in pair]
    result = run("explain", *given, *([] if left_out == "DATA" else ["rows.csv"]))
    assert result.exit_code == 2
    assert "Usage: salience explain" in result.output and left_out in result.output


# --- Help ----------------------------------------------------------------------------------------


def test_help_names_every_command_and_explains_every_option() -> None:
    result = run("--help")
    assert result.exit_code == 0
    for command, about in main.commands.items():
        assert command in result.output and about.help
        shown = run(command, "--help")
        assert shown.exit_code == 0
        for parameter in about.params:
            for option in parameter.opts:
                assert option in shown.output or parameter.param_type_name == "argument"


def test_the_version_is_that_of_the_distribution() -> None:
    from importlib.metadata import version

    assert version("salience") in run("--version").output
