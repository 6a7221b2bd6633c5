"""Built wheels, installed into clean environments: each domain alone, without the others' needs."""

from __future__ import annotations

import json
import sys
import venv
from pathlib import Path

import pytest

from tests.isolated.clean import run

ROOT = Path(__file__).parents[2]
DOMAINS = ("tabular", "vision", "molgraph", "template")
PLUGINS = (*DOMAINS, "report", "ray")

# What a user who installs one domain alone explains first, and what must not come along.
FIRST_USE = {
    "tabular": "salience.explain(nn.Linear(4, 3), numpy.random.rand(5, 4), 'tabular')",
    "vision": "salience.explain(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), "
    "nn.Linear(3, 5)), numpy.zeros((64, 48, 3), dtype='uint8'), 'vision')",
    "molgraph": "salience.explain(Net(), ['CCO', 'c1ccccc1'], 'molgraph')",
    "template": "salience.explain(nn.Sequential(nn.Flatten(), nn.Linear(20, 3)), "
    "numpy.random.rand(5, 1, 20), 'spectra')",
}
UNWANTED = {
    "tabular": {"rdkit", "torch_geometric", "sklearn"},
    "vision": {"rdkit", "pandas", "torch_geometric", "sklearn"},
    "molgraph": {"pandas", "matplotlib", "torch_geometric", "sklearn"},
    "template": {"rdkit", "pandas", "torch_geometric", "sklearn"},
}
SCRIPT = """
import importlib.util, sys
import numpy, torch
from torch import nn
import salience

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(100, 4)
    def forward(self, atoms, edge_index, owner):
        atoms = self.embed(atoms).sum(1)
        return torch.zeros(int(owner.max()) + 1).index_add(0, owner, atoms)

found = [name for name in {unwanted!r} if importlib.util.find_spec(name)]
assert not found, found
explanation = {first_use}
explanation.visualize(0, path="picture.png")
explanation.save("run.salience")
assert salience.Explanation.load("run.salience").saliency.keys() == explanation.saliency.keys()
"""


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    sources = [str(ROOT / "core"), *(str(ROOT / "plugins" / plugin) for plugin in PLUGINS)]
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), *sources)
    return folder


def test_core_and_every_plugin_build_a_wheel_of_their_own(wheels: Path) -> None:
    built = {path.name.split("-")[0] for path in wheels.glob("*.whl")}
    assert built == {"salience", *(f"salience_{plugin}" for plugin in PLUGINS)}


@pytest.mark.parametrize("plugin", DOMAINS)
def test_one_domain_works_alone(plugin: str, wheels: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=True)
    python = str(tmp_path / "env" / "bin" / "python")
    chosen = [
        str(next(wheels.glob(f"{name}-*.whl"))) for name in ("salience", f"salience_{plugin}")
    ]
    constraints = str(ROOT / "constraints.txt")
    run(python, "-m", "pip", "install", "-q", "-c", constraints, *chosen)
    listed = json.loads(run(python, "-m", "salience", "plugins", "--json", cwd=tmp_path))
    assert {record["distribution"] for record in listed} == {"salience", f"salience-{plugin}"}
    script = SCRIPT.format(unwanted=UNWANTED[plugin], first_use=FIRST_USE[plugin])
    run(python, "-c", script, cwd=tmp_path)
    assert (tmp_path / "picture.png").stat().st_size > 1000
