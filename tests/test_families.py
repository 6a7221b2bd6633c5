"""Families of models agree with a loop over single items, as far as their packages are there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scripts import loaded

SCRIPT = Path(__file__).parents[1] / "scripts" / "families.py"


families = loaded(SCRIPT, "families")


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("steps", [0, 5])
@pytest.mark.parametrize("name", families.FAMILIES)
def test_a_family_is_exact(name: str, steps: int) -> None:
    packages, build = families.FAMILIES[name]
    for package in packages:
        pytest.importorskip(package)
    found = families.compare(build, steps)
    assert isinstance(found, float), found
    assert found <= families.TOLERANCE


def test_what_is_not_installed_is_said_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = {"one": (("no_such_package",), None)}
    monkeypatch.setattr(families, "FAMILIES", lacking)
    assert families.check() == [
        ("one, gradient", "not installed: no_such_package"),
        ("one, path", "not installed: no_such_package"),
    ]
