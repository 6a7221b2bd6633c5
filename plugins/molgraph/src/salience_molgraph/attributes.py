"""Attributes of PyG graphs: how each is collated, so that core can repeat and select graphs.

PyG says of each attribute along which axis the values of several graphs are concatenated
(``__cat_dim__``) and what is added to its values for each graph before (``__inc__``). Both are
asked of the user's own graphs, so that subclasses of ``Data`` are served as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from salience import Field, InputError, Layout
from salience_molgraph.fields import node_fields

#: Names of the further arguments that a batch carries beside the attributes.
TEMPLATE, GRAPH, N_GRAPHS, BATCH = "PyG batch", "identity of graph", "number of graphs", "batch"

#: Attributes by whose length PyG tells the number of nodes.
_TELLING = {"x", "feat", "pos", "batch", "node_type", "n_id", "tf", "adj", "adj_t"}


@dataclass(frozen=True)
class Attribute:
    """How one attribute is collated.

    Args:
        field: Its axes, and the entry of ``Batch.counts`` that its values are shifted by.
        cat_dim: Axis along which PyG concatenates it; ``None`` where graphs are stacked along a new
            first axis, as numbers are.
    """

    field: Field
    cat_dim: int | None

    @property
    def axis(self) -> str:
        """Name of the axis along which graphs are concatenated or stacked."""
        return self.field.axes[self.cat_dim or 0]

    @property
    def has_own_shift(self) -> bool:
        """Whether ``__inc__`` is neither 0 nor the number of atoms."""
        return self.field.refers_to not in (None, "atom")


@dataclass(frozen=True)
class Attributes:
    """The attributes of all the graphs of a data set.

    Args:
        tensors: Name → how the attribute is collated, for attributes that become tensors.
        others: Names of the attributes that become a list with one entry a graph, as strings do.
        elements: Names of the axes along which graphs have different lengths.
        followed: Attributes whose batch vectors PyG makes too (``follow_batch``).
        main: The attribute that ``target="input"`` means: ``x``, ``pos``, or the first with real
            numbers.
    """

    tensors: Mapping[str, Attribute]
    others: tuple[str, ...]
    elements: tuple[str, ...]
    followed: tuple[str, ...] = ()
    main: str = ""

    @property
    def has_atoms(self) -> bool:
        """Whether PyG knows the number of atoms, and so makes ``batch`` and ``ptr``."""
        return "atom" in self.elements

    def layout(self, *, node: bool = False) -> Layout:
        """Layout of the attributes, and of what a batch carries beside them.

        Args:
            node: Whether each graph has an atom whose output is explained.
        """
        fields = {name: attribute.field for name, attribute in self.tensors.items()}
        if self.has_atoms:
            fields[BATCH] = Field(("atom",), refers_to="item")
        fields |= {N_GRAPHS: Field(counts="item"), TEMPLATE: Field(), GRAPH: Field(("item",))}
        fields |= {number_of(axis): Field(("item",)) for axis in self.elements}
        for name, attribute in self.tensors.items():
            if attribute.has_own_shift:
                inner = tuple(f"inner {i}" for i in range(1, len(attribute.field.axes)))
                fields[shift_of(name)] = Field(("item", *inner))
        for name in self.followed:
            fields[f"{name}_batch"] = Field((self.tensors[name].axis,), refers_to="item")
        if node:
            fields |= node_fields(dense=False)
        return Layout(
            fields=fields,
            elements=self.elements,
            reduce=("channel",),
            main=self.main,
            inner=("atom", "channel") if self.has_atoms else (self.elements[0], "channel"),
        )

    def length(self, data: Any, axis: str) -> int:
        """Number of elements of one graph along an axis."""
        if axis == "atom":
            return int(n_nodes(data) or 0)
        if axis == "bond":
            return n_bonds(data)
        attribute = self.tensors[axis]
        return int(data[axis].shape[attribute.cat_dim or 0])

    def counts(self, graphs: Sequence[Any]) -> dict[str, Tensor]:
        """Numbers of elements of each graph along each axis, and the shifts of each graph."""
        found = {
            axis: torch.tensor([self.length(data, axis) for data in graphs], dtype=torch.int64)
            for axis in self.elements
        }
        for name, attribute in self.tensors.items():
            if attribute.has_own_shift:
                found[shift_of(name)] = torch.stack(
                    [shift(data, name, attribute.cat_dim) for data in graphs]
                )
        return found


def number_of(axis: str) -> str:
    """Name of the argument that holds the number of elements of each graph along an axis."""
    return f"number of {axis}"


def shift_of(name: str) -> str:
    """Name of the argument that holds what is added to an attribute after each graph."""
    return f"shift of {name}"


def n_nodes(data: Any) -> int | None:
    """PyG's number of nodes; ``None`` where no attribute tells it.

    PyG warns where it goes by the largest index of an edge, and warnings can be silenced only for
    all threads at once, so that this case is worked out here.
    """
    if not data.stores[0].can_infer_num_nodes:
        return None
    names = set(data.keys())
    edges = data.get("edge_index")
    if names & _TELLING or any("node" in name for name in names) or hasattr(edges, "sparse_size"):
        number: int | None = data.num_nodes
        return number
    largest = edges if isinstance(edges, Tensor) else data.get("face")
    return None if largest is None else int(largest.max()) + 1 if largest.numel() else 0


def n_bonds(data: Any) -> int:
    """Number of directed bonds; 0 for a graph without ``edge_index``."""
    edges = data.edge_index if "edge_index" in data else None
    return int(edges.shape[-1]) if isinstance(edges, Tensor) else 0


def shift(data: Any, name: str, cat_dim: int | None) -> Tensor:
    """PyG's ``__inc__``, int64: a number, or one entry for each axis but that of the graphs."""
    value = data[name]
    shift = torch.as_tensor(data.__inc__(name, value)).long()
    ndim = value.ndim if isinstance(value, Tensor) else 0
    if shift.numel() == 1:
        return shift.reshape((1,) * (ndim - (cat_dim is not None)))
    shift = shift.reshape((1,) * (ndim - shift.ndim) + tuple(shift.shape))
    if shift.ndim != ndim or (cat_dim is not None and shift.shape[cat_dim] != 1):
        raise InputError(
            f"__inc__ of {name!r} has shape {tuple(shift.shape)}, which differs along the axis of "
            f"the graphs; return a number, or a tensor of length 1 along that axis"
        )
    return shift if cat_dim is None else shift.squeeze(cat_dim)
