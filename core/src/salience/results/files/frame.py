"""Tables of an explanation: one row a value, or one row an item, as a pandas DataFrame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from salience.data.domain import Domain
from salience.errors import InputError
from salience.plugins.faults import Asked
from salience.results.saliency import Saliency

if TYPE_CHECKING:
    import pandas as pd


# Columns of the long table, whose names axes of the user's cannot have.
_OWN = ("id", "variable", "position", "saliency", "std_error", "item", "axis")


def to_dataframe(explanation: Any, axes: Mapping[str, tuple[str, ...]]) -> pd.DataFrame:
    """Build the long table of :meth:`salience.Explanation.to_dataframe`.

    Args:
        explanation: The explanation.
        axes: Target variable → names of the axes of the saliency of an item, as far as known.

    Raises:
        InputError: pandas is not installed.
    """
    pandas = _pandas()
    parts = [
        _long(explanation, variable, axes.get(variable, ())) for variable in explanation.saliency
    ]
    made: pd.DataFrame = pandas.concat(
        [pandas.DataFrame(part) for part in parts], ignore_index=True
    )
    return made


def to_wide(explanation: Any, axes: Mapping[str, tuple[str, ...]]) -> pd.DataFrame:
    """Build the wide table of :meth:`salience.Explanation.to_dataframe`.

    No two columns have one name: a feature called "id" has the column "input id".

    Raises:
        InputError: pandas is not installed.
    """
    pandas = _pandas()
    if any(saliency.counts is not None for saliency in explanation.saliency.values()):
        return _side_by_side(explanation, axes)
    columns: dict[str, Any] = {"id": list(explanation.ids)}
    columns |= _predictions(explanation)
    single = len(explanation.saliency) == 1
    blocks, used = [pandas.DataFrame(columns)], set(columns)
    for variable, saliency in explanation.saliency.items():
        flat = saliency.flat.flatten(1)
        names = explanation.column_names(variable) or _numbered(saliency.flat.shape[1:])
        own = list(names) if single else [f"{variable} {name}" for name in names]
        parts = {"": flat}
        if bool(saliency.flat_error.isfinite().any()):
            parts[" std_error"] = saliency.flat_error.flatten(1)
        for what, values in parts.items():
            free = _free([f"{name}{what}" for name in own], used, variable)
            blocks.append(pandas.DataFrame(values.numpy(), columns=free))
    made: pd.DataFrame = pandas.concat(blocks, axis=1)
    return made


def _free(names: Sequence[str], used: set[str], variable: str) -> list[str]:
    """Names of columns, with that of the variable in front where another column has the name."""
    found = []
    for name in names:
        while name in used:
            name = f"{variable} {name}"
        used.add(name)
        found.append(name)
    return found


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise InputError(
            "to_dataframe needs pandas, which is not installed; run: pip install pandas"
        ) from error
    return pandas


def _numbered(shape: torch.Size) -> list[str]:
    """Names of positions by their place along each axis: ``"0"`` or ``"0,0"``."""
    return [",".join(map(str, place)) for place in np.ndindex(*shape)]


def _predictions(explanation: Any) -> dict[str, Any]:
    """Columns of the model's output, where it is one number or a few of them."""
    prediction: Tensor = explanation.prediction
    if prediction.ndim == 2 and 1 < prediction.shape[1] <= 20:
        names = explanation.dataset_info.get("class_names") or ()
        if len(names) != prediction.shape[1]:  # some classes have no name, or have no score
            names = range(prediction.shape[1])
        return {f"prediction {name}": prediction[:, i].numpy() for i, name in enumerate(names)}
    return {"prediction": (prediction if prediction.ndim == 1 else explanation.score).numpy()}


def _long(explanation: Any, variable: str, axes: tuple[str, ...]) -> dict[str, Any]:
    """Columns of the long table of one target variable."""
    saliency = explanation[variable]
    item, places = _places(saliency, len(explanation))
    position: Any = places[:, 0] if places.shape[1] == 1 else list(map(tuple, places.tolist()))
    if saliency.names is not None and saliency.counts is not None:
        position = [name for own in saliency.names for name in own]
    names = explanation.column_names(variable)
    if names is not None and saliency.flat.shape[1:] == (len(names),):
        position = np.asarray(names, dtype=object)[places[:, 0]]
    ids = np.asarray(list(explanation.ids), dtype=object)
    known: dict[str, Any] = {}
    if places.shape[1] > 1 and len(axes) == places.shape[1]:
        known |= {axis: places[:, i] for i, axis in enumerate(axes)}
    known |= _of_positions(explanation, variable, axes)
    known |= _values(explanation, variable, len(places))
    names = _free(list(known), {*_OWN}, variable)
    return {
        "id": ids[item].tolist(),
        "variable": variable,
        "position": position,
        **dict(zip(names, known.values(), strict=True)),
        "saliency": _column(saliency, saliency.flat),
        "std_error": _column(saliency, saliency.flat_error),
    }


def _values(explanation: Any, variable: str, n_rows: int) -> dict[str, Any]:
    """What the data holds at each position, where positions are columns and the domain knows."""
    domain, saliency = explanation.domain, explanation[variable]
    is_table = saliency.counts is None and saliency.names is None and saliency.flat.ndim == 2
    if not isinstance(domain, Domain) or not is_table:
        return {}
    if explanation.column_names(variable) is None:
        return {}
    width = int(saliency.flat.shape[1])
    info = explanation.dataset_info
    asked = Asked("domains", domain, "feature_values")
    found = asked(variable, width, explanation.annotations, info)
    return {"value": found} if found is not None and len(found) == n_rows else {}


def _of_positions(explanation: Any, variable: str, axes: tuple[str, ...]) -> dict[str, list[Any]]:
    """What the domain knows of positions, such as the element of an atom, in the table's order."""
    domain, saliency = explanation.domain, explanation[variable]
    if not isinstance(domain, Domain) or saliency.names is not None or not explanation.annotations:
        return {}
    if type(domain).positions is Domain.positions or _are_blocks(explanation):
        return {}
    shapes = [tuple(one.shape) for one in saliency.values]
    asked = Asked("domains", domain, "positions")
    each = [asked(annotation, axes) for annotation in explanation.annotations]
    names = list(dict.fromkeys(name for own in each for name in own))
    found: dict[str, list[Any]] = {name: [] for name in names}
    for own, shape in zip(each, shapes, strict=True):
        length = torch.Size(shape).numel()
        for name, column in found.items():
            entries = own.get(name, [None] * length)
            if len(entries) != length:
                raise asked.broken(
                    f"{len(entries)} entries of {name!r}", f"{length}, one a position"
                )
            column += list(entries)
    return found


def _are_blocks(explanation: Any) -> bool:
    """Whether positions are blocks of several, of which the domain knows nothing."""
    pool = explanation.provenance.get("pool")
    return isinstance(pool, Mapping) and "blocks" in pool


def _side_by_side(explanation: Any, axes: Mapping[str, tuple[str, ...]]) -> pd.DataFrame:
    """A row for each position of an item, with target variables on the same axes side by side.

    Where variables have different axes, such as atoms and bonds, the column ``axis`` names those
    of each row.
    """
    merged: Any = None
    for variable in explanation.saliency:
        table = _pandas().DataFrame(_long(explanation, variable, axes.get(variable, ())))
        table = table.drop(columns="variable").astype({"position": object})
        # Ids may repeat, so that items are told apart by their number.
        table.insert(0, "item", _places(explanation[variable], len(explanation))[0])
        table.insert(2, "axis", ", ".join(axes.get(variable, ())))
        if len(explanation.saliency) > 1:
            own = {what: f"{variable} {what}" for what in ("saliency", "std_error")}
            table = table.rename(columns=own)
        if merged is None:
            merged = table
            continue
        # Numbers of axes, and what the domain knows of a position, are the same in both.
        shared = [name for name in merged.columns if name in table.columns]
        if set(table["axis"]).isdisjoint(merged["axis"]):
            merged = _pandas().concat([merged, table], ignore_index=True)
        else:
            merged = merged.merge(table, on=shared, how="outer", sort=False)
    merged = merged.sort_values("item", kind="stable", ignore_index=True)
    one = merged["axis"].nunique() == 1
    made: pd.DataFrame = merged.drop(columns=["item", "axis"] if one else "item").infer_objects()
    return made


def _column(saliency: Saliency, flat: Tensor) -> Any:
    """The values of all items, in the order of their axes."""
    if saliency.grid is not None:
        flat = torch.cat([item.flatten() for item in saliency.split(flat)])
    return flat.flatten().numpy()


def _places(saliency: Saliency, n_items: int) -> tuple[Any, Any]:
    """Item of each value, shape (N,), and its place along each axis, (N, A), as :func:`_column`."""
    inner = tuple(saliency.flat.shape[1:])
    if saliency.grid is None and saliency.counts is None:
        each = np.indices(inner).reshape(len(inner), -1).T if inner else np.zeros((1, 1), int)
        item = np.repeat(np.arange(n_items), len(each))
        return item, np.tile(each, (n_items, 1))
    if saliency.grid is not None:
        shapes: Sequence[tuple[int, ...]] = [tuple(one.shape) for one in saliency.values]
    else:
        assert saliency.counts is not None
        shapes = [(size, *inner) for size in saliency.counts.tolist()]
    within = [np.indices(shape).reshape(len(shape), -1).T for shape in shapes]
    item = np.repeat(np.arange(n_items), [len(one) for one in within])
    return item, np.concatenate(within) if within else np.zeros((0, 1), int)
