"""Explanations of arrays that another tool computed, such as Captum or shap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from salience._version import __version__
from salience.data.batch import Batch
from salience.data.domain import Domain, joined
from salience.data.labels import by_column
from salience.data.names import ids as plain_ids
from salience.data.names import plain_names
from salience.data.per_item import ColumnAnnotations
from salience.datasets import items_of
from salience.errors import InputError, brief, nearest
from salience.intake import array, boolean, finite, integer
from salience.plugins.faults import Asked
from salience.plugins.parts import make, placeholder, to_config
from salience.results.design import Design
from salience.results.files.given import Slice, saliency_of
from salience.results.provenance import column_names, recorded_ids
from salience.results.saliency import Saliency

# Items that are collated at once where nothing is padded.
_SLICE = 256


@dataclass(frozen=True)
class Errors:
    """What is known of the errors of given arrays.

    Args:
        std_error: Standard errors, of the form of the values, or ``None``.
        n_samples: Number of independent draws behind them; ``None`` where unknown.
        samples_parameters: Whether these were draws of the model's parameters.
    """

    std_error: Any = None
    n_samples: int | None = None
    samples_parameters: bool = False


@dataclass(frozen=True)
class Outputs:
    """What is known of the model's output for the items.

    Args:
        prediction: The model's output, shape (B, …), or ``None``.
        score: The output variable f(x), shape (B,), or ``None``.
        delta: f(x) − f(baseline), shape (B,), or ``None``.
    """

    prediction: Any = None
    score: Any = None
    delta: Any = None


def explanation_fields(
    values: Any,
    data: Any,
    domain: Any,
    *,
    target: str | None,
    ids: Any,
    signed: bool | None,
    method: str,
    errors: Errors,
    outputs: Outputs,
) -> dict[str, Any]:
    """The fields of :meth:`salience.Explanation.from_arrays`, whose arguments these are."""
    domain = make("domains", domain)
    if not isinstance(domain, Domain):
        raise InputError(f"domain is {brief(domain)}; pass a domain's name or object")
    samples = Asked("domains", domain, "read")(items_of(data))
    if len(samples) == 0:
        raise InputError("the data is empty; pass at least one item")
    domain = Asked("domains", domain, "fitted")(samples)
    keys: Sequence[Any] = range(len(samples)) if ids is None else plain_ids(ids)
    if len(keys) != len(samples):
        raise InputError(f"got {len(keys)} ids for {len(samples)} items; pass one an item")
    keys = keys if ids is None else list(keys)  # a range would be one of positions
    found = Asked("domains", domain, "ids")(samples) if ids is None else None
    names = None if found is None else plain_names(found, keys)
    info = Asked("domains", domain, "dataset_info")(samples)
    given = _by_variable(_unpacked(values, len(samples)), domain, target, info)
    spread = _unpacked(errors.std_error, len(samples))
    error_of = {} if spread is None else _by_variable(spread, domain, target, info)
    _check(given, error_of, method, errors)
    parts = [Slice(domain, batch) for batch in _batches(domain, samples)]
    saliency = {
        name: saliency_of(name, one, error_of.get(name), parts) for name, one in given.items()
    }
    return {
        **_columns(saliency, outputs, len(samples), errors),
        "ids": keys if names is None else names,
        "annotations": _annotations([part.batch.annotations for part in parts]),
        "saliency": _joined(domain, saliency, info),
        "provenance": _record(domain, list(given), method, errors) | recorded_ids(keys),
        "design": Design(
            samples_parameters=boolean(errors.samples_parameters, "samples_parameters"),
            signed=_is_signed(saliency, signed),
        ),
        "dataset_info": info,
        "domain": domain,
    }


def _annotations(parts: Sequence[Sequence[Mapping[str, Any]]]) -> Sequence[Mapping[str, Any]]:
    columns = ColumnAnnotations.joined(parts)
    return columns if columns is not None else [note for part in parts for note in part]


def _batches(domain: Domain, samples: Sequence[Any]) -> list[Batch]:
    # Padding depends on the batch, and the given arrays are padded as one.
    step = len(samples) if domain.layout.masks else _SLICE
    collate = Asked("domains", domain, "collate")
    return [collate(samples[at : at + step]) for at in range(0, len(samples), step)]


def _check(
    given: Mapping[str, Any], error_of: Mapping[str, Any], method: Any, errors: Errors
) -> None:
    """Raise InputError where settings say nothing, or errors are of other variables."""
    if not isinstance(method, str):
        raise InputError(f"method={brief(method)}; pass the name of the method as a string")
    if errors.n_samples is not None and errors.std_error is None:
        raise InputError(
            f"n_samples={brief(errors.n_samples)} is the number of draws behind standard errors, "
            f"of which there are none; pass std_error as well, or leave n_samples out"
        )
    for name in error_of:
        if name not in given:
            raise InputError(
                f"std_error is of {brief(name)}, which has no values; {nearest(name, given)}"
            )


def _by_variable(
    values: Any, domain: Domain, target: str | None, info: Mapping[str, Any]
) -> dict[str, Any]:
    """Target variable → its values, those by column in the order of the data's own columns."""
    if hasattr(values, "base_values") and hasattr(values, "values"):
        values = _of_shap(values, info)
    if isinstance(values, Mapping):
        if not values:
            raise InputError("values are empty; pass an array, or a mapping variable → array")
        return {str(n): _in_order(one, domain, info, str(n)) for n, one in values.items()}
    name = target if target is not None else domain.target
    if not isinstance(name, str):
        raise InputError(f"target={brief(name)}; pass the name of the variable that has the values")
    return {name: _in_order(values, domain, info, name)}


def _of_shap(explanation: Any, info: Mapping[str, Any]) -> Any:
    """The values of what shap returns, in the order of the data's columns where both have names.

    Raises:
        InputError: They are values of several outputs.
    """
    values, names = explanation.values, getattr(explanation, "feature_names", None)
    shape = np.shape(values)
    if len(np.shape(explanation.base_values)) == 2 and len(shape) > 2:
        raise InputError(
            f"the values are of {shape[-1]} outputs, along the last of their axes {shape}; choose "
            f"one of them, as in values[..., 0]"
        )
    for known in (info.get("columns"), info.get("labels")):
        if known and names is not None and len(shape) == 2 and set(names) == set(known):
            own = list(names)
            return values if own == list(known) else values[:, [own.index(name) for name in known]]
    return values


def _unpacked(values: Any, n_items: int) -> Any:
    """The array in a tuple of one, which Captum returns for a tuple of inputs."""
    if isinstance(values, tuple) and len(values) == 1 and n_items > 1:
        return values[0]
    return values


def _in_order(values: Any, domain: Domain, info: Mapping[str, Any], variable: str) -> Any:
    """Frames, or a series for each item, in the order of the columns that a variable holds."""
    kinds = [info["columns"], info.get("labels")] if "columns" in info else []
    record = {"target": [variable]}
    names = [column_names(domain, {**info, "columns": k}, record, variable) for k in kinds if k]
    known = [own for own in names if own]

    def ordered(one: Any) -> Any:
        found = by_column(one, known)
        if found is not one and found.shape[-1] < one.shape[-1]:
            raise InputError(
                f"the values of {variable!r} are of {one.shape[-1]} columns, of which it holds "
                f"{found.shape[-1]}, {brief(known[0])}; pass values of these"
            )
        return found

    return list(map(ordered, values)) if isinstance(values, list | tuple) else ordered(values)


def _joined(
    domain: Domain, saliency: dict[str, Saliency], info: Mapping[str, Any]
) -> dict[str, Saliency]:
    """The saliency of several variables, joined as that of the columns of a table."""
    if len(saliency) == 1:
        return saliency
    flat = joined(domain, {name: one.flat for name, one in saliency.items()}, info)
    error = joined(domain, {name: one.flat_error for name, one in saliency.items()}, info)
    return {
        name: saliency[name] if name in saliency else Saliency(values, error[name])
        for name, values in flat.items()
    }


def _columns(
    saliency: Mapping[str, Saliency], outputs: Outputs, n_items: int, errors: Errors
) -> dict[str, Any]:
    nothing = torch.full((n_items,), torch.nan, dtype=torch.float64, device="cpu")

    def column(values: Any, name: str, flat: bool = True) -> Tensor:
        if values is None:
            return nothing.clone()
        found: Tensor = finite(array(values, name), name)
        found = found[None] if found.ndim == 0 else found
        found = found.squeeze(1) if flat and found.ndim == 2 and found.shape[1] == 1 else found
        if len(found) != n_items or (flat and found.ndim != 1):
            raise InputError(
                f"{name} has the shape {tuple(found.shape)}; pass one value for each of {n_items} "
                f"items"
            )
        return found

    delta = column(outputs.delta, "delta")
    number = 1
    if errors.std_error is not None:
        number = 0 if errors.n_samples is None else integer(errors.n_samples, "n_samples", 2)
    count = torch.full((n_items,), number, device="cpu")
    score = column(outputs.score, "score")
    return {
        "prediction": score
        if outputs.prediction is None
        else column(outputs.prediction, "prediction", flat=False),
        "score": score,
        "delta": delta,
        "completeness_gap": (sum(map(_totals, saliency.values())) - delta).abs(),
        "converged": torch.ones(n_items, dtype=torch.bool, device="cpu"),
        "n_points": torch.zeros(n_items, dtype=torch.int64, device="cpu"),
        "n_independent": count,
        "drawn": torch.ones(n_items, dtype=torch.bool, device="cpu"),
    }


def _totals(saliency: Saliency) -> Tensor:
    """Sum of the values of each item, shape (B,)."""
    each = saliency.flat.double()[:, None].flatten(1).sum(1)
    if saliency.counts is None:
        return each
    owner = torch.repeat_interleave(saliency.counts)
    return torch.zeros(len(saliency.counts), dtype=torch.float64, device="cpu").index_add(
        0, owner, each
    )


def _is_signed(saliency: Mapping[str, Saliency], given: bool | None) -> bool:
    """Whether values have signs: what the user says of them, else whether one is negative.

    Raises:
        InputError: Values that the user calls magnitudes are negative.
    """
    negative = any(bool((one.flat < 0).any()) for one in saliency.values())
    if given is not None and not boolean(given, "signed") and negative:
        raise InputError(
            "signed=False, but values are negative; pass magnitudes, or leave signed out"
        )
    return negative if given is None else given


def _record(domain: Domain, names: list[str], method: str, errors: Errors) -> dict[str, Any]:
    """What is known of how the arrays were computed; it cannot be computed again."""
    given = placeholder(method or "given")
    return {
        "model": given,
        "domain": to_config("domains", domain),
        "target": names,
        "output": placeholder("unknown"),
        "calculator": {"name": given},
        "samplers": [],
        "n_samples": errors.n_samples or 1,
        "seed": 0,
        "precision": "full",
        "aggregator": {"name": placeholder("given")},
        "versions": {"salience": __version__},
    }
