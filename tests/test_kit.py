"""The conformance kit is tested itself, by parts that are sound and by mutants."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
import pytest
import torch
from matplotlib import pyplot
from torch import Tensor, nn

from salience import GaussianNoise, InputError, Raw, Tensors
from salience.plugins import host
from salience.testing import check_domain, parametrize_checks
from salience.testing.checks import KINDS, checks_of
from salience.testing.comparing import NotTestedError
from salience.testing.parametrize import subject_of
from salience_template.padded import Signals

from .mutants import MUTANTS, Mutant, table
from .mutants.sound import ON_SERIES, ON_SETS, Sets, Words

PAGE = Path(__file__).parents[1] / "docs" / "conformance.md"
CAUGHT = [mutant for mutant in MUTANTS if mutant.check]
MISSED = [mutant for mutant in MUTANTS if not mutant.check]

PLUGIN = """
from salience.hookspecs import hookimpl

@hookimpl
def salience_domains():
    return {names}
"""


def install(folder: Path, name: str, module: str) -> None:
    """Write what pip writes of a plugin, beside its code."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[salience]\n{name} = {module}\n")


@pytest.fixture(scope="module", autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Mutants of domains are installed as a plugin, so that what was saved can be loaded."""
    folder = tmp_path_factory.mktemp("installed")
    domains = [m.cls for m in MUTANTS if m.kind == "domain"] + [Words, Sets]
    own = [cls for cls in domains if cls.__module__.startswith("tests.")]
    names = {cls.__name__: f"{cls.__module__}:{cls.__qualname__}" for cls in own}
    (folder / "salience_mutants.py").write_text(PLUGIN.format(names=names))
    install(folder, "salience-mutants", "salience_mutants")
    (folder / "salience_heavy").mkdir()
    (folder / "salience_heavy" / "__init__.py").write_text("")
    (folder / "salience_heavy" / "plugin.py").write_text("import torch\n")
    install(folder, "salience-heavy", "salience_heavy.plugin")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
        host.cache_clear()
        yield
    sys.modules.pop("salience_mutants", None)
    host.cache_clear()


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    """What mutants of visualizers do to matplotlib is undone."""
    with matplotlib.rc_context():
        yield
    pyplot.close("all")


def failures(part: Any, **given: Any) -> list[str]:
    """What the kit finds of a part."""
    found = []
    for check in checks_of(subject_of(part, **given)):
        try:
            check.run()
        except AssertionError as error:
            found.append(str(error))
        except NotTestedError:
            continue
    return found


# --- Mutants --------------------------------------------------------------------------------------


@pytest.mark.parametrize("mutant", CAUGHT, ids=lambda mutant: mutant.cls.__name__)
def test_a_mutant_is_caught_by_the_check_that_is_meant_for_it(mutant: Mutant) -> None:
    checks = {c.name: c for c in checks_of(subject_of(mutant.make(), **mutant.given))}
    with pytest.raises(AssertionError, match=f"{mutant.cls.__name__}.*#{mutant.check}"):
        checks[mutant.check].run()


@pytest.mark.parametrize("mutant", MISSED, ids=lambda mutant: mutant.cls.__name__)
def test_what_no_check_catches_is_called_so(mutant: Mutant) -> None:
    assert mutant.reason
    assert failures(mutant.make(), **mutant.given) == []


def test_95_percent_of_many_mutants_are_caught() -> None:
    domains = sum(mutant.kind == "domain" for mutant in CAUGHT)
    assert domains >= 60
    assert len(CAUGHT) - domains >= 30
    assert len(CAUGHT) >= 0.95 * len(MUTANTS)


def test_every_check_catches_a_mutant() -> None:
    names = {function.__name__ for functions in KINDS.values() for function in functions}
    assert names == {mutant.check for mutant in CAUGHT}


@pytest.mark.parametrize(("part", "given"), [(Words(), ON_SERIES), (Sets(), ON_SETS)])
def test_what_mutants_are_made_of_is_sound(part: Any, given: dict[str, Any]) -> None:
    assert failures(part, **given) == []


# --- The page -------------------------------------------------------------------------------------


def test_the_page_holds_the_table_of_mutants() -> None:
    print(table())
    assert table() in PAGE.read_text()


def test_the_page_has_a_section_for_each_check() -> None:
    names = {function.__name__ for functions in KINDS.values() for function in functions}
    sections = re.findall(r"^### (\w+)\n\n(.+?)(?=\n#|\Z)", PAGE.read_text(), re.M | re.S)
    assert sorted(name for name, _ in sections) == sorted(names)
    assert [name for name, text in sections if "Mend:" not in text] == []


# --- The decorator --------------------------------------------------------------------------------


def test_each_check_is_a_test_of_its_own() -> None:
    @parametrize_checks(Raw(), xfail={"claims_hold": "known"})
    def conforms(check: Any) -> None:
        check()

    (mark,) = conforms.pytestmark  # type: ignore[attr-defined]
    cases = {case.id: case for case in mark.args[1]}
    assert list(cases) == [check.name for check in checks_of(subject_of(Raw()))]
    (expected,) = cases["claims_hold"].marks
    assert expected.kwargs == {"reason": "known", "strict": True}
    assert not cases["pickles"].marks


def test_what_is_not_tested_is_skipped_with_a_reason() -> None:
    checks = {c.name: c for c in checks_of(subject_of(Tensors(), data=[[1.0], [2.0]]))}
    with pytest.raises(pytest.skip.Exception, match=r"no model was given; pass model="):
        checks["outputs_keep_the_graph"]()
    with pytest.raises(pytest.skip.Exception, match="the layout names no mask"):
        checks["masks_mark_real_positions"]()


@pytest.mark.parametrize(
    ("domain", "check"), [(Words(), "masks_mark_real_positions"), (Sets(), "size_counts_elements")]
)
def test_data_of_equal_lengths_is_no_test_of_padding(domain: Any, check: str) -> None:
    data = ON_SERIES["data"][:1] * 2
    checks = {c.name: c for c in checks_of(subject_of(domain, data=data))}
    with pytest.raises(pytest.skip.Exception, match="pass items of different"):
        checks[check]()


@pytest.mark.parametrize(
    ("part", "given", "message"),
    [
        (Raw(), {"xfail": {"claims_holds": "known"}}, "did you mean 'claims_hold'"),
        (Raw(), {"xfail": {"claims_hold": " "}}, "gives no reason for 'claims_hold'"),
        (Raw, {}, r"Raw is a class; pass an object, Raw\(...\)"),
        (object(), {}, "is no part that can be checked"),
        (Raw(), {"data": [1.0]}, "model= is missing"),
        (GaussianNoise(), {"domain": Tensors()}, "domain= was passed without data= and model="),
        (Tensors(), {"domain": Tensors()}, "domain= is for parts that are no domain"),
    ],
)
def test_mistakes_are_refused(part: Any, given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parametrize_checks(part, **given)


def test_without_pytest_the_kit_is_imported_and_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['pytest'] = None\n"
        "import salience, salience.testing\n"
        "try: salience.testing.parametrize_checks(salience.Raw())\n"
        "except salience.InputError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == (
        "parametrize_checks needs pytest, which is not installed; run: pip install "
        '"salience[testing]"'
    )


def test_a_failure_names_part_place_and_page() -> None:
    (mutant,) = [m for m in MUTANTS if m.cls.__name__ == "OneAnnotationShort"]
    assert failures(mutant.make(), **mutant.given)[0] == (
        "OneAnnotationShort: collate made 3 annotations of 4 items; make one for each, or none; "
        "see docs/conformance.md#annotates_every_item"
    )


class ReadsPadding(nn.Module):
    """A mean over all positions, padding among them."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.last = nn.Linear(2, 3, dtype=torch.float64)

    def forward(self, signal: Tensor, mask: Tensor) -> Tensor:
        out: Tensor = self.last(signal.tanh().mean(2))
        return out


def test_padding_that_a_model_reads_is_told_as_that() -> None:
    signals = [torch.randn(2, n, dtype=torch.float64) for n in (4, 6, 3)]
    found = failures(Signals(), data=signals, model=ReadsPadding())
    assert any("the model reads the padding of items" in text for text in found)
    assert not any("keeps a state" in text for text in found)


def test_a_domain_is_checked_without_pytest_too() -> None:
    x = torch.randn(3, 4, dtype=torch.float64)
    check_domain(Tensors(), x)
    check_domain(Tensors(), x, nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)).double())


@pytest.mark.parametrize(
    "mutant", [m for m in CAUGHT if m.kind == "domain"][::8], ids=lambda mutant: mutant.cls.__name__
)
def test_the_checks_without_pytest_find_a_mutant(mutant: Mutant) -> None:
    given = {name: mutant.given[name] for name in ("data", "model") if name in mutant.given}
    with pytest.raises(AssertionError, match=r"docs/conformance\.md#"):
        check_domain(mutant.make(), **given)
