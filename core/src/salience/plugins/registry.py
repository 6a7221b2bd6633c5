"""The plugin host: loads plugins from entry points and isolates broken plugins from the others.

pluggy's own loading stops at the first plugin that fails and silently skips duplicates. Therefore
the plugin host loads the entry points one by one. It does so when a part is wanted that is not
core's own: what is not needed is not imported, and cannot change anything.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import metadata
from threading import RLock

from salience import hookspecs
from salience.errors import InputError, brief, nearest
from salience.plugins import builtin
from salience.plugins.bases import fault_of
from salience.plugins.offers import KINDS, Offer, distribution_of, import_error, load, offered
from salience.plugins.packages import names_in_packages, package_of
from salience.plugins.words import what_to_write

#: Names the entry points that are loaded, as in ``tabular,vision``; ``none`` loads core's parts.
VARIABLE = "SALIENCE_PLUGINS"


@dataclass(frozen=True)
class PluginRecord:
    """What is known about one installed plugin, be it registered or left out.

    Args:
        name: Name of the entry point.
        distribution: Name of the installed distribution that contains the plugin.
        version: Version of that distribution.
        parts: Kind → names of the plugin's parts; empty where the plugin is left out.
        error: Why the plugin is left out and how to mend it; ``None`` where nothing is wrong.
        off: Whether ``SALIENCE_PLUGINS`` leaves it out.
        seconds: Time that loading it took.
        imported: Packages that loading it brought in, without Python's own and that of the plugin.
    """

    name: str
    distribution: str
    version: str
    parts: Mapping[str, list[str]] = field(default_factory=dict)
    error: str | None = None
    off: bool = False
    seconds: float = 0.0
    imported: tuple[str, ...] = ()

    @property
    def status(self) -> str:
        """``"registered"``, ``"off"`` where SALIENCE_PLUGINS leaves it out, or ``"error"``."""
        return "error" if self.error else "off" if self.off else "registered"


class PluginHost:
    """Registry of plugins and of the parts that they bring.

    Core's own parts are there at once. The entry points are loaded when another part, or the list
    of all of them, is asked for.

    Args:
        entry_points: Entry points of the group ``salience``, in any order.
        chosen: Names of the entry points that may be loaded, separated by commas, or ``"none"``;
            all of them where ``None`` or empty.
    """

    def __init__(
        self, entry_points: Iterable[metadata.EntryPoint], chosen: str | None = None
    ) -> None:
        self._points = sorted(entry_points, key=lambda p: (distribution_of(p)[0], p.name))
        self._chosen = chosen or None
        self._offers: dict[int, Offer] = {}
        self._parts: dict[str, dict[str, type | str]] = {kind: {} for kind in KINDS}
        self._providers: dict[tuple[str, str], str] = {}
        self._records: list[PluginRecord] = []
        self._lock, self._complete = RLock(), False
        core = offered("core", "salience", metadata.version("salience"), lambda: builtin)
        self._add(core)

    @property
    def records(self) -> list[PluginRecord]:
        """What is known about core's parts and each plugin, all of which are loaded.

        Raises:
            InputError: SALIENCE_PLUGINS names a plugin that is not installed.
        """
        self._load()
        return self._records

    def loaded(self) -> list[Offer]:
        """The plugins that were loaded so far without an error, core's own parts not among them."""
        offers = (self._offers[at] for at in sorted(self._offers))
        return [offer for offer in offers if offer.error is None]

    def names(self, kind: str) -> list[str]:
        """Sorted names of the registered parts of one kind."""
        self._load()
        return sorted(self._parts[kind])

    def get(self, kind: str, name: str) -> type:
        """The class of a part, imported on first use.

        Raises:
            InputError: No plugin brings the part, or its class cannot be imported or is of no use.
        """
        if name not in self._parts[kind]:
            self._load()
        if name not in self._parts[kind]:
            raise InputError(self._unknown(kind, name))
        part = self._parts[kind][name]
        if isinstance(part, str):
            part = self._import(kind, name, part)
            self._parts[kind][name] = part
        if fault := fault_of(kind, part):
            raise InputError(f"{self._called(kind, name)} cannot be used: {fault}")
        return part

    def provider(self, kind: str, name: str) -> str | None:
        """The distribution that brings a part; ``None`` where no part has the name."""
        if name not in self._parts[kind]:
            self._load()
        return self._providers.get((kind, name))

    def name_of(self, kind: str, cls: type) -> str | None:
        """The name under which a class is registered as a part of this kind, or ``None``.

        Of the plugins that are not loaded, only those of the package that holds the class are.
        """
        package = cls.__module__.partition(".")[0]
        parts = self._parts_near(kind, package)
        path = f"{cls.__module__}:{cls.__qualname__}"
        for name, part in parts.items():
            if part is cls or part == path:
                return name
        # The registered path may be another than that of the module that defines the class.
        for name, part in parts.items():
            if isinstance(part, str) and _attribute(part, package) is cls:
                return name
        return None

    def _parts_near(self, kind: str, package: str) -> Mapping[str, type | str]:
        """The registered parts, with those that plugins of a package bring."""
        with self._lock:
            if self._complete or package == "salience":
                return self._parts[kind]
            found = dict(self._parts[kind])
            for at, point in enumerate(self._points):
                near = re.split("[.:]", point.value)[0] == package
                if near and self._is_chosen(point.name):
                    found = {**self._offer(at).parts.get(kind, {}), **found}
            return found

    def _offer(self, at: int) -> Offer:
        if at not in self._offers:
            self._offers[at] = load(self._points[at])
        return self._offers[at]

    def _is_chosen(self, name: str) -> bool:
        return self._chosen is None or name in _names(self._chosen)

    def _load(self) -> None:
        """Load and register all plugins that may be."""
        with self._lock:
            if self._complete:
                return
            self._check_chosen()
            self._complete = True  # a plugin may ask for parts while it is loaded
            try:
                points = enumerate(self._points)
                offers = [self._offer(at) if self._is_chosen(p.name) else p for at, p in points]
            except BaseException:
                self._complete = False
                raise
            for offer in offers:
                if isinstance(offer, Offer):
                    self._add(offer)
                else:
                    about = (offer.name, *distribution_of(offer))
                    self._records.append(PluginRecord(*about, off=True))

    def _check_chosen(self) -> None:
        installed = {"core", *(point.name for point in self._points)}
        for name in _names(self._chosen or ""):
            if name not in installed:
                raise InputError(
                    f"{VARIABLE}={brief(self._chosen, 60)} names the plugin {brief(name, 40)}, "
                    f"which is not installed; {nearest(name, installed)} Write names separated by "
                    f"commas, or none"
                )

    def _add(self, offer: Offer) -> None:
        about = (offer.name, offer.distribution, offer.version)
        record = PluginRecord(*about, seconds=offer.seconds, imported=offer.imported)
        reason = offer.error or self._clash(offer, {other.name for other in self._records})
        if reason:
            text = f"plugin {offer.name!r} of {offer.distribution} {offer.version} is left out: "
            self._records.append(replace(record, error=text + reason))
            return
        for kind, parts in offer.parts.items():
            self._parts[kind].update(parts)
            self._providers.update({(kind, part): offer.distribution for part in parts})
        names = {kind: sorted(parts) for kind, parts in offer.parts.items() if parts}
        self._records.append(replace(record, parts=names))

    def _clash(self, offer: Offer, taken: Iterable[str]) -> str | None:
        """What the plugin calls as another one is called, and the mend; ``None`` where nothing."""
        if offer.name in taken:
            return (
                f"another plugin is already called {offer.name!r}; uninstall one of the two, "
                f"or rename its entry point"
            )
        for kind, parts in offer.parts.items():
            for part in parts:
                if part in self._parts[kind]:
                    return (
                        f"its {kind[:-1]} {part!r} is already brought by "
                        f"{self._providers[kind, part]}; uninstall one of the two, "
                        f"or rename the part in its salience_{kind} hook"
                    )
        return None

    def _import(self, kind: str, name: str, path: str) -> type:
        module, _, attribute = path.partition(":")
        what = self._called(kind, name)
        try:
            part = getattr(importlib.import_module(module), attribute)
        except (Exception, SystemExit) as error:
            raise InputError(
                f"{what} cannot be imported from {path!r}: {import_error(error)}"
            ) from error
        if not isinstance(part, type):
            raise InputError(
                f"{what} is no class: {path!r} is {part!r}; "
                f"let its salience_{kind} hook name a class"
            )
        return part

    def _called(self, kind: str, name: str) -> str:
        return f"the {kind[:-1]} {name!r} of {self._providers.get((kind, name))}"

    def _unknown(self, kind: str, name: str) -> str:
        installed = ", ".join(self.names(kind))
        mend = what_to_write(name) or self._missing(kind, name)
        return f"unknown {kind[:-1]} {name!r}; installed are: {installed}; {mend}"

    def _missing(self, kind: str, name: str) -> str:
        """Why a part is not there, and the mend, as the end of a sentence."""
        package = package_of(kind, name)
        for record in self.records:
            if name != record.name and record.distribution != package:
                continue
            if record.off:
                return f"{VARIABLE} leaves out the plugin {record.name!r}; name it there"
            if record.error:
                return record.error
        if package:
            return f"install this one by: pip install {package}"
        return self._others(name, [*self.names(kind), *names_in_packages(kind)])

    def _others(self, name: str, offers: Sequence[str]) -> str:
        """What else may be the reason that a name is unknown."""
        if broken := [record.error for record in self.records if record.error]:
            return broken[0] + (f" (and {len(broken) - 1} more)" if broken[1:] else "")
        if off := [record.name for record in self.records if record.off]:
            return f"{nearest(name, offers)} {VARIABLE} leaves out {', '.join(off)}"
        close = nearest(name, offers)
        return close if close.endswith("?") else "pass one of these, or an object"


@cache
def host() -> PluginHost:
    """The plugin host of this process, made on first use."""
    points = metadata.entry_points(group=hookspecs.GROUP)
    return PluginHost(points, os.environ.get(VARIABLE, "").strip())


def _names(chosen: str) -> Iterator[str]:
    names = [name.strip() for name in chosen.split(",")]
    yield from () if names == ["none"] else filter(None, names)


def _attribute(path: str, package: str) -> object:
    """What a path names, where importing it brings in nothing new; else ``None``."""
    module, _, attribute = path.partition(":")
    if module not in sys.modules and module.partition(".")[0] != package:
        return None
    try:
        return getattr(importlib.import_module(module), attribute, None)
    except (Exception, SystemExit):  # a part that cannot be imported is told of when it is used
        return None
