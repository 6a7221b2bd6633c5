"""`salience run` and `salience results`: a config, the run that it describes, and what it has."""

from __future__ import annotations

import tomllib
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from salience import ResultSet
from salience.cli import main
from salience.plugins import host

pytestmark = pytest.mark.skipif(not find_spec("pyarrow"), reason="needs pyarrow")

MODELS = """
    import torch
    from torch import nn

    def mlp():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))

    def rows():
        found = torch.linspace(-1, 1, 60).reshape(20, 3)
        found[7] = torch.nan
        return found
"""
CONFIG = """
model = "run_models:mlp"
data = "run_models:rows"
out = "out"
domain = "tensor"
calculator = { name = "integrated_gradients", steps = 4 }
samplers = ["gaussian:scale=0.1"]
n_samples = 2
unit_items = 6
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "run_models.py").write_text(dedent(MODELS))
    (tmp_path / "config.toml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def salience(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_a_config_is_run_and_its_results_are_printed(place: Path) -> None:
    ran = salience("run", "config.toml")
    assert ran.exit_code == 0, ran.output
    assert "19 items; 4 of 4 units" in ran.output
    assert "1 items failed" in ran.output and "NaN" in ran.output
    results = ResultSet.open(place / "out")
    assert list(results.failed) == [7]
    printed = salience("results", "out", "--to-csv", "table.csv")
    assert printed.exit_code == 0, printed.output
    assert "19 items; 4 of 4 units" in printed.output and "magnitude" in printed.output
    pd.testing.assert_frame_equal(
        pd.read_csv("table.csv"), results.to_dataframe(), check_dtype=False
    )


def test_a_run_that_is_done_is_not_computed_again(place: Path) -> None:
    salience("run", "config.toml")
    before = {path: path.stat().st_mtime_ns for path in (place / "out").rglob("*")}
    assert salience("run", "config.toml").exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in (place / "out").rglob("*")} == before


def test_a_written_config_is_toml_with_all_parts() -> None:
    written = salience("run", "--init", "--domain", "tensor")
    assert written.exit_code == 0, written.output
    assert "running that code" in " ".join(written.output.replace("#", "").split())
    assert tomllib.loads(written.output)["domain"] == "tensor"
    for kind in ("calculators", "samplers", "aggregators", "executors"):
        for name in host().names(kind):
            assert f'name = "{name}"' in written.output


@pytest.mark.parametrize("domain", ["tensor", "tabular", "vision", "molgraph"])
def test_each_line_of_a_written_config_is_toml(domain: str) -> None:
    written = salience("run", "--init", "--domain", domain).output
    lines = [line[2:] for line in written.splitlines() if line.startswith("# ") and "{" in line]
    found = [tomllib.loads(line) for line in lines]
    parts = [part for entry in found for part in entry.values()]
    every = [table for part in parts for table in (part if isinstance(part, list) else [part])]
    assert {"name": "gradient", "multiply_by_target": False} in every
    assert domain in [table["name"] for table in every]
    (needed,) = (line for line in lines if '"ensemble"' in line)
    assert needed.endswith("# needs members")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model = ", "is no TOML"),
        ('model = "a:b"', "lacks data, out, domain"),
        (CONFIG + "\nweights = 3", "the entry weights is 3"),
        (CONFIG + '\nids = "none.txt"', "ids 'none.txt' cannot be read"),
        (CONFIG + "\nsampler = []", "has no entry 'sampler'"),
        (CONFIG.replace('"tensor"', '"tensors"'), "unknown domain 'tensors'"),
    ],
)
def test_configs_are_checked(text: str, said: str, place: Path) -> None:
    (place / "config.toml").write_text(text)
    ran = salience("run", "config.toml")
    assert ran.exit_code == 1
    assert said in ran.output
    assert not (place / "out").exists()


def test_ids_and_labels_are_lines_of_files(place: Path) -> None:
    (place / "ids.txt").write_text("".join(f"row {n}\n" for n in range(20)))
    (place / "labels.txt").write_text("train\ntest\n" * 10)
    (place / "config.toml").write_text(CONFIG + 'ids = "ids.txt"\nlabels = "labels.txt"\n')
    ran = salience("run", "config.toml")
    assert ran.exit_code == 0, ran.output
    results = ResultSet.open(place / "out")
    assert results.loc["row 4"].positions == [4] and [*results.failed] == ["row 7"]
    assert results.where(label="train").positions == [*range(0, 20, 2)]


def test_programs_that_share_a_run_have_stripes(place: Path) -> None:
    first = salience("run", "config.toml", "--stripe", "0/2")
    assert first.exit_code == 0 and "2 of 4 units" in first.output
    assert "4 of 4 units" in salience("run", "config.toml", "--stripe", "1/2").output
    for wrong in ("2/2", "1", "a/b"):
        assert salience("run", "config.toml", "--stripe", wrong).exit_code == 1


def test_a_config_may_begin_with_a_byte_order_mark(place: Path) -> None:
    (place / "config.toml").write_text(CONFIG, encoding="utf-8-sig")
    ran = salience("run", "config.toml")
    assert ran.exit_code == 0, ran.output


@pytest.mark.parametrize("arguments", [(), ("config.toml", "--init")])
def test_a_config_or_init_is_needed(arguments: tuple[str, ...]) -> None:
    ran = salience("run", *arguments)
    assert ran.exit_code == 2
    assert "pass either CONFIG, or --init" in ran.output


def test_a_domain_is_needed_and_a_folder_with_a_run() -> None:
    assert "no domain is named" in salience("run", "--init").output
    found = salience("results", "nowhere")
    assert found.exit_code == 1 and "holds no run" in found.output
