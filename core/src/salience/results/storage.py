"""Saving and loading explanations: one safetensors file with a JSON header, without pickle.

Tensors among the data of the header (images in annotations, baselines in the provenance) are
replaced by ``{"$tensor": name}`` and stored as tensors of the file. An object that JSON cannot
hold, such as a function, is replaced by a placeholder that names it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialize
from torch import Tensor

from salience.data.domain import Domain
from salience.data.grid import Grid
from salience.data.per_item import Mean, PerItem
from salience.errors import InputError, brief
from salience.naming import is_file
from salience.plugins.parts import is_placeholder, make, placeholder, to_config
from salience.results.design import Design
from salience.results.items import COLUMNS
from salience.results.saliency import Saliency
from salience.support.files import write_whole

_KEY = "salience"
_FORMAT = 6
_PARTS = ("parameters", "noise", "total")


def save(explanation: Mapping[str, Any], path: Path) -> None:
    """Write the fields of an explanation; see :meth:`salience.Explanation.save`."""
    domain = explanation["domain"]
    columns = {name: explanation[name] for name in COLUMNS}
    tensors = {name: column for name, column in columns.items() if isinstance(column, Tensor)}
    places: dict[str, list[int]] = {}
    for name, saliency in explanation["saliency"].items():
        tensors[f"values/{name}"] = saliency.flat
        tensors[f"std_error/{name}"] = saliency.flat_error
        if saliency.counts is not None:
            tensors[f"counts/{name}"] = saliency.counts
        if saliency.grid is not None:
            tensors[f"lengths/{name}"] = saliency.grid.lengths
            places[name] = list(saliency.grid.places)
        tensors |= {f"{part}/{name}": v for part, v in saliency.flat_parts.items()}
    annotations = explanation["annotations"]
    if isinstance(domain, Domain):
        annotations = [domain.encode(annotation) for annotation in annotations]
        domain = to_config("domains", domain)
    head = {
        "format": _FORMAT,
        "variables": list(explanation["saliency"]),
        "places": places,
        "domain": domain,
        "dataset_info": explanation["dataset_info"],
        "provenance": explanation["provenance"],
        "design": asdict(explanation["design"]),
        **{name: list(column) for name, column in columns.items() if name not in tensors},
        "annotations": annotations,
    }
    text = json.dumps(_pack(head, tensors))
    data = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    payload = serialize(data, metadata={_KEY: text})
    write_whole(path, lambda stream: stream.write(payload))


def load(path: Path) -> dict[str, Any]:
    """Read the fields of an explanation, name → value; see :meth:`salience.Explanation.load`."""
    if not is_file(path):
        raise InputError(f"there is no file {str(path)!r}; pass what Explanation.save wrote")
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(_KEY)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise InputError(f"{str(path)!r} is no explanation of salience: {brief(error)}") from error
    if text is None:
        raise InputError(f"{str(path)!r} is no explanation of salience; pass what save wrote")
    try:
        return _explanation(_unpack(json.loads(text), tensors), tensors, path)
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise InputError(
            f"{str(path)!r} is no explanation of salience, or a damaged one: {brief(error)}"
        ) from error


def _explanation(head: Any, tensors: dict[str, Tensor], path: Path) -> dict[str, Any]:
    if head["format"] > _FORMAT:
        raise InputError(
            f"{str(path)!r} has format {head['format']}, this salience reads up to {_FORMAT}; "
            f"upgrade salience"
        )
    _upgrade(head, tensors)
    saliency = {
        name: Saliency(
            tensors[f"values/{name}"],
            tensors[f"std_error/{name}"],
            tensors.get(f"counts/{name}"),
            {part: tensors[f"{part}/{name}"] for part in _PARTS if f"{part}/{name}" in tensors},
            grid=Grid(tensors[f"lengths/{name}"], tuple(head["places"][name]))
            if name in head["places"]
            else None,
        )
        for name in head["variables"]
    }
    domain, annotations = _domain(head["domain"]), head["annotations"]
    if isinstance(domain, Domain):
        annotations = [domain.decode(annotation) for annotation in annotations]
    columns = {name: tensors[name] if name in tensors else head[name] for name in COLUMNS}
    return {
        **columns,
        "saliency": saliency,
        "annotations": annotations,
        "dataset_info": head["dataset_info"],
        "provenance": head["provenance"],
        "domain": domain,
        "design": Design(**head["design"]),
    }


def _upgrade(head: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Convert the header and tensors of an earlier format to the present format, in place."""
    if head["format"] == 1:  # format 1 gave every item the same number of draws
        draws = torch.full_like(tensors["score"], head["provenance"]["n_samples"])
        tensors["n_independent"] = draws.long()
    elif head["format"] == 2:
        tensors["n_independent"] = tensors.pop("units")
    if head["format"] < 3:
        head["dataset_info"] = head.pop("facts")
    if head["format"] < 4:  # formats up to 3 held the design in the provenance
        record = head["provenance"]
        head["design"] = {f.name: record.get(f.name, f.default) for f in fields(Design)}
    if head["format"] < 5:  # formats up to 4 gave the positions of an item along its first axis
        head["places"] = {}
        tensors["drawn"] = torch.ones_like(tensors["n_independent"], dtype=torch.bool)
    if head["format"] < 6:  # formats up to 5 did not say how many points integrals took
        tensors["n_points"] = torch.zeros_like(tensors["n_independent"])
        tensors["converged"] = tensors["n_points"] == 0


def _domain(config: Mapping[str, Any]) -> Domain | Mapping[str, Any]:
    # Functions among the settings were saved as placeholders; drawing does not need them.
    stored = {k: v for k, v in config.items() if not is_placeholder(v)}
    try:
        made: Domain = make("domains", stored)
    except InputError:
        # Values stay readable without the plugin; only drawing needs the domain, and reports
        # that its plugin is missing.
        return config
    return made


def _pack(value: Any, tensors: dict[str, Tensor]) -> Any:
    """Convert ``value`` to JSON types; tensors in it are moved to ``tensors`` under new names."""
    if isinstance(value, np.ndarray):
        value = torch.from_numpy(value)
    if isinstance(value, Tensor):
        name = f"data/{len(tensors)}"
        tensors[name] = value
        return {"$tensor": name}
    if isinstance(value, Mapping):
        return {str(key): _pack(item, tensors) for key, item in value.items()}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Path):
        return str(value)
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Sequence | set | frozenset):
        return [_pack(item, tensors) for item in value]
    if isinstance(value, PerItem):
        return {"$per_item": _pack(value.values, tensors)}
    if is_dataclass(value) and not isinstance(value, type | Mean):
        # A dataclass among the settings, such as a transform, is stored as a mapping of its fields,
        # from which its part can be made again.
        own = {f.name: getattr(value, f.name) for f in fields(value) if f.init}
        return _pack(own, tensors)
    # A function or an object of the user's own class cannot be stored; a placeholder names it.
    return placeholder(getattr(value, "__qualname__", type(value).__qualname__))


def _unpack(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, dict):
        if set(value) == {"$tensor"}:
            return tensors[value["$tensor"]]
        if set(value) == {"$per_item"}:
            return PerItem(_unpack(value["$per_item"], tensors))
        return {key: _unpack(item, tensors) for key, item in value.items()}
    if isinstance(value, list):
        return [_unpack(item, tensors) for item in value]
    return value
