"""Families of PyG's networks agree with a loop over single graphs, as the script says."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("torch_geometric")

SCRIPT = Path(__file__).parents[3] / "scripts" / "families_pyg.py"
if not SCRIPT.exists():
    pytest.skip("needs the scripts of the repository", allow_module_level=True)


def _loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("families_pyg", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["families_pyg"] = module
    spec.loader.exec_module(module)
    return module


families = _loaded()


@pytest.mark.parametrize("steps", [0, 3])
@pytest.mark.parametrize(
    ("family", "name"), [(family, n) for family, (_, ns) in families.FAMILIES.items() for n in ns]
)
def test_a_family_is_exact_or_refused(family: str, name: str, steps: int) -> None:
    found = families.compare(families.FAMILIES[family][0], name, steps)
    if isinstance(found, str):
        assert family == "GCN, cached", found
    else:
        assert found <= families.TOLERANCE
