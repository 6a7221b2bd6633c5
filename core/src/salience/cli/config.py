"""Configs of runs over data sets: TOML, which is read, or written with all parts to choose from."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from salience.errors import InputError, brief, nearest
from salience.plugins import host
from salience.plugins.parts import make

#: Entry of a config → what it is where the config lacks it; ``None`` has no word in TOML.
ENTRIES: Mapping[str, Any] = {
    "model": None,
    "weights": None,
    "data": None,
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
out = "run"               # the folder of the run, which goes on where it was stopped
domain = {domain}
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
        given = tomllib.loads(Path(path).read_text(encoding="utf-8"))
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
    for name in ("model", "weights"):
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
    lines = [_HEAD.replace("{domain}", json.dumps(domain))]
    for kind, (entry, chosen) in _CHOICES.items():
        lines.append(f"{entry} = {chosen}")
        shown = "[{table}]" if entry == "samplers" else "{table}"
        for name in host().names(kind):
            table = ", ".join([f'name = "{name}"', *_settings(host().get(kind, name))])
            lines.append(f"# {entry} = " + shown.replace("table", f" {table} "))
        lines.append("")
    return "\n".join(lines)


def _settings(part: type) -> Iterator[str]:
    """Settings of a part with their defaults; those that have none in TOML are named only."""
    if not dataclasses.is_dataclass(part):
        return
    for field in dataclasses.fields(part):
        if not field.init:
            continue
        default = field.default
        if isinstance(default, bool | int | float | str):
            yield f"{field.name} = {json.dumps(default)}"
        elif isinstance(default, tuple) and all(isinstance(x, int | float | str) for x in default):
            yield f"{field.name} = {json.dumps(list(default))}"
        else:
            yield f"{field.name} = …"
