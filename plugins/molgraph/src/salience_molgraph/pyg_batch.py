"""Batches of PyG's own class for the model, collated once and filled anew for each pass."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from salience_molgraph.attributes import (
    BATCH,
    GRAPH,
    N_GRAPHS,
    TEMPLATE,
    Attribute,
    Attributes,
    number_of,
    shift_of,
)


@dataclass(frozen=True)
class Template:
    """What the passes of a batch make their own batches of.

    Args:
        batch: What ``Batch.from_data_list`` made of the graphs.
        graphs: Identity of each graph → the graph, for attributes that are no tensors.
    """

    batch: Any
    graphs: Mapping[int, Any]


def collated(graphs: Sequence[Any], attributes: Attributes) -> tuple[dict[str, Any], Any]:
    """Collate graphs into PyG's own batch.

    Returns:
        The arguments by name, and ``Batch.counts``.
    """
    from torch_geometric.data import Batch

    followed = list(attributes.followed)
    batch = Batch.from_data_list(list(graphs), follow_batch=followed)
    counts = attributes.counts(graphs)
    values = {name: batch[name] for name in attributes.tensors}
    if attributes.has_atoms:
        values[BATCH] = batch[BATCH]
    values |= {f"{name}_batch": batch[f"{name}_batch"] for name in followed}
    template = Template(batch, {id(data): data for data in graphs})
    identities = torch.tensor([id(data) for data in graphs], dtype=torch.int64)
    values |= {N_GRAPHS: len(graphs), TEMPLATE: template, GRAPH: identities}
    values |= {number_of(axis): counts[axis] for axis in attributes.elements}
    values |= {name: count for name, count in counts.items() if name not in attributes.elements}
    return values, counts


def to_batch(values: Mapping[str, Any], attributes: Attributes) -> Any:
    """A batch of PyG's own class that holds the values of a pass, through which gradients flow.

    Args:
        values: Argument name → value, as :func:`collated` makes them.
        attributes: How each attribute is collated.
    """
    template: Template = values[TEMPLATE]
    batch = copy.copy(template.batch)
    n_graphs = values[N_GRAPHS]
    ends = {a: pad(values[number_of(a)].cumsum(0), (1, 0)) for a in attributes.elements}
    ends["item"] = torch.arange(n_graphs + 1, device=values[GRAPH].device)
    slices: dict[str, Tensor] = {}
    shifts: dict[str, Tensor | None] = {}
    for name, attribute in attributes.tensors.items():
        batch[name] = values[name]
        slices[name] = ends[attribute.axis]
        shifts[name] = _shifts(name, attribute, values, ends)
    if attributes.others:
        rows = [template.graphs[identity] for identity in values[GRAPH].tolist()]
        for name in attributes.others:
            batch[name] = [row[name] for row in rows]
            slices[name], shifts[name] = ends["item"], None
    if attributes.has_atoms:
        batch.batch, batch.ptr = values[BATCH], ends["atom"]
        if "num_nodes" in batch:
            batch.num_nodes = len(values[BATCH])
            batch._num_nodes = values[number_of("atom")].tolist()
    for name in attributes.followed:
        batch[f"{name}_batch"] = values[f"{name}_batch"]
        batch[f"{name}_ptr"] = ends[attributes.tensors[name].axis]
    # What Batch.from_data_list sets, for num_graphs, to_data_list and get_example.
    batch._num_graphs, batch._slice_dict, batch._inc_dict = n_graphs, slices, shifts
    return batch


def _shifts(
    name: str, attribute: Attribute, values: Mapping[str, Any], ends: Mapping[str, Tensor]
) -> Tensor:
    """What was added to an attribute of each graph, as PyG's ``separate`` takes it off."""
    if not attribute.has_own_shift:
        start = ends["item" if attribute.field.refers_to is None else "atom"][:-1]
        return start if attribute.field.refers_to else torch.zeros_like(start)
    own: Tensor = values[shift_of(name)]
    start = own.cumsum(0) - own
    return start if attribute.cat_dim is None else start.unsqueeze(1 + attribute.cat_dim)
