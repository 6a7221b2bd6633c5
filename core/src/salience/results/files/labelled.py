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
        dims, own = _dims(variable, saliency, axes[variable], "" if single else f"{variable}_")
        coords |= own
        names = explanation.column_names(variable)
        if names is not None and saliency.flat.shape[1:] == (len(names),):
            coords[dims[1]] = np.array(names, dtype=object)
        for what, flat in (("saliency", saliency.flat), ("std_error", saliency.flat_error)):
            arrays[what if single else f"{variable}_{what}"] = (dims, flat.numpy())
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
    grouped = saliency.names is not None
    inner = (f"{prefix}group",) if grouped else tuple(f"{prefix}{axis}" for axis in axes)
    inner += tuple(f"{prefix}axis_{i}" for i in range(saliency.flat.ndim - 1 - len(inner)))
    if saliency.counts is None:
        return ("item", *inner[: saliency.flat.ndim - 1]), {}
    element = f"{prefix}position"
    owner = torch.repeat_interleave(saliency.counts)
    first = saliency.counts.cumsum(0) - saliency.counts
    within = torch.arange(len(owner)) - first[owner]
    own = {
        f"{prefix}item_of_position": (element, owner.numpy()),
        f"{prefix}place": (element, within.numpy()),
    }
    if saliency.names is not None:
        names = [name for each in saliency.names for name in each]
        own[f"{prefix}group_of_position"] = (element, np.array(names, dtype=object))
    return (element, *inner[: saliency.flat.ndim - 1]), own
