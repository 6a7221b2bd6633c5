"""Explanations of parts of a data set, put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from salience.data.grid import Grid
from salience.errors import InputError
from salience.results.explanation import Explanation
from salience.results.items import ItemTable
from salience.results.saliency import Saliency


def joined(parts: Sequence[Explanation]) -> Explanation:
    """One explanation of the items of several, in their order, with the record of the first.

    Raises:
        InputError: Their items have different shapes.
    """
    if len(parts) == 1:
        return parts[0]
    saliency = {
        name: _joined([part.saliency[name] for part in parts], name) for name in parts[0].saliency
    }
    return replace(parts[0], **ItemTable.join(parts).columns(), saliency=saliency)


def _joined(parts: Sequence[Saliency], name: str) -> Saliency:
    if len({part.counts is None for part in parts}) > 1:
        parts = [_ragged(part) for part in parts]
    if len({part.flat.shape[1:] for part in parts}) > 1:
        shapes = sorted({tuple(part.flat.shape[1:]) for part in parts})
        raise InputError(
            f"the saliency of {name!r} has the shapes {shapes} in different items; ask for items "
            f"of one shape at a time"
        )
    first = parts[0]
    counts = [part.counts for part in parts if part.counts is not None]
    grids = [part.grid for part in parts]
    names = first.names
    if names is not None and first.counts is not None:
        names = tuple(own for part in parts for own in part.names or ())
    return Saliency(
        torch.cat([part.flat for part in parts]),
        torch.cat([part.flat_error for part in parts]),
        torch.cat(counts) if counts else None,
        {what: torch.cat([p.flat_parts[what] for p in parts]) for what in first.flat_parts},
        grid=None if first.grid is None else Grid.join(grids),
        names=names,
    )


def _ragged(part: Saliency) -> Saliency:
    """The saliency of items of one shape in the form of that of ragged items."""
    if part.counts is not None:
        return part
    n_items, size = part.flat.shape[:2]
    return Saliency(
        part.flat.flatten(0, 1),
        part.flat_error.flatten(0, 1),
        torch.full((n_items,), size),
        {what: values.flatten(0, 1) for what, values in part.flat_parts.items()},
        names=part.names,
    )
