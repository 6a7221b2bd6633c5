"""Checks of every part: its settings, its pickle, and how light its plugin is."""

from __future__ import annotations

import inspect
import json
import pickle
import subprocess
import sys
from dataclasses import FrozenInstanceError, fields, is_dataclass
from functools import cache
from importlib import metadata
from typing import Any

from torch import Tensor

from salience.aggregators.base import Aggregator
from salience.calculators.base import Calculator
from salience.data.domain import Domain
from salience.errors import an
from salience.hookspecs import GROUP
from salience.plugins.parts import is_placeholder, to_config
from salience.results.files.packing import pack, unpack
from salience.testing.comparing import NotTestedError, expect, same
from salience.testing.subject import Subject
from salience.visualize.visualizer import Visualizer

#: What no plugin imports where it is listed: torch, and packages that plot.
HEAVY = ("torch", "matplotlib", "plotly", "bokeh", "altair", "seaborn", "PIL")

#: Base class of parts → their kind; all other parts with settings are samplers.
_KINDS: dict[type, str] = {
    Domain: "domains",
    Calculator: "calculators",
    Aggregator: "aggregators",
    Visualizer: "visualizers",
}


def is_a_frozen_dataclass(subject: Subject) -> None:
    """The part is a frozen dataclass, whose fields are its settings."""
    part = subject.part
    expect(is_dataclass(part), "it is no dataclass; put @dataclass(frozen=True) above the class")
    frozen: Any = getattr(type(part), "__dataclass_params__", None)
    expect(frozen.frozen, "it is not frozen; put @dataclass(frozen=True) above the class")
    known = {own.name for own in fields(part)}
    for name, annotation in inspect.get_annotations(type(part)).items():
        expect(
            name in known or "ClassVar" in str(annotation),
            f"{name!r} is annotated and no field, since @dataclass(frozen=True) is missing above "
            f"the class",
        )
    for own in fields(part):
        try:
            setattr(part, own.name, getattr(part, own.name))
        except FrozenInstanceError:
            continue
        raise AssertionError(f"its field {own.name!r} can be set; make the dataclass frozen")


def settings_survive_saving(subject: Subject) -> None:
    """The part can be made again from its settings, as a saved file holds them."""
    part = subject.part
    config = to_config(_kind(part), part)
    config.pop("name")
    tensors: dict[str, Tensor] = {}
    read = unpack(json.loads(json.dumps(pack(config, tensors))), tensors)
    held = {name: value for name, value in read.items() if not _is_left_out(value)}
    if len(held) < len(read):
        raise NotTestedError(
            f"the settings {', '.join(sorted(set(read) - set(held)))} are objects, which no file "
            f"holds"
        )
    again = type(part)(**held)
    for name in held:
        one, other = getattr(part, name), getattr(again, name)
        expect(
            same(one, other),
            f"the setting {name!r} is {other!r} after saving, and was {one!r}; use numbers, text, "
            f"tuples and mappings",
        )


def pickles(subject: Subject) -> None:
    """The part can be sent to another process, with all its settings."""
    part = subject.part
    again = pickle.loads(pickle.dumps(part))
    expect(type(again) is type(part), f"it is {an(type(again).__name__)} after pickling")
    if not is_dataclass(part):
        return
    for own in fields(part):
        one, other = getattr(part, own.name), getattr(again, own.name)
        expect(same(one, other), f"its field {own.name!r} is another after pickling")


def plugin_imports_nothing_heavy(subject: Subject) -> None:
    """Listing the part's plugin imports neither torch nor a package that plots."""
    top = type(subject.part).__module__.partition(".")[0]
    points = [p for p in metadata.entry_points(group=GROUP) if p.value.partition(".")[0] == top]
    modules = sorted({point.value.partition(":")[0] for point in points})
    if top == "salience":
        modules = ["salience.plugins.builtin"]
    if not modules:
        raise NotTestedError(
            f"no installed plugin has its entry point in the package {top!r}; install the part's "
            f"distribution"
        )
    for module in modules:
        heavy = _heavy_imports(module)
        expect(
            not heavy,
            f"its plugin module {module} imports {heavy}; name parts as 'module:attr' and import "
            f"nothing but hookimpl",
        )


@cache
def _heavy_imports(module: str) -> str:
    """What of :data:`HEAVY` a module imports, in a process of its own; names, or empty."""
    code = f"import sys, {module}; print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    expect(not done.returncode, f"its plugin module {module} cannot be imported: {done.stderr}")
    return done.stdout.strip()


def _is_left_out(value: Any) -> bool:
    return is_placeholder(value) or (
        isinstance(value, list | tuple) and any(map(is_placeholder, value))
    )


def _kind(part: Any) -> str:
    return next((kind for base, kind in _KINDS.items() if isinstance(part, base)), "samplers")


CHECKS = (
    is_a_frozen_dataclass,
    settings_survive_saving,
    pickles,
    plugin_imports_nothing_heavy,
)
