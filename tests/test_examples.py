"""The examples run as they are, with short settings, and find what they say they find."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from tests.scripts import loaded

FOLDER = Path(__file__).parents[1] / "examples"
SCRIPTS = sorted(FOLDER.glob("*.py"))


def example(name: str) -> ModuleType:
    # As when it is run: examples import from each other.
    if str(FOLDER) not in sys.path:
        sys.path.append(str(FOLDER))
    return loaded(FOLDER / f"{name}.py", f"example_{name}")


def test_petals_come_first_by_every_method(tmp_path: Path) -> None:
    found = example("iris").run(tmp_path, n_samples=10)
    for method, (values, _) in found.items():
        first = torch.tensor(values).argsort(descending=True)[:2].tolist()
        assert sorted(first) == [2, 3], method
        assert sum(values) == pytest.approx(1)
    assert {path.name for path in tmp_path.iterdir()} == {
        f"iris_{name}.png" for name in ("row", "mean", "swarm", "steps")
    }


def test_hydroxyl_groups_raise_solubility(tmp_path: Path) -> None:
    found = example("solubility").run(tmp_path, epochs=15, n_samples=2)
    assert found.rmse < 0.9
    assert found.gaps[256] < 1e-3
    hydroxyl, carbon = found.contributions["hydroxyl oxygen"], found.contributions["sp3 carbon"]
    assert hydroxyl[0] - carbon[0] > 2 * (hydroxyl[1] ** 2 + carbon[1] ** 2) ** 0.5
    assert (tmp_path / "solubility_grid.svg").read_text().count("<svg") == 1


def test_ways_to_draw_saliency_are_compared(tmp_path: Path) -> None:
    settings = {"epochs": 8, "n_members": 3, "n_samples": 3, "n_molecules": 24}
    found = example("uncertainty").run(tmp_path, **settings)
    ways = ["vanilla", "SmoothGrad", "dropout", "ensemble", "SWAG"]
    assert {a for a, _ in found.agreement} == set(ways)
    for a in ways:
        assert found.agreement[a, a] == pytest.approx(1)
        assert found.agreement[a, "vanilla"] == pytest.approx(found.agreement["vanilla", a])
    assert found.significant.keys() == set(ways[1:])
    assert all(0 <= share <= 1 for share in found.significant.values())
    assert sum(found.parts.values()) == pytest.approx(1)
    svg = (tmp_path / "uncertainty.svg").read_text()
    assert "sign uncertain" in svg and "at FDR 5" in svg and "further draw" in svg


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_an_example_says_how_to_run_it(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        example(script.stem).main(["-h"])
    assert done.value.code == 0
    told = capsys.readouterr().out
    assert all(option in told for option in ("--out", "--seed", "--device"))
