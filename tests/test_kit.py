"""The conformance kit is tested itself: by parts that are sound, and by mutants."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from salience.plugins import host
from salience.testing.checks import checks_of
from salience.testing.parametrize import subject_of

from .mutants import (  # noqa: F401
    of_aggregators,
    of_calculators,
    of_layouts,
    of_models,
    of_reading,
    of_samplers,
    of_visualizers,
)
from .mutants.mutant import MUTANTS, Mutant

PLUGIN = """
from salience.hookspecs import hookimpl

@hookimpl
def salience_domains():
    return {names}
"""


@pytest.fixture(scope="module", autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Mutants of domains are installed as a plugin, so that what was saved can be loaded."""
    folder = tmp_path_factory.mktemp("installed")
    known = [m.cls for m in MUTANTS if m.kind == "domain"]
    names = {cls.__name__: f"{cls.__module__}:{cls.__qualname__}" for cls in known}
    (folder / "salience_mutants.py").write_text(PLUGIN.format(names=names))
    info = folder / "salience_mutants-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: salience-mutants\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[salience]\nmutants = salience_mutants\n")
    sys.path.insert(0, str(folder))
    host.cache_clear()
    yield
    sys.path.remove(str(folder))
    sys.modules.pop("salience_mutants", None)
    host.cache_clear()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.cls.__name__)
def test_a_mutant_is_caught_by_the_check_that_is_meant_for_it(mutant: Mutant) -> None:
    checks = {c.name: c for c in checks_of(subject_of(mutant.make(), **mutant.given))}
    with pytest.raises(AssertionError, match=f"see docs/conformance.md#{mutant.check}"):
        checks[mutant.check].run()
