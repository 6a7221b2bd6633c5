"""Parts that cannot be used are named, and so is what is slow; only what is asked for is loaded."""

from __future__ import annotations

import errno
import json
import re
from importlib import metadata
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from torch import nn

import salience
from salience import InputError
from salience.cli import main
from salience.plugins import PluginHost, host
from salience.plugins.packages import names_in_packages, package_of
from tests.distributions import COMMAND, distribution, hook, python

# --- Checking -------------------------------------------------------------------------------------

#: What a plugin brings → kind, part, and what is said of it (nothing where it can be used).
PARTS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "good": ("aggregators", "{'good': 'salience.aggregators.means:Raw'}", ()),
    "no module": ("domains", "{'odd': 'no_such_module:X'}", ("install the missing module",)),
    "no class": ("calculators", "{'odd': 'salience:Nothing'}", ("Nothing",)),
    "no class but a value": ("calculators", "{'odd': 'salience:__version__'}", ("is no class",)),
    "another kind": ("samplers", "{'odd': 'salience:Gradient'}", ("salience.NoiseSampler",)),
    "a class of its own": ("domains", "{'odd': Own}", ("derived from no salience.Domain",)),
    "abstract": ("calculators", "{'odd': 'salience:Calculator'}", ("does not define __call__",)),
    "a colon": ("aggregators", "{'a:b': 'salience:Raw'}", ("colon", "rename it")),
    "no letter": ("aggregators", "{'': 'salience:Raw'}", ("rename it",)),
    "a parameter": ("aggregators", "{'odd': 'x_part.part:Named'}", ("parameter 'name'",)),
    "no visualizer": ("domains", "{'odd': 'x_part.part:Unseen'}", ("names no visualizer",)),
    "a lost visualizer": (
        "domains",
        "{'odd': 'x_part.part:Lost'}",
        ("visualizer cannot be had", "unknown visualizer 'lost'"),
    ),
}
PART = """
    from dataclasses import dataclass
    import salience

    @dataclass(frozen=True)
    class Named(salience.Aggregator):
        name: str = "x"

    class Unseen(salience.Domain):
        layout = salience.Tensors().layout
        def read(self, data): return data
        def collate(self, samples): return samples

    class Lost(Unseen):
        visualizer = "lost"
"""


def installed(folder: Path, code: str) -> None:
    """Lay out the distribution ``x-part`` with these hooks and the parts above."""
    distribution(folder, "x-part", f"class Own: pass\n{code}")
    (folder / "x_part" / "part.py").write_text(dedent(PART))


@pytest.mark.parametrize("what", PARTS)
def test_a_part_is_checked_by_importing_it(what: str, tmp_path: Path) -> None:
    kind, part, said = PARTS[what]
    installed(tmp_path, hook(kind, part))
    result = python(tmp_path, *COMMAND, "plugins", "part", "--check", "--json")
    (record,) = json.loads(result.stdout)
    (checked,) = record["checked"]
    assert (record["status"], checked["kind"]) == ("registered", kind)
    assert result.returncode == (1 if said else 0), result.stderr
    assert (checked["error"] is None) == (not said)
    for words in said:
        assert words in checked["error"]
    assert "\n" not in (checked["error"] or "")


def test_the_check_has_a_line_for_each_part_and_ok_only_where_it_can_be_used(
    tmp_path: Path,
) -> None:
    installed(tmp_path, hook("aggregators", "{'well': 'salience:Raw', 'ill': 'salience:Gone'}"))
    result = python(tmp_path, *COMMAND, "plugins", "--check")
    assert result.returncode == 1
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["aggregator", "well", "ok"] in lines
    assert ["aggregator", "ill", "error"] in lines
    assert ["calculator", "gradient", "ok"] in lines


def test_a_plugin_that_is_not_there_is_named(tmp_path: Path) -> None:
    result = python(None, *COMMAND, "plugins", "cores", "--check")
    assert result.returncode == 1
    assert "no plugin is called 'cores'; did you mean 'core'?" in result.stderr


def test_a_class_of_no_use_is_refused_where_it_is_asked_for(tmp_path: Path) -> None:
    installed(tmp_path, hook("domains", "{'odd': Own}"))
    code = """
        import salience
        try:
            salience.explain(lambda x: x, [[1.0]], "odd")
        except salience.InputError as error:
            print(error)
    """
    said = python(tmp_path, "-c", dedent(code)).stdout
    assert said.startswith("the domain 'odd' of x-part cannot be used: its class Own is derived")


def test_what_is_slow_is_named_first_with_what_it_imports(tmp_path: Path) -> None:
    (tmp_path / "some_library.py").write_text("import time\ntime.sleep(2)\n")
    distribution(tmp_path, "x-slow", f"import some_library\n{hook('domains', '{}')}")
    result = python(tmp_path, *COMMAND, "plugins", "--time")
    first, *others = result.stdout.splitlines()
    milliseconds, unit, name, *rest = first.split()
    assert float(milliseconds) >= 2000 and (unit, name) == ("ms", "slow")
    assert rest[:3] == ["x-slow", "imports", "some_library"] and "hookimpl" in first
    each = [float(line.split()[0]) for line in others]
    assert each == sorted(each, reverse=True) and len(each) == len(host().records)


# --- Loading only what is asked for ---------------------------------------------------------------

TEMPLATES = {
    "template",
    *(
        f"template_{kind}"
        for kind in (
            "padded",
            "ragged",
            "calculator",
            "sampler",
            "weight_sampler",
            "aggregator",
            "visualizer",
        )
    ),
}
LOUD = f"print('loaded')\n{hook('calculators', '''{'loud': 'salience:Gradient'}''')}"


def test_nothing_is_loaded_where_only_objects_and_parts_of_core_are_used(tmp_path: Path) -> None:
    distribution(tmp_path, "x-loud", LOUD)
    code = """
        import salience, torch
        from salience import GaussianNoise, IntegratedGradients, Raw, Tensors
        from salience_tabular import Tabular
        model = torch.nn.Linear(3, 2)
        rows = torch.ones(2, 3)
        explainer = salience.Explainer(model, Tensors())
        made = explainer.explain(rows, IntegratedGradients(4), [GaussianNoise()], 3, Raw())
        explainer.compute(rows, "gradient", ["gaussian"], 3)
        made.save("run.salience")
        made.item(0), made.to_dataframe(), repr(made)
        assert made.provenance["plugins"] == [], made.provenance
        # Of a plugin whose object is passed, only that plugin is loaded, for the name of the class.
        own = salience.Explainer(model, Tabular()).explain(rows)
        (plugin,) = own.provenance["plugins"]
        assert plugin["distribution"] == "salience-tabular", plugin
        assert own.provenance["domain"]["name"] == "tabular"
        salience.explain(model, rows, Tensors(), own.provenance["calculator"])
        print("objects")
        salience.explain(model, rows, "tabular")
    """
    result = python(tmp_path, "-c", f"import os; os.chdir({str(tmp_path)!r})\n{dedent(code)}")
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == ["objects", "loaded"]


@pytest.mark.parametrize(
    ("chosen", "status"),
    [
        ("none", {}),
        ("tabular", {"tabular"}),
        (" tabular , vision,core", {"tabular", "vision"}),
        ("", {"tabular", "vision", "molgraph", *TEMPLATES, "loud"}),
    ],
)
def test_the_environment_chooses_what_is_loaded(
    chosen: str, status: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distribution(tmp_path, "x-loud", f"import sys\n{LOUD.replace(')', ', file=sys.stderr)', 1)}")
    monkeypatch.setenv("SALIENCE_PLUGINS", chosen)
    result = python(tmp_path, *COMMAND, "plugins", "--json")
    assert result.returncode == 0
    records = {record["name"]: record for record in json.loads(result.stdout)}
    assert {n for n, r in records.items() if r["status"] == "registered"} == {"core", *status}
    assert {r["status"] for n, r in records.items() if n not in ("core", *status)} <= {"off"}
    assert ("loaded" in result.stderr) == ("loud" in status)


def points() -> list[Any]:
    dist = SimpleNamespace(name="x-one", version="1", requires=[])
    return [SimpleNamespace(name="one", value="x.plugin", dist=dist, load=lambda: object())]


def test_a_name_in_the_environment_that_is_not_installed_is_said() -> None:
    made = PluginHost(points(), "on")
    assert made.get("calculators", "gradient") is salience.Gradient
    with pytest.raises(InputError, match=r"SALIENCE_PLUGINS='on'.*did you mean 'one'\?"):
        made.get("domains", "other")


def test_a_part_of_a_plugin_that_the_environment_leaves_out_says_so() -> None:
    with pytest.raises(InputError, match="SALIENCE_PLUGINS leaves out the plugin 'one'"):
        PluginHost(points(), "none").get("domains", "one")


def test_a_record_says_which_plugins_were_loaded_and_is_not_run_with_others() -> None:
    pytest.importorskip("salience_tabular")
    model, rows = nn.Linear(3, 2), torch.ones(2, 3)
    made = salience.explain(model, rows, "tabular")
    record = dict(made.provenance)
    assert {"name": "tabular", "distribution": "salience-tabular", "version": "0.2.0"} in record[
        "plugins"
    ]
    again = salience.rerun(model, rows, record)
    assert torch.equal(again.values, made.values)
    record["plugins"] = [{"name": "tabular", "distribution": "someone-s", "version": "1"}]
    with pytest.raises(InputError, match=r"domain 'tabular' of salience-tabular.*someone-s"):
        salience.rerun(model, rows, record)


# --- What reports of faults need ------------------------------------------------------------------


def test_the_doctor_says_what_is_installed_and_keeps_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distribution(tmp_path, "x-raises", "raise RuntimeError('boom')")
    monkeypatch.setenv("MY_PASSWORD", "swordfish")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    text = python(tmp_path, *COMMAND, "doctor")
    found = json.loads(python(tmp_path, *COMMAND, "doctor", "--json").stdout)
    assert text.returncode == 0
    assert "swordfish" not in text.stdout + json.dumps(found)
    assert found["environment"]["OMP_NUM_THREADS"] == "1"
    assert found["versions"]["torch"] == metadata.version("torch")
    assert found["versions"]["salience"] == salience.__version__
    assert "boom" in found["plugins"]["raises"]
    assert found["torch"]["threads"] == 1
    for value in (*found["versions"].values(), *found["plugins"].values()):
        assert re.sub(r" +[\d.]+ ms$", "", value) in text.stdout


def test_the_doctor_works_where_no_plugin_can_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SALIENCE_PLUGINS", "nothing_like_it")
    result = python(None, *COMMAND, "doctor")
    assert result.returncode == 0
    assert "names the plugin 'nothing_like_it', which is not installed" in result.stdout


# --- Hints of packages ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["domains", "visualizers"])
def test_hints_name_the_packages_of_this_repository(kind: str) -> None:
    ours = {r.name: r.distribution for r in host().records if r.distribution[:9] == "salience-"}
    brought = {name: host().provider(kind, name) for name in host().names(kind)}
    brought = {name: dist for name, dist in brought.items() if dist in ours.values()}
    assert {name: package_of(kind, name) for name in names_in_packages(kind)} == brought


@pytest.mark.parametrize(
    ("kind", "name", "package"),
    [
        ("domains", "vision", "salience-vision"),
        ("visualizers", "waterfall", "salience-tabular"),
    ],
)
def test_a_part_of_a_package_that_is_not_installed_is_a_line_away(
    kind: str, name: str, package: str
) -> None:
    with pytest.raises(InputError, match=f"pip install {package}$"):
        PluginHost([]).get(kind, name)


def test_a_reader_that_has_enough_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**options: Any) -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr("salience.cli.plugins.listing.list_plugins", full)
    done = CliRunner().invoke(main, ["plugins"])
    assert (done.exit_code, done.output) == (1, "")
