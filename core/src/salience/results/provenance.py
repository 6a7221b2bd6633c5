"""The form in which a provenance record holds ids and target variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from salience.data.domain import Domain
from salience.data.layout import ITEM, Layout
from salience.model.targets import Target
from salience.shown import short


class Record(dict[str, Any]):
    """The record of a computation: a dictionary that shows itself on one line."""

    def __repr__(self) -> str:
        return f"Record{short(dict(self))}"


def recorded_ids(ids: Sequence[int | str]) -> dict[str, Any]:
    """The ``"ids"`` entry of a provenance record; empty where the ids are just 0, 1, 2, …."""
    positions = range(len(ids))
    return {} if ids == positions or list(ids) == list(positions) else {"ids": list(ids)}


def keys_of(provenance: Mapping[str, Any], n_items: int) -> Sequence[int | str]:
    """What keyed the draws of each item: the ids that the user gave, else positions."""
    keys: Sequence[int | str] = provenance.get("ids", range(n_items))
    return keys


def column_names(
    domain: Any, dataset_info: Mapping[str, Any], provenance: Mapping[str, Any], variable: str
) -> list[str] | None:
    """Names of the data's columns, where they are the positions of a target variable.

    Args:
        domain: The domain; its config where its plugin is not installed.
        dataset_info: As in :class:`salience.Explanation`.
        provenance: The record of the computation, or what it says of targets.
        variable: Name of the target variable.
    """
    names = dataset_info.get("columns")
    if names is None or not isinstance(domain, Domain):
        return None if names is None else list(names)
    layout = domain.layout
    axes = inner_axes(provenance, layout).get(variable)
    if axes is None:
        argument = layout.main if variable == "input" else variable
        held = dataset_info.get(argument, range(len(names)))
        return [names[at] for at in held]
    of_columns = {axis for axis in layout.fields[layout.main].axes if axis != ITEM}
    return list(names) if of_columns <= set(axes) else None


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
