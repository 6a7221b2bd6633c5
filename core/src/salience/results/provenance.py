"""The form in which a provenance record holds ids and target variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from salience.data.layout import Layout
from salience.model.targets import Target


def recorded_ids(ids: Sequence[int | str]) -> dict[str, Any]:
    """The ``"ids"`` entry of a provenance record; empty where the ids are just 0, 1, 2, …."""
    positions = range(len(ids))
    return {} if ids == positions or list(ids) == list(positions) else {"ids": list(ids)}


def keys_of(provenance: Mapping[str, Any], n_items: int) -> Sequence[int | str]:
    """What keyed the draws of each item: the ids that the user gave, else positions."""
    keys: Sequence[int | str] = provenance.get("ids", range(n_items))
    return keys


def inner_axes(provenance: Mapping[str, Any], layout: Layout) -> dict[str, tuple[str, ...]]:
    """Names of the axes of each target variable inside the model, by the variable's name.

    Args:
        provenance: The record of an explanation.
        layout: The domain's layout, whose arguments are no variables inside the model.
    """
    found = {}
    for target in provenance.get("target", ()):
        if isinstance(target, Mapping):
            axes = target.get("axes")
            name = Target(**{**target, "axes": None if axes is None else tuple(axes)}).name
            found[name] = layout.inner if axes is None else tuple(axes)
        elif target != "input" and target not in layout.fields:
            found[str(target)] = layout.inner
    return found
