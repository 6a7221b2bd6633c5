"""What a plugin brings: its entry point is loaded, and its hooks are checked and called."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

import pluggy
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from salience import hookspecs
from salience.errors import brief, nearest

#: The kinds of parts; each kind has one hook, ``salience_<kind>``.
KINDS = ("domains", "calculators", "samplers", "aggregators", "visualizers", "executors")


@dataclass(frozen=True)
class Offer:
    """The parts that one plugin brings, or why it brings none.

    Args:
        name: Name of the entry point.
        distribution: Name of the installed distribution that contains the plugin.
        version: Version of that distribution.
        parts: Kind → name of a part → its class or ``"module:attr"``.
        error: What is wrong with the plugin and how to mend it; ``None`` where it can be used.
        seconds: Time that loading the entry point and calling the hooks took.
        imported: Packages that this brought in, without Python's own and that of the plugin.
    """

    name: str
    distribution: str
    version: str
    parts: Mapping[str, Mapping[str, type | str]] = field(default_factory=dict)
    error: str | None = None
    seconds: float = 0.0
    imported: tuple[str, ...] = ()


class _RefusedError(Exception):
    """Raised for a plugin that cannot be used; the message says why and how to mend it."""


def distribution_of(point: metadata.EntryPoint) -> tuple[str, str]:
    """Name and version of the distribution that has an entry point."""
    if point.dist is None:
        return "an unknown distribution", "?"
    return point.dist.name, point.dist.version


def load(point: metadata.EntryPoint) -> Offer:
    """Load the plugin of an entry point; its faults are said in the offer and not raised."""
    return offered(point.name, *distribution_of(point), point.load, point)


def offered(
    name: str,
    distribution: str,
    version: str,
    plugin: Callable[[], Any],
    point: metadata.EntryPoint | None = None,
) -> Offer:
    """The parts of a plugin, which is loaded here.

    Args:
        name: Name of the plugin.
        distribution: Name of its distribution.
        version: Version of its distribution.
        plugin: Loads the object that has the hooks.
        point: The entry point, whose distribution names the versions of salience that it needs;
            ``None`` for core's own parts.
    """
    before, began = _packages(), time.perf_counter()
    parts, error = {}, None
    try:
        _check_core_version(point)
        parts = _parts(plugin())
    except (Exception, SystemExit) as raised:  # a faulty plugin must not affect the others
        error = str(raised) if isinstance(raised, _RefusedError) else import_error(raised)
    seconds = time.perf_counter() - began
    own = "salience" if point is None else re.split("[.:]", point.value)[0]
    imported = tuple(sorted(_packages() - before - {own}))
    return Offer(
        name,
        distribution,
        version,
        parts=parts,
        error=error,
        seconds=seconds,
        imported=imported,
    )


def import_error(error: BaseException) -> str:
    """What an import raised, and how to mend it, as the end of a sentence."""
    raised = type(error).__name__
    if isinstance(error, ModuleNotFoundError):
        return f"it raised {raised}: {brief(error)}; install the missing module {error.name!r}"
    return f"it raised {raised}: {brief(error)}; mend the plugin or uninstall it"


def _packages() -> set[str]:
    """Names of the packages that are imported, without those of Python's own library."""
    return {name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names


def _parts(plugin: Any) -> dict[str, Mapping[str, type | str]]:
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(hookspecs)
    _check_hooks(manager, plugin)
    parts = {kind: _call_hook(plugin, kind) for kind in KINDS}
    manager.register(plugin)  # pluggy refuses hooks whose parameters are not those of the spec
    return parts


def _check_core_version(point: metadata.EntryPoint | None) -> None:
    if point is None or point.dist is None:
        return
    installed = metadata.version("salience")
    for line in point.dist.requires or ():
        requirement = Requirement(line)
        if canonicalize_name(requirement.name) != "salience":
            continue
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        if not requirement.specifier.contains(installed, prereleases=True):
            raise _RefusedError(
                f"it asks for salience{requirement.specifier}, but {installed} is installed; "
                f"upgrade the one that is older"
            )


def _check_hooks(manager: pluggy.PluginManager, plugin: Any) -> None:
    known = [name for name in vars(hookspecs) if name.startswith("salience_")]
    for name in dir(plugin):
        marked = manager.parse_hookimpl_opts(plugin, name) is not None
        looks_like_one = name.startswith("salience_") and callable(getattr(plugin, name))
        if (marked or looks_like_one) and name not in known:
            raise _RefusedError(
                f"it has a hook {name!r} that salience does not; {nearest(name, known)}"
            )
        if looks_like_one and not marked:
            raise _RefusedError(f"its hook {name!r} is not marked; put @hookimpl above it")


def _call_hook(plugin: Any, kind: str) -> Mapping[str, type | str]:
    hook = getattr(plugin, f"salience_{kind}", None)
    if hook is None:
        return {}
    parts = hook()
    good = isinstance(parts, Mapping) and all(
        isinstance(name, str)
        and (isinstance(part, type) or (isinstance(part, str) and part.count(":") == 1))
        for name, part in parts.items()
    )
    if not good:
        raise _RefusedError(
            f"its hook salience_{kind} returned {brief(parts)}; "
            f'let it return a mapping name → class or "module:attr"'
        )
    checked: Mapping[str, type | str] = parts
    return checked
