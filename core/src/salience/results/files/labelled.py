"""Explanations as xarray: arrays whose axes and positions have names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from salience.errors import InputError
from salience.results.saliency import Saliency

if TYPE_CHECKING:
    import xarray

_COLUMNS = ("score", "delta", "completeness_gap", "n_independent", "n_points", "converged")
# Names that are no axis of a variable, where an axis of the user's has such a name.
_TAKEN = {*_COLUMNS, "item", "output", "prediction", "saliency", "std_error"}


def to_xarray(explanation: Any, axes: Mapping[str, tuple[str, ...]]) -> xarray.Dataset:
    """Build the data set of :meth:`salience.Explanation.to_xarray`.

    Args:
        explanation: The explanation.
        axes: Target variable → names of the axes of its saliency behind that of the items or
            elements.

    Raises:
        InputError: xarray is not installed.
    """
    try:
        import xarray
    except ImportError as error:
        raise InputError(
            "to_xarray needs xarray, which is not installed; run: pip install xarray"
        ) from error
    ids = list(explanation.ids)
    numbers = all(isinstance(name, int) for name in ids)
    # A coordinate of mixed types could not be written to a file.
    coords: dict[str, Any] = {
        "item": np.array(ids, np.int64) if numbers else np.array(list(map(str, ids)), object)
    }
    arrays: dict[str, Any] = {
        name: ("item", getattr(explanation, name).numpy()) for name in _COLUMNS
    }
    prediction = explanation.prediction
    if prediction.ndim == 2:
        arrays["prediction"] = (("item", "output"), prediction.numpy())
    elif prediction.ndim == 1:
        arrays["prediction"] = ("item", prediction.numpy())
    single = len(explanation.saliency) == 1
    for variable, saliency in explanation.saliency.items():
        prefix = "" if single else f"{variable}_"
        dims, own = _dims(variable, saliency, axes.get(variable, ()), prefix)
        coords |= own
        names = explanation.column_names(variable)
        if names is not None and saliency.flat.shape[1:] == (len(names),):
            coords[dims[1]] = np.array(names, dtype=object)
        for what, flat in (("saliency", saliency.flat), ("std_error", saliency.flat_error)):
            arrays[f"{prefix}{what}"] = (dims, flat.numpy())
    record = explanation.provenance
    attrs = {
        "domain": str(dict(record.get("domain", {})).get("name", "")),
        "calculator": str(dict(record.get("calculator", {})).get("name", "")),
        "seed": str(record.get("seed", "")),
        "n_samples": str(record.get("n_samples", "")),
    }
    return xarray.Dataset(arrays, coords, attrs)


def _dims(
    variable: str, saliency: Saliency, axes: tuple[str, ...], prefix: str
) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Names of the axes of a variable's saliency, and the item of each element where ragged."""
    running, inner = _split(saliency, axes)

    def named(axis: str) -> str:
        return f"{variable}_{axis}" if not prefix and axis in _TAKEN else f"{prefix}{axis}"

    if saliency.names is not None:
        inner = ["group"]
    inner += [f"axis_{i}" for i in range(saliency.flat.ndim - 1 - len(inner))]
    behind = tuple(map(named, inner[: saliency.flat.ndim - 1]))
    if saliency.counts is None:
        return ("item", *behind), {}
    element = f"{prefix}position"
    behind = tuple(f"{variable}_{axis}" if axis == element else axis for axis in behind)
    owner = torch.repeat_interleave(saliency.counts)
    first = saliency.counts.cumsum(0) - saliency.counts
    within = torch.arange(len(owner), device="cpu") - first[owner]
    own = {
        f"{prefix}item_of_position": (element, owner.numpy()),
        f"{prefix}place": (element, within.numpy()),
    }
    if saliency.names is not None:
        names = [name for each in saliency.names for name in each]
        own[f"{prefix}group_of_position"] = (element, np.array(names, dtype=object))
    elif saliency.grid is not None and len(running) > 1:
        for axis, along in zip(running, saliency.grid.along(), strict=True):
            own[f"{prefix}place_{axis}"] = (element, along.numpy())
    return (element, *behind), own


def _split(saliency: Saliency, axes: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Names of the axes of an item that the first axis runs over, and of those behind it."""
    running: tuple[int, ...] = () if saliency.counts is None else (0,)
    if saliency.grid is not None:
        running = saliency.grid.places
    if len(axes) != saliency.flat.ndim - 1 + len(running):
        return [], []  # not known
    return [axes[i] for i in running], [a for i, a in enumerate(axes) if i not in running]
