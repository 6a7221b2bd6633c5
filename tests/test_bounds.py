"""What distributions declare to need agrees, and is what the tests in clean environments cover."""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.scripts import loaded

ROOT = Path(__file__).parents[1]
PROJECTS = sorted([ROOT / "core" / "pyproject.toml", *ROOT.glob("plugins/*/pyproject.toml")])


def requirements(path: Path) -> list[Requirement]:
    """What a distribution needs, with the extras for its users."""
    project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
    extras = project.get("optional-dependencies", {})
    lines = [line for extra, lines in extras.items() if extra != "test" for line in lines]
    return [Requirement(line) for line in (*project["dependencies"], *lines)]


@pytest.fixture(scope="module")
def environments() -> ModuleType:
    return loaded(ROOT / "scripts" / "environments.py", "environments")


def test_distributions_agree_on_the_bounds_of_a_package() -> None:
    bounds = defaultdict(set)
    for path in PROJECTS:
        for requirement in requirements(path):
            bounds[requirement.name].add(str(requirement.specifier))
    assert {name: found for name, found in bounds.items() if len(found) > 1} == {}
    assert len(bounds["torch"]) == 1


def test_every_requirement_has_a_lower_bound() -> None:
    needed = [requirement for path in PROJECTS for requirement in requirements(path)]
    assert [str(each) for each in needed if ">=" not in str(each.specifier)] == []


def test_every_plugin_is_tested_in_a_clean_environment(environments: ModuleType) -> None:
    folders = {path.parent.name for path in ROOT.glob("plugins/*/pyproject.toml")}
    assert set(environments.PLUGINS) == folders
    made = re.search(r"^PLUGINS := (.*)$", (ROOT / "Makefile").read_text(), re.M)
    assert made is not None
    assert set(environments.TOGETHER) == set(made[1].split())


def test_the_lowest_versions_are_those_of_the_metadata(environments: ModuleType) -> None:
    lowest = environments.lowest()
    named = {
        requirement.name.replace("_", "-")
        for path in PROJECTS
        if path.parent.name in ("core", *environments.TOGETHER)
        for requirement in requirements(path)
    }
    assert set(lowest) == {name for name in named if not name.startswith("salience")}
    (torch,) = (each for each in requirements(PROJECTS[0]) if each.name == "torch")
    assert f"torch>={lowest['torch']}" == str(torch)


def test_the_lowest_ray_is_the_one_that_data_sets_are_tested_with() -> None:
    """It asks for later versions than core does, so it is no part of ``make test-lowest``."""
    project = ROOT / "plugins" / "ray" / "pyproject.toml"
    (ray,) = (each for each in requirements(project) if each.name == "ray")
    pinned = re.search(r"^ray==(.*)$", (ROOT / "constraints.txt").read_text(), re.M)
    assert pinned is not None
    (bound,) = ray.specifier
    assert Version(bound.version) == Version(pinned[1])
