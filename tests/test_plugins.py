"""Plugins: a broken one costs only itself and says how to mend it; listing them is cheap."""

from __future__ import annotations

import dataclasses
import inspect
import json
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

import salience
from salience import (
    Aggregator,
    Calculator,
    Domain,
    InputError,
    Visualizer,
    hookimpl,
    hookspecs,
)
from salience.plugins import KINDS, PluginHost, host
from salience.samplers.base import NoiseSampler, ParameterSampler, WeightSampler
from tests.distributions import COMMAND, MARKED, distribution, hook, python

GOOD = hook("aggregators", "{'good': 'salience.aggregators.means:Raw'}")


@dataclass(frozen=True)
class Fake:
    """A distribution, and what must be said of it (nothing where all is well)."""

    code: str
    said: tuple[str, ...] = ()
    entry: str = ""
    plugin: str = ""
    requires: str = ""


FAKES: dict[str, Fake] = {
    "x-good": Fake(GOOD),
    "x-raises": Fake("raise RuntimeError('boom')", ("RuntimeError: boom", "mend the plugin")),
    "x-exits": Fake("import sys; sys.exit(3)", ("SystemExit", "mend the plugin")),
    "x-misses": Fake(
        "import no_such_module",
        ("ModuleNotFoundError", "install the missing module 'no_such_module'"),
    ),
    "x-syntax": Fake("def (:", ("SyntaxError", "mend the plugin")),
    "x-nowhere": Fake(GOOD, ("ModuleNotFoundError", "x_elsewhere"), entry="x_elsewhere.plugin"),
    "x-attribute": Fake(GOOD, ("AttributeError", "missing"), entry="x_attribute.plugin:missing"),
    "x-clash": Fake(
        hook("calculators", "{'gradient': 'salience.calculators.gradient:Gradient'}"),
        ("calculator 'gradient'", "already brought by salience", "rename the part"),
    ),
    "x-half": Fake(
        f"{hook('samplers', '''{'half': 'x:Y'}''')}{hook('aggregators', '''{'raw': 'x:Y'}''')}",
        ("aggregator 'raw'", "already brought by salience"),
    ),
    "a-twin": Fake(hook("domains", "{'first twin': 'x:Y'}")),
    "b-twin": Fake(
        hook("domains", "{'second twin': 'x:Y'}"),
        ("already called 'twin'", "rename its entry point"),
    ),
    "x-core": Fake(GOOD, ("already called 'core'",)),
    "x-misspelt": Fake(
        hook("domain", "{}"), ("hook 'salience_domain'", "did you mean 'salience_domains'")
    ),
    "x-odd": Fake(
        f"{MARKED}\n@hookimpl\ndef domains():\n    return {{}}\n",
        ("hook 'domains'", "'salience_domains'"),
    ),
    "x-unmarked": Fake(
        "def salience_domains():\n    return {}\n", ("'salience_domains'", "put @hookimpl above")
    ),
    "x-list": Fake(
        hook("domains", "['one']"), ("salience_domains returned ['one']", "mapping name → class")
    ),
    "x-number": Fake(hook("domains", "{'one': 1}"), ("returned {'one': 1}", "mapping")),
    "x-none": Fake(hook("domains", "None"), ("returned None", "mapping")),
    "x-path": Fake(hook("domains", "{'one': 'no colon'}"), ("'no colon'", '"module:attr"')),
    "x-failing": Fake(hook("domains", "1 / 0"), ("ZeroDivisionError", "mend the plugin")),
    "x-argument": Fake(
        f"{MARKED}\n@hookimpl\ndef salience_domains(config):\n    return {{}}\n",
        ("config",),
    ),
    "x-later": Fake(
        GOOD.replace("good", "later"),
        ("asks for salience>=9", f"{salience.__version__} is installed", "upgrade"),
        requires="salience>=9",
    ),
    "x-earlier": Fake(
        GOOD.replace("good", "earlier"),
        ("asks for salience<0.1", f"{salience.__version__} is installed"),
        requires="salience<0.1",
    ),
    "x-extra": Fake(GOOD.replace("good", "extra"), requires="salience>=9; extra == 'next'"),
    "x-fits": Fake(GOOD.replace("good", "fits"), requires="salience<0.3,>=0.2"),
}


def name_of(fake: str) -> str:
    return FAKES[fake].plugin or fake.rpartition("-")[2]


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all the distributions above."""
    folder = tmp_path_factory.mktemp("broken")
    for name, fake in FAKES.items():
        distribution(
            folder,
            name,
            fake.code,
            entry=fake.entry,
            plugin=fake.plugin,
            requires=fake.requires,
        )
    return folder


@pytest.fixture(scope="module")
def listed(broken: Path) -> list[dict[str, Any]]:
    """What ``salience plugins --json`` prints with all of them installed."""
    result = python(broken, *COMMAND, "plugins", "--json")
    assert result.returncode == 1, result.stderr
    records: list[dict[str, Any]] = json.loads(result.stdout)
    return records


@pytest.mark.parametrize("fake", FAKES)
def test_a_plugin_is_listed_with_what_is_wrong_and_the_mend(
    fake: str, listed: list[dict[str, Any]]
) -> None:
    (record,) = [record for record in listed if record["distribution"] == fake]
    assert set(record) == {
        "name",
        "distribution",
        "version",
        "parts",
        "status",
        "error",
        "milliseconds",
    }
    assert (record["name"], record["version"]) == (name_of(fake), "1.5")
    said = FAKES[fake].said
    if not said:
        assert (record["status"], record["error"]) == ("registered", None)
        assert record["parts"]
        return
    assert (record["status"], record["parts"]) == ("error", {})
    assert f"plugin {name_of(fake)!r} of {fake} 1.5 is left out" in record["error"]
    assert "\n" not in record["error"] and len(record["error"]) <= 300
    for part in said:
        assert part in record["error"]


def test_broken_plugins_cost_only_themselves(listed: list[dict[str, Any]]) -> None:
    well = {
        record["name"]: record["parts"] for record in listed if record["status"] == "registered"
    }
    alone = {record.name: record.parts for record in host().records if record.error is None}
    assert alone.items() <= well.items()
    fakes = {name_of(fake) for fake, about in FAKES.items() if not about.said}
    assert set(well) == {*alone, *fakes}


def test_parts_of_a_plugin_that_is_left_out_are_left_out_together(broken: Path) -> None:
    # One of its two parts clashes; the other must not stay behind.
    code = "from salience.plugins import host; print(host().names('samplers'))"
    assert python(broken, "-c", code).stdout.strip() == str(host().names("samplers"))


def test_the_list_for_people_names_every_plugin_part_and_fault(
    broken: Path, listed: list[dict[str, Any]]
) -> None:
    result = python(broken, *COMMAND, "plugins")
    assert result.returncode == 1
    for record in listed:
        assert f"{record['name']}  {record['distribution']} {record['version']}" in result.stdout
        assert record["error"] is None or record["error"] in result.stdout
        for kind, names in record["parts"].items():
            assert f"{kind}: {', '.join(names)}" in result.stdout


def test_everything_else_works_beside_broken_plugins(broken: Path) -> None:
    code = """
        import salience, torch
        rows = torch.ones(2, 3)
        explainer = salience.Explainer(lambda x: x.sum(1), "tensor", output="value")
        assert explainer.explain(rows, aggregator="good").values.eq(1).all()
        try:
            salience.explain(lambda x: x, rows, "raises")
        except salience.InputError as error:
            print(error)
    """
    result = python(broken, "-c", dedent(code))
    assert result.returncode == 0, result.stderr
    # Whoever asks for a part of a broken plugin is told of that plugin, not of another.
    assert "unknown domain 'raises'" in result.stdout
    assert "plugin 'raises' of x-raises 1.5 is left out" in result.stdout


def test_exit_status_is_0_where_all_is_well(tmp_path: Path) -> None:
    distribution(tmp_path, "x-good", GOOD)
    result = python(tmp_path, *COMMAND, "plugins")
    assert result.returncode == 0, result.stdout
    assert "good  x-good 1.5  registered" in result.stdout
    assert "error" not in result.stdout


def test_the_console_script_runs_the_same_function() -> None:
    from importlib.metadata import entry_points

    (script,) = entry_points(group="console_scripts", name="salience")
    assert script.value == "salience.cli:main"


# --- Listing is cheap ----------------------------------------------------------------------------

HEAVY = ("torch", "numpy", "pandas", "matplotlib", "PIL", "rdkit", "torch_geometric", "tqdm")


@pytest.mark.parametrize("plugin", [record.name for record in host().records])
def test_listing_a_plugin_imports_no_torch_and_no_plotting(plugin: str) -> None:
    code = f"""
        import sys
        from importlib.metadata import entry_points
        from salience import hookimpl
        from salience import hookspecs
        from salience.plugins import PluginHost
        made = PluginHost(p for p in entry_points(group="salience") if p.name == {plugin!r})
        assert [record.error for record in made.records if record.error] == []
        assert {plugin!r} in [record.name for record in made.records]
        print(*(name for name in {HEAVY} if name in sys.modules))
    """
    result = python(None, "-c", dedent(code))
    assert (result.returncode, result.stdout.split()) == (0, []), result.stderr


def test_the_command_that_lists_imports_no_torch_and_no_plotting() -> None:
    code = f"""
        import sys
        from salience.cli import main
        try:
            main(["plugins"])
        finally:
            print(*(name for name in {HEAVY} if name in sys.modules), file=sys.stderr)
    """
    result = python(None, "-c", dedent(code))
    assert result.stderr.split() == []
    assert "core  salience" in result.stdout


# --- The host, without a subprocess --------------------------------------------------------------


def point(name: str, plugin: Any, project: str = "someone-s-plugin") -> Any:
    """An entry point of an installed distribution that loads this object."""
    dist = SimpleNamespace(name=project, version="2.0", requires=["torch", "salience>=0.1"])
    return SimpleNamespace(name=name, value="made.plugin", dist=dist, load=lambda: plugin)


def module(**functions: Any) -> ModuleType:
    made = ModuleType("made_for_the_test")
    vars(made).update(functions)
    return made


def domains(parts: Any) -> ModuleType:
    @hookimpl
    def salience_domains() -> Any:
        return parts

    return module(salience_domains=salience_domains)


@dataclass(frozen=True)
class Own(salience.Tensors):
    """A domain of the test's."""


def test_a_part_may_be_a_class_or_a_path() -> None:
    path = "salience.data.tensors:Tensors"
    made = PluginHost([point("own", domains({"own": Own, "plain": path}))])
    assert made.get("domains", "own") is Own
    assert made.get("domains", "plain") is salience.Tensors
    assert made.name_of("domains", Own) == "own"


def test_the_order_of_installation_does_not_matter() -> None:
    one, other = point("one", domains({"x": Own}), "b"), point("two", domains({"x": Own}), "a")
    for points in ([one, other], [other, one]):
        records = PluginHost(points).records
        assert [(r.distribution, r.error is None) for r in records[1:]] == [
            ("a", True),
            ("b", False),
        ]


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("no_such_module:Part", ("ModuleNotFoundError", "install the missing module")),
        ("salience.data.tensors:Nothing", ("AttributeError", "Nothing")),
        ("salience.data.tensors:ITEM", ("is no class", "salience_domains")),
    ],
)
def test_a_part_that_cannot_be_had_names_its_distribution(
    path: str, parts: tuple[str, ...]
) -> None:
    made = PluginHost([point("own", domains({"own": path}))])
    assert made.records[-1].error is None  # listing imports no parts
    with pytest.raises(InputError) as caught:
        made.get("domains", "own")
    for part in ("domain 'own' of someone-s-plugin", repr(path), *parts):
        assert part in str(caught.value)


def test_a_broken_plugin_of_ours_is_not_offered_for_installation() -> None:
    made = PluginHost([point("vision", None, "salience-vision"), point("x", domains({"x": Own}))])
    made.records[1:] = [
        dataclasses.replace(made.records[1], error="plugin 'vision' is left out: no pillow"),
        *made.records[2:],
    ]
    with pytest.raises(InputError, match="no pillow") as caught:
        made.get("domains", "vision")
    assert "pip install" not in str(caught.value)


def test_an_interrupt_while_plugins_load_is_not_swallowed() -> None:
    def load() -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        PluginHost([SimpleNamespace(name="x", value="x", dist=None, load=load)]).names("domains")


# --- Every hook and every part, of core and of the installed plugins -----------------------------

BASES: dict[str, tuple[type, ...]] = {
    "domains": (Domain,),
    "calculators": (Calculator,),
    "samplers": (NoiseSampler, ParameterSampler, WeightSampler),
    "aggregators": (Aggregator,),
    "visualizers": (Visualizer,),
    "executors": (salience.Executor,),
}
PARTS = [(kind, name) for kind in KINDS for name in host().names(kind)]


def test_every_kind_of_part_has_a_documented_hook() -> None:
    hooks = {name: f for name, f in vars(hookspecs).items() if name.startswith("salience_")}
    assert set(hooks) == {f"salience_{kind}" for kind in KINDS} == {f"salience_{k}" for k in BASES}
    for function in hooks.values():
        assert len(inspect.getdoc(function) or "") > 40
        assert not inspect.signature(function).parameters


def test_no_installed_plugin_is_left_out() -> None:
    assert [record.error for record in host().records if record.error] == []


@pytest.mark.parametrize(("kind", "name"), PARTS)
def test_every_part_is_a_documented_frozen_dataclass(kind: str, name: str) -> None:
    part = host().get(kind, name)
    assert issubclass(part, BASES[kind]) and not inspect.isabstract(part)
    assert dataclasses.is_dataclass(part)
    assert part.__dataclass_params__.frozen  # type: ignore[attr-defined]
    text = vars(part).get("__doc__") or ""
    assert text.strip() and not text.startswith(f"{part.__name__}(")  # not made by dataclass
    for field in dataclasses.fields(part):
        if field.init:
            assert f"{field.name}:" in text or _documented_by_base(part, field.name), field.name
    assert host().name_of(kind, part) == name


def _documented_by_base(part: type, field: str) -> bool:
    """Settings that every part of the kind has are documented once."""
    return any(field in vars(base).get("__annotations__", {}) for base in part.__mro__[1:])


class _Posterior:
    def sample(self) -> dict[str, torch.Tensor]:
        return {}


#: Parameters that have no default.
NEEDED: dict[str, dict[str, Any]] = {
    "ensemble": {"members": ["one.safetensors", "two.safetensors"]},
    "swag": {"checkpoints": ["one.safetensors", "two.safetensors"]},
    "posterior": {"posterior": _Posterior()},
}


@pytest.mark.parametrize(("kind", "name"), PARTS)
def test_every_part_can_be_made_and_recorded_by_name(kind: str, name: str) -> None:
    from salience.plugins.parts import make, to_config

    made = make(kind, name, NEEDED.get(name))
    config = to_config(kind, made)
    assert config["name"] == name
    assert repr(make(kind, config)) == repr(made)


def test_public_names_are_those_of_the_stub() -> None:
    for name in salience.__all__:
        assert getattr(salience, name) is not None
    assert torch.__name__ == "torch"
