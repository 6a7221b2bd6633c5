"""The form in which a provenance record holds ids and target variables."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any

from salience.data.domain import Domain
from salience.data.layout import ITEM, Layout
from salience.data.names import Positions
from salience.data.per_item import PerItem
from salience.errors import InputError
from salience.model.outputs import make_output
from salience.model.targets import Target
from salience.plugins import host
from salience.plugins.parts import is_placeholder
from salience.shown import short


class Record(dict[str, Any]):
    """The record of a computation: a dictionary that shows itself on one line."""

    def __repr__(self) -> str:
        return f"Record{short(dict(self))}"


def recorded_ids(ids: Sequence[int | str]) -> dict[str, Any]:
    """The entry of a provenance record for what keyed the draws; empty for just 0, 1, 2, ….

    It is called ``"ids"`` where the user gave these, and ``"positions"`` where items are keyed by
    their positions in the data set that they were chosen from: the data then names them.
    """
    positions = range(len(ids))
    if ids == positions or list(ids) == list(positions):
        return {}
    return {"positions" if isinstance(ids, range | Positions) else "ids": list(ids)}


def keys_of(provenance: Mapping[str, Any], n_items: int) -> Sequence[int | str]:
    """What keyed the draws of each item: the ids that the user gave, else positions.

    Records of computations that were interrupted once held the keys of all items, of which those
    that are done are the first.

    Raises:
        InputError: The record holds keys of fewer items.
    """
    entry = "ids" if "ids" in provenance else "positions"
    if entry not in provenance:
        return range(n_items)
    keys = provenance[entry]
    if not isinstance(keys, list | tuple | range) or len(keys) < n_items:
        raise InputError(
            f"the record holds under {entry!r} no key for each of the {n_items} items; pass the "
            f"provenance as it was made"
        )
    keys = keys if len(keys) == n_items else keys[:n_items]
    return keys if entry == "ids" else Positions(keys)


def selected(
    provenance: Mapping[str, Any], positions: Sequence[int], n_items: int
) -> dict[str, Any]:
    """The record of some of the items, by which the data of these is explained with the same draws.

    Of what the record holds for each item (keys of draws, labels, baselines, groups) those of the
    other items are left out.

    Args:
        provenance: The record of all the items.
        positions: Positions of the items from 0.
        n_items: Number of all the items.
    """
    keys = keys_of(provenance, n_items)
    made = {name: value for name, value in provenance.items() if name not in ("ids", "positions")}
    pool = made.get("pool")
    each = pool.get("each") if isinstance(pool, Mapping) else None
    if isinstance(each, list | tuple) and len(each) == n_items:
        made["pool"] = {"each": [each[at] for at in positions]}
    made |= _of_items(made, ("calculator", "domain", "output"), positions, {n_items})
    chosen: Any = [keys[at] for at in positions]
    return made | recorded_ids(chosen if "ids" in provenance else Positions(chosen))


def of_part(provenance: Mapping[str, Any], start: int, stop: int) -> dict[str, Any]:
    """The record of the items from ``start`` to ``stop`` − 1 of a stream, or of a data set.

    Labels, baselines and groups of these and further items are reduced to those of these items.
    """
    enough = range(stop if start else stop + 1, 2**63)  # there is nothing to leave out of all
    parts = _of_items(provenance, ("calculator", "output"), range(start, stop), enough)
    return {**provenance, **parts}


def _of_items(
    provenance: Mapping[str, Any],
    parts: Sequence[str],
    positions: Sequence[int],
    numbers: Container[int],
) -> dict[str, Any]:
    """The configs of parts, whose values for single items are those of some of the items.

    Args:
        provenance: The record of all the items.
        parts: Names of the parts.
        positions: Positions of the items from 0.
        numbers: How many values are values of all the items; others are kept.
    """
    fields: Sequence[str] = ()

    def entry(name: str, value: Any) -> Any:
        if isinstance(value, PerItem):
            return PerItem(_at(value.values, positions)) if many(value.values) else value
        if isinstance(value, Mapping):
            return {key: entry("", inner) for key, inner in value.items()}
        return _at(value, positions) if name in fields and many(value) else value

    def many(value: Any) -> bool:
        return _is_sized(value) and len(value) in numbers

    made = {}
    for part in parts:
        if isinstance(config := provenance.get(part), Mapping):
            fields = _fields_per_item(part, config)
            made[part] = {name: entry(name, value) for name, value in config.items()}
    return made


def _fields_per_item(part: str, config: Mapping[str, Any]) -> Sequence[str]:
    """Names of a part's parameters that hold a value for each item; none of an unknown part."""
    try:
        if part == "output":
            return make_output(config).per_item
        name = config.get("name", "")
        if is_placeholder(
            name
        ):  # the class is that of no plugin, and none is loaded to look for it
            return ()
        cls: Any = host().get(f"{part}s", name)
        return tuple(cls.per_item)
    except (InputError, AttributeError):
        return ()


def _is_sized(value: Any) -> bool:
    if isinstance(value, str | bytes | Mapping) or not hasattr(value, "__len__"):
        return False
    return getattr(value, "ndim", 1) > 0


def _at(values: Any, positions: Sequence[int]) -> Any:
    """The values at some positions, in the type of the values."""
    if hasattr(values, "shape"):
        return values[list(positions)]
    chosen = [values[at] for at in positions]
    return tuple(chosen) if isinstance(values, tuple) else chosen


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
