"""Saving and loading explanations: one safetensors file with a JSON header, without pickle.

What JSON lacks is packed (:mod:`salience.results.files.packing`). The header has a schema
(:mod:`salience.results.files.schema`) and the file a checksum
(:mod:`salience.results.files.checksum`). A function or another object among the settings is
replaced in the record by a placeholder that names it; one among the annotations is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialize
from torch import Tensor

from salience.data.domain import Domain
from salience.data.grid import Grid
from salience.data.per_item import ColumnAnnotations
from salience.errors import InputError, brief
from salience.naming import is_file, is_folder
from salience.plugins.faults import Asked
from salience.plugins.parts import is_placeholder, make, to_config
from salience.results.design import Design
from salience.results.files import checksum, schema
from salience.results.files.packing import pack, unpack
from salience.results.items import COLUMNS
from salience.results.saliency import Saliency
from salience.support.files import write_whole

_KEY = "salience"
_FORMAT = 8
# Files from this format on have a checksum.
_SUMMED = 7
# What a header that is no header of ours may raise.
_DAMAGED = (LookupError, TypeError, ValueError, AttributeError, RuntimeError, OverflowError)
_PARTS = ("parameters", "noise", "total", "top_share")
# The aggregators of core that make no mean of draws, for files that do not say so.
_NO_AVERAGES = ("sign", "variance", "mean_plus_std", "signal_to_noise", "quantile")


def save(explanation: Mapping[str, Any], path: Path) -> None:
    """Write the fields of an explanation; see :meth:`salience.Explanation.save`."""
    domain = explanation["domain"]
    columns = {name: explanation[name] for name in COLUMNS}
    tensors = {name: column for name, column in columns.items() if isinstance(column, Tensor)}
    places: dict[str, list[int]] = {}
    names: dict[str, Any] = {}
    for name, saliency in explanation["saliency"].items():
        tensors[f"values/{name}"] = saliency.flat
        tensors[f"std_error/{name}"] = saliency.flat_error
        if saliency.counts is not None:
            tensors[f"counts/{name}"] = saliency.counts
        if saliency.grid is not None:
            tensors[f"lengths/{name}"] = saliency.grid.lengths
            places[name] = list(saliency.grid.places)
        if saliency.names is not None:
            names[name] = list(saliency.names)
        tensors |= {f"{part}/{name}": v for part, v in saliency.flat_parts.items()}
    annotations = _packed(explanation["annotations"], domain, tensors)
    if isinstance(domain, Domain):
        domain = to_config("domains", domain)
    head = {
        "format": _FORMAT,
        "variables": list(explanation["saliency"]),
        "places": places,
        "names": names,
        "domain": domain,
        "dataset_info": explanation["dataset_info"],
        "provenance": explanation["provenance"],
        "design": asdict(explanation["design"]),
        "ids": list(explanation["ids"]),
    }
    first = {checksum.KEY: checksum.ZEROS}
    text = json.dumps(first | pack(head, tensors) | {"annotations": annotations})
    data = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    payload = checksum.summed(serialize(data, metadata={_KEY: text}))
    write_whole(path, lambda stream: stream.write(payload))


def _packed(annotations: Any, domain: Any, tensors: dict[str, Tensor]) -> Any:
    """Annotations as the header holds them: each by itself, or the names of their columns."""
    if isinstance(annotations, ColumnAnnotations):
        for name, column in annotations.columns.items():
            tensors[f"annotations/{name}"] = column
        return {"columns": list(annotations.columns)}
    if isinstance(domain, Domain):
        asked = Asked("domains", domain, "encode")
        annotations = [asked(annotation) for annotation in annotations]
    return [
        pack(annotation, tensors, strict=f"the annotation of item {position}")
        for position, annotation in enumerate(annotations)
    ]


def load(path: Path) -> dict[str, Any]:
    """Read the fields of an explanation, name → value; see :meth:`salience.Explanation.load`."""
    if is_folder(path):
        inside = next((str(one) for one in sorted(path.glob("*.salience"))), "run.salience")
        raise InputError(f"{str(path)!r} is a folder; pass the file in it, such as {inside!r}")
    if not is_file(path):
        raise InputError(f"there is no file {str(path)!r}; pass what Explanation.save wrote")
    try:
        sound = checksum.holds(path)
        if sound is False:
            raise InputError(
                f"{str(path)!r} is damaged, since it is not what its checksum tells; save it anew, "
                f"or load a copy"
            )
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(_KEY)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise InputError(f"{str(path)!r} is no explanation of salience: {brief(error)}") from error
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be read: {brief(error)}") from error
    if text is None:
        raise InputError(f"{str(path)!r} is no explanation of salience; pass what save wrote")
    try:
        head = json.loads(text)
        _check_format(head, path, sound is not None)
        return _explanation(unpack(head, tensors), tensors)
    except InputError:
        raise
    except _DAMAGED as error:
        raise InputError(
            f"{str(path)!r} is no explanation of salience, or a damaged one: {brief(error)}"
        ) from error


def _check_format(head: Any, path: Path, has_checksum: bool) -> None:
    number = head["format"]
    if type(number) is int and number > _FORMAT:
        raise InputError(
            f"{str(path)!r} has format {number}, this salience reads up to {_FORMAT}; "
            f"upgrade salience"
        )
    if type(number) is not int or number < 1 or (number >= _SUMMED and not has_checksum):
        raise InputError(
            f"{str(path)!r} is damaged, since it has no checksum; save it anew, or load a copy"
        )


def _explanation(head: Any, tensors: dict[str, Tensor]) -> dict[str, Any]:
    _upgrade(head, tensors)
    schema.check(head, tensors)
    saliency = {
        name: Saliency(
            tensors[f"values/{name}"],
            tensors[f"std_error/{name}"],
            tensors.get(f"counts/{name}"),
            {part: tensors[f"{part}/{name}"] for part in _PARTS if f"{part}/{name}" in tensors},
            grid=Grid(tensors[f"lengths/{name}"], tuple(head["places"][name]))
            if name in head["places"]
            else None,
            names=_tuples(head["names"].get(name)),
        )
        for name in head["variables"]
    }
    domain, annotations = _domain(head["domain"]), head["annotations"]
    if isinstance(annotations, dict):
        names = annotations["columns"]
        annotations = ColumnAnnotations({name: tensors[f"annotations/{name}"] for name in names})
    elif isinstance(domain, Domain):
        asked = Asked("domains", domain, "decode")
        annotations = [asked(annotation) for annotation in annotations]
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


def _tuples(names: Any) -> tuple[Any, ...] | None:
    """Names of groups, common to all items or of each, as they were saved."""
    if names is None:
        return None
    return tuple(tuple(own) if isinstance(own, list | tuple) else own for own in names)


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
    if head["format"] < 8:  # formats up to 7 did not say which aggregators average
        used = head["provenance"].get("aggregator", {}).get("name")
        head["design"]["averages"] = used not in _NO_AVERAGES
        head["names"] = {}


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
