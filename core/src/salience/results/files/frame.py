"""Conversion of an explanation to a long table (one row per value), a pandas DataFrame."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from salience.errors import InputError
from salience.results.saliency import Saliency

if TYPE_CHECKING:
    import pandas as pd


def to_dataframe(
    saliency: Mapping[str, Saliency],
    ids: Sequence[int | str],
    names: Mapping[str, Sequence[str] | None],
) -> pd.DataFrame:
    """Build the table of :meth:`salience.Explanation.to_dataframe`.

    Args:
        saliency: Target variable → its saliency.
        ids: Id of each item.
        names: Target variable → name of each position of an item, or ``None``.

    Raises:
        InputError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise InputError(
            "to_dataframe needs pandas, which is not installed; run: pip install pandas"
        ) from error
    ids, frames = list(ids), []
    for variable, found in saliency.items():
        item, position = _positions(found, len(ids))
        columns = names[variable]
        if found.names is not None and found.counts is not None:
            position = [name for own in found.names for name in own]
        if columns is not None and found.flat.shape[1:] == (len(columns),):
            position = [columns[p] for p in position]
        frames.append(
            pd.DataFrame(
                {
                    "id": [ids[i] for i in item],
                    "variable": variable,
                    "position": position,
                    "saliency": _column(found, found.flat),
                    "std_error": _column(found, found.flat_error),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def _column(saliency: Saliency, flat: torch.Tensor) -> Any:
    """The values of all items, in the order of their axes."""
    if saliency.grid is not None:
        flat = torch.cat([item.flatten() for item in saliency.split(flat)])
    return flat.flatten().numpy()


def _positions(saliency: Saliency, n_items: int) -> tuple[list[int], list[Any]]:
    """Item index and position within the item of each value, in the order of :func:`_column`."""
    if saliency.grid is not None:
        shapes = [item.shape for item in saliency.values]
        at = [p for shape in shapes for p in itertools.product(*(range(n) for n in shape))]
        return [i for i, shape in enumerate(shapes) for _ in range(shape.numel())], _plain(at)
    inner = [range(length) for length in saliency.flat.shape[1:]]
    if saliency.counts is None:
        within = list(itertools.product(*inner)) * n_items
        repeats = [torch.Size(saliency.flat.shape[1:]).numel()] * n_items
    else:
        sizes = saliency.counts.tolist()
        within = [position for size in sizes for position in itertools.product(range(size), *inner)]
        each = torch.Size(saliency.flat.shape[1:]).numel()
        repeats = [size * each for size in sizes]
    items = [i for i, repeat in enumerate(repeats) for _ in range(repeat)]
    return items, _plain(within)


def _plain(positions: list[tuple[int, ...]]) -> list[Any]:
    """Positions along a single axis as numbers."""
    return [p[0] if len(p) == 1 else p for p in positions]
