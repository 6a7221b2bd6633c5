"""The plugin host: loads plugins from entry points and isolates broken plugins from the others.

pluggy's own loading stops at the first plugin that fails and silently skips duplicates. Therefore
the plugin host loads the entry points one by one.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from typing import Any

import pluggy
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from salience import hookspecs
from salience.errors import InputError, brief, nearest
from salience.plugins import builtin
from salience.plugins.words import what_to_write

#: The kinds of parts; each kind has one hook, ``salience_<kind>``.
KINDS = ("domains", "calculators", "samplers", "aggregators", "visualizers", "executors")

# Domain → the package of the salience project that provides it, named in error messages.
_PACKAGES = {
    "tabular": "salience-tabular",
    "vision": "salience-vision",
    "molgraph": "salience-molgraph",
    "spectra": "salience-template",
}


@dataclass(frozen=True)
class PluginRecord:
    """What is known about one installed plugin, be it registered or left out.

    Args:
        name: Name of the entry point.
        distribution: Name of the installed distribution that contains the plugin.
        version: Version of that distribution.
        parts: Kind → names of the plugin's parts; empty where the plugin is left out.
        error: Why the plugin is left out and how to mend it; ``None`` where it is registered.
    """

    name: str
    distribution: str
    version: str
    parts: Mapping[str, list[str]] = field(default_factory=dict)
    error: str | None = None


class PluginHost:
    """Registry of plugins and of the parts that they bring.

    Args:
        entry_points: Entry points of the group ``salience``, in any order.
    """

    def __init__(self, entry_points: Iterable[metadata.EntryPoint]) -> None:
        self._manager = pluggy.PluginManager(hookspecs.GROUP)
        self._manager.add_hookspecs(hookspecs)
        self._parts: dict[str, dict[str, type | str]] = {kind: {} for kind in KINDS}
        self._providers: dict[tuple[str, str], str] = {}
        self.records: list[PluginRecord] = []
        self._add("core", "salience", metadata.version("salience"), lambda: builtin)
        for point in sorted(entry_points, key=lambda p: (_distribution(p)[0], p.name)):
            self._add(point.name, *_distribution(point), point.load, point)

    def names(self, kind: str) -> list[str]:
        """Sorted names of the registered parts of one kind."""
        return sorted(self._parts[kind])

    def get(self, kind: str, name: str) -> type:
        """The class of a part, imported on first use.

        Raises:
            InputError: No plugin brings the part, or its class cannot be imported.
        """
        if name not in self._parts[kind]:
            raise InputError(self._unknown(kind, name))
        part = self._parts[kind][name]
        if isinstance(part, str):
            part = self._import(kind, name, part)
            self._parts[kind][name] = part
        return part

    def name_of(self, kind: str, cls: type) -> str | None:
        """The name under which a class is registered as a part of this kind, or ``None``."""
        path = f"{cls.__module__}:{cls.__qualname__}"
        for name, part in self._parts[kind].items():
            if part is cls or part == path:
                return name
        # The registered path may be another than that of the module that defines the class.
        for name in self._parts[kind]:
            if self._providers[kind, name] != "salience" and self.get(kind, name) is cls:
                return name
        return None

    def _add(
        self,
        name: str,
        distribution: str,
        version: str,
        load: Any,
        point: metadata.EntryPoint | None = None,
    ) -> None:
        try:
            _check_core_version(point)
            parts = self._register(name, distribution, load())
        except (Exception, SystemExit) as error:  # a faulty plugin must not affect the others
            reason = str(error) if isinstance(error, _RefusedError) else _import_error(error)
            text = f"plugin {name!r} of {distribution} {version} is left out: {reason}"
            self.records.append(PluginRecord(name, distribution, version, error=text))
        else:
            self.records.append(PluginRecord(name, distribution, version, parts))

    def _register(self, name: str, distribution: str, plugin: Any) -> dict[str, list[str]]:
        if self._manager.has_plugin(name):
            raise _RefusedError(
                f"another plugin is already called {name!r}; uninstall one of the two, "
                f"or rename its entry point"
            )
        _check_hooks(self._manager, plugin)
        offered = {kind: _call_hook(plugin, kind) for kind in KINDS}
        for kind, parts in offered.items():
            for part in parts:
                if part in self._parts[kind]:
                    raise _RefusedError(
                        f"its {kind[:-1]} {part!r} is already brought by "
                        f"{self._providers[kind, part]}; uninstall one of the two, "
                        f"or rename the part in its salience_{kind} hook"
                    )
        self._manager.register(plugin, name)
        for kind, parts in offered.items():
            self._parts[kind].update(parts)
            self._providers.update({(kind, part): distribution for part in parts})
        return {kind: sorted(parts) for kind, parts in offered.items() if parts}

    def _import(self, kind: str, name: str, path: str) -> type:
        module, _, attribute = path.partition(":")
        provider = self._providers[kind, name]
        try:
            part = getattr(importlib.import_module(module), attribute)
        except (Exception, SystemExit) as error:
            raise InputError(
                f"the {kind[:-1]} {name!r} of {provider} cannot be imported from {path!r}: "
                f"{_import_error(error)}"
            ) from error
        if not isinstance(part, type):
            raise InputError(
                f"the {kind[:-1]} {name!r} of {provider} is no class: {path!r} is {part!r}; "
                f"let its salience_{kind} hook name a class"
            )
        return part

    def _unknown(self, kind: str, name: str) -> str:
        text = f"unknown {kind[:-1]} {name!r}; installed are: {', '.join(self.names(kind))}"
        if written := what_to_write(name):
            return f"{text}; {written}"
        package = _PACKAGES.get(name, "") if kind == "domains" else ""
        broken = [r.error for r in self.records if r.error]
        for record in self.records:
            if record.error and (record.name == name or record.distribution == package):
                return f"{text}; {record.error}"
        if package:
            return f"{text}; install this one by: pip install {package}"
        if broken:
            text += f"; {broken[0]}" + (f" (and {len(broken) - 1} more)" if broken[1:] else "")
            return text
        offers = [*self.names(kind), *(_PACKAGES if kind == "domains" else ())]
        return f"{text}; {nearest(name, offers)}"


@cache
def host() -> PluginHost:
    """The plugin host of this process, made on first use."""
    return PluginHost(metadata.entry_points(group=hookspecs.GROUP))


class _RefusedError(Exception):
    """Raised for a plugin that cannot be registered; the message says why and how to mend it."""


def _distribution(point: metadata.EntryPoint) -> tuple[str, str]:
    if point.dist is None:
        return "an unknown distribution", "?"
    return point.dist.name, point.dist.version


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


def _import_error(error: BaseException) -> str:
    text = f"it raised {type(error).__name__}: {brief(error)}"
    if isinstance(error, ModuleNotFoundError):
        return f"{text}; install the missing module {error.name!r}"
    return f"{text}; mend the plugin or uninstall it"
