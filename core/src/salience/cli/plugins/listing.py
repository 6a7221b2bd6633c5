"""What ``salience plugins`` prints: plugins with their parts, what cannot be used, what is slow."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import click

from salience.errors import InputError, brief, nearest
from salience.plugins import PluginRecord, host

# Loading an entry point that imports nothing heavy takes a millisecond or two.
_SLOW = 0.05


@dataclass(frozen=True)
class Checked:
    """A part that was imported and looked at.

    Args:
        kind: Kind of the part.
        name: Its name.
        error: Why it cannot be used and how to mend it; ``None`` where it can be used.
    """

    kind: str
    name: str
    error: str | None


def list_plugins(*, name: str | None, check: bool, timed: bool, as_json: bool) -> bool:
    """Print the plugins; the arguments are the command's options.

    Returns:
        Whether no plugin has an error and, where they are checked, every part can be used.

    Raises:
        InputError: There is no such plugin, or SALIENCE_PLUGINS names one that is not installed.
    """
    records = _named(host().records, name)
    checked = [_checked(record) if check else [] for record in records]
    if as_json:
        found = [_json(*pair, check=check) for pair in zip(records, checked, strict=True)]
        click.echo(json.dumps(found, indent=2))
    else:
        if check or not timed:
            for record, parts in zip(records, checked, strict=True):
                _print(record, parts, check=check)
        if timed:
            _print_times(records)
    faults = [part for parts in checked for part in parts if part.error]
    return not faults and not any(record.error for record in records)


def fault_of_part(kind: str, name: str) -> str | None:
    """Why a registered part cannot be used and how to mend it; ``None`` where it can.

    Its class is imported, must be derived from the base class of its kind and define all that this
    leaves open, and must have a name, and names of parameters, that records and the command line
    can hold. A domain's visualizer must be there.
    """
    try:
        cls = host().get(kind, name)
    except InputError as error:
        return str(error)
    if not name or name != name.strip() or any(sign in name for sign in ":("):
        return "a name is not empty and has no colon, no bracket and no spaces around; rename it"
    if is_dataclass(cls) and any(field.name == "name" for field in fields(cls)):
        return "its parameter 'name' would take the place of its own name; rename the parameter"
    return _fault_of_visualizer(cls) if kind == "domains" else None


def _fault_of_visualizer(domain: Any) -> str | None:
    if not hasattr(domain, "visualizer"):
        return "it names no visualizer; set visualizer to a name, or to '' where it has none"
    if not isinstance(domain.visualizer, str) or not domain.visualizer:
        return None
    try:
        host().get("visualizers", domain.visualizer)
    except InputError as error:
        return f"its visualizer cannot be had: {error}"
    return None


def _named(records: Sequence[PluginRecord], name: str | None) -> Sequence[PluginRecord]:
    found = [record for record in records if name in (None, record.name)]
    if not found:
        known = [record.name for record in records]
        raise InputError(f"no plugin is called {brief(name, 60)}; {nearest(name, known)}")
    return found


def _checked(record: PluginRecord) -> list[Checked]:
    return [
        Checked(kind, name, fault_of_part(kind, name))
        for kind, names in record.parts.items()
        for name in names
    ]


def _json(record: PluginRecord, parts: Sequence[Checked], *, check: bool) -> dict[str, Any]:
    found = {
        "name": record.name,
        "distribution": record.distribution,
        "version": record.version,
        "parts": dict(record.parts),
        "status": record.status,
        "error": record.error,
        "milliseconds": round(1000 * record.seconds, 2),
    }
    return found | ({"checked": [vars(part) for part in parts]} if check else {})


def _print(record: PluginRecord, parts: Sequence[Checked], *, check: bool) -> None:
    colour = {"error": "red", "off": "yellow"}.get(record.status, "green")
    status = click.style(record.status, fg=colour)
    click.echo(f"{record.name}  {record.distribution} {record.version}  {status}")
    for part in parts:
        word = click.style("error", fg="red") if part.error else click.style("ok", fg="green")
        click.echo(f"  {part.kind[:-1]} {part.name}  {word}")
        if part.error:
            click.echo(f"    {part.error}")
    if not check:
        for kind, names in record.parts.items():
            click.echo(f"  {kind}: {', '.join(names)}")
    if record.error:
        click.echo(f"  {record.error}")


def _print_times(records: Sequence[PluginRecord]) -> None:
    for record in sorted(records, key=lambda record: -record.seconds):
        line = f"{1000 * record.seconds:9.1f} ms  {record.name}  {record.distribution}"
        if record.imported:
            line += f"  imports {', '.join(record.imported)}"
        if record.seconds > _SLOW:
            line += f"  {click.style('slow', fg='red')}: let its module import nothing but hookimpl"
        click.echo(line)
