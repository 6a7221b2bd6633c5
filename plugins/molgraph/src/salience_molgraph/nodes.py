"""Node-level outputs: the row of one atom of each graph, where a model returns one row an atom."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from salience import InputError
from salience.errors import brief
from salience_molgraph.fields import N_ATOMS, NODE
from salience_molgraph.graph import Graph


def checked(node: Any) -> int | tuple[int, ...] | None:
    """The setting ``node`` as a number, a tuple of numbers, or ``None``.

    Raises:
        InputError: It is neither a whole number from 0 nor a sequence of such numbers.
    """
    if node is None:
        return None
    if hasattr(node, "tolist"):
        node = node.tolist()
    if isinstance(node, list | tuple):
        return tuple(_checked_number(number) for number in node)
    return _checked_number(node)


def given_to(graphs: Sequence[Graph], node: Any, kept: Sequence[int], n_items: int) -> list[Graph]:
    """The graphs with the atom that is explained of each.

    Args:
        graphs: The graphs that could be read.
        node: One number for all items of the data, or a tuple of one for each.
        kept: Position of each graph among the items of the data.
        n_items: Number of items of the data.

    Raises:
        InputError: There is not one number for each graph, or a graph has no such atom.
    """
    if node is None:
        return list(graphs)
    given = node if isinstance(node, tuple) else (node,) * n_items
    if len(given) != n_items:
        raise InputError(f"node has {len(given)} numbers for {n_items} graphs; pass one each")
    numbers = [given[item] for item in kept]
    for item, graph, number in zip(kept, graphs, numbers, strict=True):
        if number >= graph.n_atoms:
            raise InputError(
                f"item {item} has no atom {number}, which node names: its {graph.n_atoms} atoms "
                f"are numbered from 0; pass node=[...] with one number for each graph"
            )
    return [replace(graph, node=number) for graph, number in zip(graphs, numbers, strict=True)]


def arguments(graphs: Sequence[Graph], n_atoms: Tensor | None) -> dict[str, Any]:
    """The arguments that :func:`rows` reads.

    Args:
        graphs: The graphs of a batch.
        n_atoms: Number of atoms of each, where they are concatenated; ``None`` where padded.
    """
    node = torch.tensor([graph.node for graph in graphs], dtype=torch.int64)
    if n_atoms is None:
        return {NODE: node}
    return {NODE: node + n_atoms.cumsum(0) - n_atoms, N_ATOMS: int(n_atoms.sum())}


def rows(output: Any, values: Mapping[str, Any]) -> Any:
    """The rows of the explained atoms, from a model output with one row an atom.

    Args:
        output: A tensor of shape (E, …) or, for padded molecules, (B, N, …).
        values: The arguments of the pass.

    Raises:
        InputError: The output is not of that shape.
    """
    node, n_atoms = values[NODE], values.get(N_ATOMS)
    if n_atoms is None:
        fits = isinstance(output, Tensor) and output.ndim > 1 and len(output) == len(node)
        expected = f"({len(node)}, atoms, ...)"
    else:
        fits = isinstance(output, Tensor) and output.ndim > 0 and len(output) == n_atoms
        expected = f"({n_atoms}, ...)"
    if not fits:
        got = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise InputError(
            f"node=... explains the output of an atom, so that the model must return one row an "
            f"atom, {expected}, got {got}; leave node out for a model with one row a graph"
        )
    if n_atoms is None:
        return output[torch.arange(len(node), device=node.device), node]
    return output[node]


def _checked_number(number: Any) -> int:
    try:
        if isinstance(number, bool):
            raise TypeError
        found = operator.index(number)
    except TypeError:
        found = -1
    if found < 0:
        raise InputError(
            f"node={brief(number)} is no atom; pass a whole number from 0, or one for each graph"
        )
    return found
