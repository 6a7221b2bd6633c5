"""The manifest: what a run computes of what; it is written once, and a run that differs refused."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from salience.engine.record import named_parts, record
from salience.engine.request import Request
from salience.errors import InputError, brief
from salience.plugins import host
from salience.plugins.parts import placeholder
from salience.results.files.packing import pack
from salience.runs.fingerprints.files import of_files
from salience.runs.fingerprints.models import of_model
from salience.runs.fingerprints.values import of_values
from salience.runs.ranges import Bounds
from salience.runs.sources.base import Source

FORMAT = 1
# Digits of the fingerprint of a function or an object among the settings.
_DIGITS = 16
#: What a pilot finds out where the user leaves it open; an earlier run of the folder decides.
OPEN = ("unit_items", "max_rows", "threads", "first")


@dataclass(frozen=True)
class Manifest:
    """What a run computes of what.

    Args:
        entries: Name → value, of types of JSON.
    """

    entries: Mapping[str, Any]

    @staticmethod
    def of(request: Request, source: Source, **others: Any) -> Manifest:
        """The manifest of a run.

        Args:
            request: What is computed, as the user asked for it.
            source: The data.
            **others: ``ids`` and ``labels``, and what is in :data:`OPEN`.
        """
        own = record(request)
        own.pop("notices", None)
        # Which plugins were loaded besides depends on what the program did before.
        own.pop("plugins")
        used = {"salience", "torch", *_distributions(own)}
        versions = {name: v for name, v in own.pop("versions").items() if name in used}
        tensors: dict[str, Any] = {}
        weights = [_weights(sampler) for sampler in request.samplers]
        own["samplers"] = list(map(_without_folders, own["samplers"], request.samplers))
        parts = pack(own, tensors, other=_told_apart)
        return Manifest(
            {
                "format": FORMAT,
                "model": {"class": own.pop("model"), **of_model(request.settings.model)},
                "data": source.identity(),
                "parts": {name: value for name, value in parts.items() if name != "model"},
                "parts_sha256": of_values([list(tensors.values()), weights]),
                "devices": sorted({str(device).split(":")[0] for device in own_devices(request)}),
                "speedups": sorted(request.settings.speedups),
                "ids": None if others["ids"] is None else of_values(others["ids"]),
                "labels": None if others["labels"] is None else of_values(others["labels"]),
                **{name: others[name] for name in OPEN},
                "versions": versions,
            }
        )

    @property
    def bounds(self) -> Bounds:
        """The units."""
        return Bounds(self.entries["data"]["n_items"], self.entries["unit_items"])

    def having(self, **found: Any) -> Manifest:
        """This manifest with what a pilot found."""
        return Manifest({**self.entries, **found})

    def text(self) -> str:
        """The manifest as JSON."""
        return json.dumps(self.entries, indent=1, ensure_ascii=False, default=str) + "\n"

    def fitted(self, earlier: Manifest) -> Manifest:
        """This manifest, with what is open as in an earlier one.

        Raises:
            InputError: The two differ; the first entry that does is named.
        """
        found = {n: earlier.entries.get(n) for n in OPEN if self.entries[n] in ("auto", None)}
        made = self.having(**found)
        mine, its = (dict(_flat(m.entries)) for m in (_read(made.text()), earlier))
        for name in [*its, *(n for n in mine if n not in its)]:
            if mine.get(name) != its.get(name):
                raise InputError(
                    f"the run in this folder has {name} = {brief(its.get(name), 80)}, this one "
                    f"{brief(mine.get(name), 80)}; pass the same, or another folder"
                )
        return made


def _distributions(record: Mapping[str, Any]) -> Iterator[str]:
    """The distributions of plugins that bring parts of a record."""
    for kind, name in named_parts(record):
        for plugin in host().loaded():
            if name in plugin.parts.get(kind, ()):
                yield plugin.distribution


def own_devices(request: Request) -> tuple[torch.device, ...]:
    """The devices of a request; that of the model's weights where none is named."""
    model = request.settings.model
    weights = model.parameters() if isinstance(model, nn.Module) else iter(())
    own = next((value.device for value in weights), torch.device("cpu"))
    return tuple(own if device is None else device for device in request.settings.devices)


def load(path: Path) -> Manifest | None:
    """The manifest in a file; ``None`` where there is no file.

    Raises:
        InputError: It is no manifest, or one of another version.
    """
    try:
        found = _read(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise InputError(
            f"{brief(str(path), 80)} is no manifest of a run ({brief(error, 60)}); pass another "
            f"folder"
        ) from error
    if found.entries.get("format") != FORMAT:
        raise InputError(
            f"{brief(str(path), 80)} has format {brief(found.entries.get('format'))}, this "
            f"salience reads {FORMAT}; use the version of salience that wrote it"
        )
    return found


def _read(text: str) -> Manifest:
    entries = json.loads(text)
    if not isinstance(entries, dict):
        raise ValueError("it holds no mapping")
    return Manifest(entries)


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, value


def _told_apart(value: Any) -> str:
    """What stands for an object that a record cannot hold: its name, and its fingerprint."""
    name = getattr(value, "__qualname__", type(value).__qualname__)
    with suppress(Exception):  # it may hold what cannot be told from others, such as an open file
        name += f" {of_values(value)[:_DIGITS]}"
    return placeholder(name)


def _weights(sampler: Any) -> list[Any]:
    """What tells the weights that a sampler holds from others."""
    return [_state(value) for name in _holding(sampler) for value in getattr(sampler, name)]


def _holding(sampler: Any) -> list[str]:
    """Names of the settings of a sampler that hold weights."""
    own = fields(sampler) if is_dataclass(sampler) else ()
    return [f.name for f in own if f.metadata.get("weights")]


def _without_folders(config: Mapping[str, Any], sampler: Any) -> dict[str, Any]:
    """A sampler's record with names of files of weights, of which the contents count besides."""
    names = {
        name: [Path(v).name if isinstance(v, str | Path) else v for v in config[name]]
        for name in _holding(sampler)
        if isinstance(config.get(name), list | tuple)
    }
    return {**config, **names}


def _state(value: Any) -> Any:
    if isinstance(value, nn.Module):
        return of_model(value)
    return of_files([Path(value)]) if isinstance(value, str | Path) else of_values(value)
