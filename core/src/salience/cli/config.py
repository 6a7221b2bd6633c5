"""Configs of runs over data sets: TOML, which is read, or written with all parts to choose from."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from salience.errors import InputError, brief, nearest
from salience.plugins import host
from salience.plugins.parts import make, parse

#: Entry of a config → what it is where the config lacks it; ``None`` has no word in TOML.
ENTRIES: Mapping[str, Any] = {
    "model": None,
    "weights": None,
    "data": None,
    "ids": None,
    "labels": None,
    "out": None,
    "domain": None,
    "target": None,
    "output": None,
    "device": None,
    "max_rows": "auto",
    "calculator": "gradient",
    "samplers": [],
    "n_samples": 1,
    "aggregator": "raw",
    "seed": 0,
    "executor": "serial",
    "unit_items": "auto",
    "on_error": "record",
}
_NEEDED = ("model", "data", "out", "domain")
_HEAD = """\
# A run over a data set: edit this, and start it with `salience run CONFIG.toml`.
#
# A config names code: the model, data that is module:name, and parts of plugins. Running a config
# is running that code, so run only configs that you trust.

model = "mymodels:net"    # module:factory that makes the model; modules of the working folder first
# weights = "weights.pt"  # state dict, .pt or .safetensors; without it as the factory makes them
data = "data"             # a folder, a file with a record for each item, or module:name
# ids = "ids.txt"         # a file with an id a line, one for each item
# labels = "labels.txt"   # a file with a label a line, to find items by
out = "run"               # the folder of the run, which goes on where it was stopped
domain = {domain}
{table}
# target = "input"        # or the path of a module
# output = "predicted"    # class:3, cross_entropy, value
# device = "cuda"
max_rows = "auto"         # rows of a forward pass
n_samples = 1             # draws of an item
seed = 0
unit_items = "auto"       # items of a unit
on_error = "record"       # or "raise": stop at the first item that fails
"""
# Kind of part → entry of a config, and what it is set to.
_CHOICES = {
    "calculators": ("calculator", '"gradient"'),
    "samplers": ("samplers", "[]"),
    "aggregators": ("aggregator", '"raw"'),
    "executors": ("executor", '"serial"'),
}


def read_config(path: str) -> dict[str, Any]:
    """The entries of a config, those that it lacks as in :data:`ENTRIES`.

    Raises:
        InputError: It is no TOML, or entries are missing or unknown.
    """
    try:
        given = tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(
            f"{brief(path, 80)} is no TOML ({brief(error)}); `salience run --init` writes one"
        ) from error
    for name in given:
        if name not in ENTRIES:
            raise InputError(f"a config has no entry {name!r}; {nearest(name, ENTRIES)}")
    missing = [name for name in _NEEDED if name not in given]
    if missing:
        raise InputError(
            f"{brief(path, 80)} lacks {', '.join(missing)}; `salience run --init` writes a config "
            f"that has all entries"
        )
    for name in ("model", "weights", "ids", "labels"):
        if name in given and not isinstance(given[name], str):
            raise InputError(
                f"the entry {name} is {brief(given[name])}; pass a text in quotation marks"
            )
    return {**ENTRIES, **given}


def written_config(domain: str) -> str:
    """A config with all installed parts, their settings and defaults, to edit.

    Args:
        domain: The domain, as text.

    Raises:
        InputError: There is no such domain.
    """
    make("domains", domain)
    own = _table("domains", parse(domain)[0])
    table = f"# domain = {own}"
    lines = [_HEAD.replace("{domain}", json.dumps(domain)).replace("{table}", table)]
    for kind, (entry, chosen) in _CHOICES.items():
        lines.append(f"{entry} = {chosen}")
        for name in host().names(kind):
            lines.append(f"# {entry} = {_table(kind, name, several=entry == 'samplers')}")
        lines.append("")
    return "\n".join(lines)


def _table(kind: str, name: str, *, several: bool = False) -> str:
    """A part as a table of TOML with the defaults of its settings; a comment names the others."""
    part = host().get(kind, name)
    own = [f for f in dataclasses.fields(part) if f.init] if dataclasses.is_dataclass(part) else []
    written = {field.name: _toml(field.default) for field in own}
    shown = [f"{setting} = {text}" for setting, text in written.items() if text is not None]
    made = f"{{ {', '.join([f'name = {json.dumps(name)}', *shown])} }}"
    made = f"[{made}]" if several else made
    left = [field for field in own if written[field.name] is None]
    words = []
    for word, is_needed in (("needs", True), ("also", False)):
        names = [f.name for f in left if (f.default is f.default_factory) is is_needed]
        words += [f"{word} {', '.join(names)}"] if names else []
    return f"{made}  # {'; '.join(words)}" if words else made


def _toml(value: Any) -> str | None:
    """A default as it is written in TOML; ``None`` for one that cannot be, such as None."""
    if isinstance(value, bool | int | float | str):
        return json.dumps(value)
    if isinstance(value, tuple | list) and None not in (each := [_toml(v) for v in value]):
        return f"[{', '.join(map(str, each))}]"
    return None
