"""The survey of PyG graphs: how each of their attributes is collated, or why it cannot be told."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from salience import Field, InputError
from salience.errors import an
from salience_molgraph.attributes import Attribute, Attributes, n_bonds, n_nodes, shift, shift_of

#: Attributes that are made anew for each pass.
_MADE = ("num_nodes", "batch", "ptr")
#: Attributes of the whole graph, by PyG's convention.
_OF_GRAPHS = ("y", "u")


def survey(
    graphs: Sequence[Any], followed: Sequence[str] = (), known: Attributes | None = None
) -> Attributes:
    """Find out how each attribute of the graphs is collated.

    Args:
        graphs: PyG's ``Data``, as :func:`salience_molgraph.pyg.prepared` made them.
        followed: Attributes whose batch vectors are made too.
        known: What was found of earlier graphs, to which these must be alike.

    Raises:
        InputError: The graphs differ in their attributes, or how an attribute is collated cannot
            be told. The message names the item.
    """
    # Sorted, so that the order in which a user set the attributes makes no other layout. Without
    # atoms, the budget counts the first axis: not that of bonds, of which there may be none.
    names = sorted(set(graphs[0].keys()) - set(_MADE), key=lambda n: (not _real(graphs[0][n]), n))
    expected = set(names) if known is None else {*known.tensors, *known.others}
    for number, data in enumerate(graphs):
        _check_names(number, set(data.keys()) - set(_MADE), expected)
        if ("num_nodes" in data) != ("num_nodes" in graphs[0]):
            raise InputError(
                f"of the items 0 and {number} only one has num_nodes; set it in all the graphs "
                f"or in none"
            )
    nodes = [n_nodes(data) for data in graphs]
    lengths = {"atom": [n for n in nodes if n is not None]} if None not in nodes else {}
    if all("edge_index" in data for data in graphs):
        lengths["bond"] = [n_bonds(data) for data in graphs]
    tensors: dict[str, Attribute] = {}
    others: list[str] = []
    for name in names:
        values = [data[name] for data in graphs]
        if isinstance(values[0], Tensor | bool | int | float):
            before = None if known is None else known.tensors.get(name)
            tensors[name] = _attribute(name, values, graphs, lengths, before)
        else:
            _check_other(name, values)
            others.append(name)
    for name in followed:
        if name not in tensors or tensors[name].axis == "item":
            raise InputError(
                f"follow_batch names {name!r}, which the graphs do not hold or have once a graph; "
                f"name attributes that graphs have different numbers of"
            )
    if not lengths:
        raise InputError(
            "item 0 holds no attribute that tells its number of atoms; "
            "give each Data x, pos or num_nodes"
        )
    found = Attributes(
        tensors, tuple(others), tuple(lengths), tuple(followed), main=_main(tensors, graphs[0])
    )
    if known is not None and found != known:
        raise InputError(
            "the attributes of these graphs have other axes than those of the graphs before; "
            "explain graphs of one kind together"
        )
    return found


def _real(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


def _main(names: Collection[str], data: Any) -> str:
    real = [name for name in names if _real(data[name])]
    return next((name for name in ("x", "pos") if name in names), next(iter(real), ""))


def _check_names(number: int, names: set[str], expected: set[str]) -> None:
    for lacking, holds in ((expected - names, "has no"), (names - expected, "alone has")):
        if lacking:
            raise InputError(
                f"item {number} {holds} {min(lacking)!r}, and PyG collates only graphs with the "
                f"same attributes; give it to all the graphs or to none"
            )


def _check_bits(name: str, number: int, value: Any) -> None:
    if isinstance(value, Mapping | list | tuple):
        for part in value.values() if isinstance(value, Mapping) else value:
            _check_bits(name, number, part)
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise InputError(
            f"item {number} has {name!r} of more than 64 bits, which no tensor holds; "
            f"pass a number with a point"
        )


def _check_other(name: str, values: Sequence[Any]) -> None:
    for number, value in enumerate(values):
        _check_bits(name, number, value)
        if not _has_named_entries(value):
            raise InputError(
                f"item {number} has {name!r} that is a mapping with keys which are no strings; "
                f"name its entries by strings"
            )
        if isinstance(value, Mapping | list | tuple) and _holds_tensors(value):
            raise InputError(
                f"item {number} has {name!r} that is {an(type(value).__name__)} of tensors, which "
                f"cannot be told apart by atom, bond or graph; make each an attribute of its own"
            )
        if isinstance(value, Tensor | bool | int | float) or hasattr(value, "sparse_sizes"):
            raise InputError(
                f"item {number} has {name!r} that is {an(type(value).__name__)}, but item 0 has "
                f"{an(type(values[0]).__name__)}; make them the same, and no sparse matrices"
            )
        if type(value).__name__ == "TensorFrame":
            raise InputError(
                f"item {number} has {name!r} that is a TensorFrame; pass its columns as tensors"
            )


def _has_named_entries(value: Any) -> bool:
    if not isinstance(value, Mapping):
        return True
    return all(isinstance(key, str) and _has_named_entries(one) for key, one in value.items())


def _holds_tensors(value: Any) -> bool:
    if isinstance(value, Mapping):
        value = list(value.values())
    return isinstance(value, Tensor) or (
        isinstance(value, list | tuple) and any(_holds_tensors(part) for part in value)
    )


def _attribute(
    name: str,
    values: Sequence[Any],
    graphs: Sequence[Any],
    lengths: dict[str, list[int]],
    before: Attribute | None,
) -> Attribute:
    """How an attribute is collated that becomes a tensor; a new axis is added to ``lengths``."""
    for number, value in enumerate(values):
        _check_alike(name, number, value, values[0])
    dims = {_cat_dim(data, name) for data in graphs}
    if len(dims) > 1:
        raise InputError(
            f"the graphs give {sorted(map(str, dims))} as __cat_dim__ of {name!r}; "
            f"let it be the same for all the graphs"
        )
    cat_dim = dims.pop()
    for number, value in enumerate(values):
        _check_shape(name, number, value, values[0], cat_dim)
    if cat_dim is None:
        axis, ndim = "item", values[0].ndim + 1 if isinstance(values[0], Tensor) else 1
    else:
        own, ndim = [value.shape[cat_dim] for value in values], values[0].ndim
        axis = _axis(name, own, lengths, None if before is None else before.axis)
        if axis == name:
            lengths[name] = own
    refers_to = _refers_to(name, values, graphs, cat_dim, lengths.get("atom"))
    return Attribute(Field(_axes(axis, cat_dim or 0, ndim, refers_to), refers_to), cat_dim)


def _check_alike(name: str, number: int, value: Any, first: Any) -> None:
    if isinstance(value, Tensor) and (value.layout != torch.strided or value.is_nested):
        raise InputError(
            f"item {number} has {name!r} that is a sparse or nested tensor, whose entries cannot "
            f"be told apart by atom, bond or graph; give edge_index (and edge_weight) in its place"
        )
    _check_bits(name, number, value)
    kinds = [v.dtype if isinstance(v, Tensor) else type(v).__name__ for v in (value, first)]
    if kinds[0] != kinds[1]:
        raise InputError(
            f"item {number} has {name!r} of {kinds[0]}, but item 0 has {kinds[1]}; "
            f"make them the same"
        )


def _check_shape(name: str, number: int, value: Any, first: Any, cat_dim: int | None) -> None:
    if not isinstance(value, Tensor):
        return
    shapes = [list(v.shape) for v in (value, first)]
    if cat_dim is not None and len(shapes[0]) == len(shapes[1]):
        for shape in shapes:
            shape.pop(cat_dim)
    if shapes[0] != shapes[1]:
        raise InputError(
            f"item {number} has {name!r} of shape {tuple(value.shape)}, but item 0 has "
            f"{tuple(first.shape)}, so that PyG cannot concatenate them; "
            f"give both the same number of features"
        )


def _cat_dim(data: Any, name: str) -> int | None:
    """PyG's ``__cat_dim__`` of an attribute, from 0; ``None`` where graphs are stacked."""
    value = data[name]
    if not isinstance(value, Tensor) or value.ndim == 0:
        return None
    cat_dim = data.__cat_dim__(name, value)
    if cat_dim is None:
        return None
    if not isinstance(cat_dim, int) or not -value.ndim <= cat_dim < value.ndim:
        raise InputError(
            f"__cat_dim__ of {name!r} is {cat_dim!r}, which is no axis of its shape "
            f"{tuple(value.shape)}; return one of its axes, or None"
        )
    return cat_dim % value.ndim


def _axis(name: str, own: list[int], lengths: Mapping[str, list[int]], before: str | None) -> str:
    """Name of the axis along which an attribute of these lengths is concatenated."""
    if "edge" in name:
        order = ("bond", "atom", "item")
    else:
        order = ("item", "atom", "bond") if name in _OF_GRAPHS else ("atom", "item", "bond")
    known = {**lengths, "item": [1] * len(own)}
    fitting = [axis for axis in order if known.get(axis) == own]
    if before in (*fitting, name):
        return before or name
    return fitting[0] if fitting else name


def _axes(axis: str, position: int, ndim: int, refers_to: str | None) -> tuple[str, ...]:
    """Names of all axes; the last of those that hold features is ``"channel"``."""
    inner = [f"axis {i}" for i in range(1, ndim)]
    if inner:
        inner[-1] = "channel" if refers_to is None else "end"
    return (*inner[:position], axis, *inner[position:])


def _refers_to(
    name: str,
    values: Sequence[Any],
    graphs: Sequence[Any],
    cat_dim: int | None,
    n_atoms: list[int] | None,
) -> str | None:
    """The entry of ``Batch.counts`` that an attribute's values are shifted by, if any."""
    shifts = [shift(data, name, cat_dim) for data in graphs]
    if not any(bool(one.any()) for one in shifts):
        return None
    first = values[0]
    if isinstance(first, bool | float) or (
        isinstance(first, Tensor) and (first.is_floating_point() or first.dtype == torch.bool)
    ):
        raise InputError(
            f"PyG adds to the values of {name!r} from graph to graph, since __inc__ takes them for "
            f"indices; rename the attribute (its name holds 'index' or 'batch'), or return 0"
        )
    if len({one.shape for one in shifts}) > 1:
        raise InputError(
            f"__inc__ of {name!r} differs in shape between graphs; return one number a graph"
        )
    if n_atoms is not None and shifts[0].numel() == 1 and [int(s) for s in shifts] == n_atoms:
        return "atom"
    return shift_of(name)
