"""What is written of a unit: the columns of its file, which :mod:`unit_file` describes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from salience.data.names import plain_name
from salience.data.per_item import ColumnAnnotations
from salience.errors import one_line
from salience.results.explanation import Explanation
from salience.results.items import COLUMNS
from salience.runs.ranges import ItemRange
from salience.runs.stored import arrow
from salience.runs.stored.joined import joined
from salience.runs.stored.unit_file import DONE, ERROR, FAILED, KEY, OTHERS

_FORMAT = 1
# Characters of the reason of an item that failed.
_LONGEST = 500
# Bytes of values that are read at once.
_GROUP = 2**18
# Columns of a table that become columns of Parquet.
_WIDEST = 512


@dataclass
class UnitRows:
    """What is to be written of a unit.

    Args:
        range: The items.
        failed: Position of each item that failed, and the reason.
        parts: Position of the first item of each part, and its explanation.
        notices: What the user is to be told.
        names: Position of items that failed, and what each is called, as far as that is known.
    """

    range: ItemRange
    failed: list[tuple[int, str]]
    parts: list[tuple[int, Explanation]] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    names: dict[int, int | str] = field(default_factory=dict)

    def add(self, start: int, explained: Explanation) -> None:
        """Add the explanation of items that follow each other."""
        self.parts.append((start, explained))

    def fail(self, position: int, reason: str, name: Any) -> None:
        """Add an item that failed, with what the data calls it, if that is known."""
        self.failed.append((position, one_line(reason, _LONGEST)))
        if (plain := plain_name(name)) is not None:
            self.names[position] = plain

    def note(self, notices: Sequence[str]) -> None:
        """Add what the user is to be told."""
        self.notices += [sentence for sentence in notices if sentence not in self.notices]

    def ids(self) -> list[Any]:
        """What each item is called: the user's id, else its name in the data, else its position.

        Among items that have names, one that failed without a name is called "item" and its
        position, since the position alone may be the name of another.
        """
        unit = self.range
        if unit.ids is not None:
            return list(unit.ids)
        found = dict(self.names)
        for start, part in self.parts:
            found |= zip(range(start, start + len(part)), part.ids, strict=True)
        named = any(name != position for position, name in found.items())
        return [
            found.get(position, f"item {position}" if named else position)
            for position in range(unit.start, unit.stop)
        ]

    def name_failed(self, names: Sequence[Any] | None) -> None:
        """Name items that failed and could not be read, where others have the same kind of name.

        Args:
            names: What the data is known to call each item of the range, without reading it.
        """
        if names is None:
            return
        plain = dict(enumerate(map(plain_name, names), self.range.start))
        for start, part in self.parts:
            if any(plain[start + at] not in (None, name) for at, name in enumerate(part.ids)):
                return
        failed = (position for position, _ in self.failed if position not in self.names)
        self.names |= {at: name for at in failed if (name := plain[at]) is not None}


def write_unit(path: Path, rows: UnitRows) -> None:
    """Write the file of a unit."""
    unit, pyarrow = rows.range, arrow.arrow()
    errors, ids = dict(rows.failed), rows.ids()
    columns: dict[str, Any] = {"position": pyarrow.array(range(unit.start, unit.stop))}
    head: dict[str, Any] = {"format": _FORMAT, "notices": rows.notices}
    columns["id"], head["ids"] = arrow.name_column(ids)
    # "item 7" is what a nameless item is called, whatever the names of the others are.
    named = (n for at, n in enumerate(ids, unit.start) if at not in errors and n != f"item {at}")
    head["kinds_of_ids"] = sorted({type(name).__name__ for name in named})
    if unit.labels is not None:
        columns["label"], head["labels"] = arrow.name_column(list(unit.labels))
    texts = [errors.get(position) for position in range(unit.start, unit.stop)]
    columns["status"] = pyarrow.array([DONE if text is None else FAILED for text in texts])
    columns["error"] = pyarrow.array(texts, pyarrow.string())
    if rows.parts:
        done = torch.tensor([text is None for text in texts])
        _add_values(columns, head, joined([part for _, part in rows.parts]), done, unit.start)
    table = pyarrow.table(columns).replace_schema_metadata({KEY: json.dumps(head)})
    size = max(1, _GROUP * len(unit) // max(table.nbytes, 1))
    pyarrow.parquet.write_table(
        table,
        path,
        row_group_size=size,
        compression="lz4",  # values that zstd makes 7 % smaller would take twice as long to read
        use_dictionary=["status", "label"] if unit.labels is not None else ["status"],
        write_statistics=["position"],
        write_page_checksum=True,
    )


def _add_values(
    columns: dict[str, Any], head: dict[str, Any], part: Explanation, done: Tensor, start: int
) -> None:
    """Add the columns of the items that are done; the others get NaN, 0 or nothing."""
    for name in COLUMNS:
        if name not in OTHERS:
            columns[name] = arrow.tensor_column(_spread(getattr(part, name), done))
    head["preflight"] = part.provenance.get("preflight")
    head["variables"] = {name: _add_variable(columns, name, part, done) for name in part.saliency}
    annotations = part.annotations
    if isinstance(annotations, ColumnAnnotations):
        head["annotations"] = list(annotations.columns)
        for name, values in annotations.columns.items():
            columns[f"annotation {name}"] = arrow.tensor_column(_spread(values, done))
    elif len(annotations):
        each = iter(annotations)
        every = [next(each) if good else None for good in done.tolist()]
        positions = range(start, start + len(done))
        columns |= arrow.annotation_columns(every, part.domain, positions)


def _add_variable(
    columns: dict[str, Any], name: str, part: Explanation, done: Tensor
) -> dict[str, Any]:
    """Add the saliency of a target variable; return how it is to be read."""
    saliency = part.saliency[name]
    tensors = {"": saliency.flat, ERROR: saliency.flat_error, **saliency.flat_parts}
    whats = {what: f"{name} {what}".strip() for what in tensors}
    form: dict[str, Any] = {"columns": whats, "names": saliency.names}
    if saliency.counts is not None:
        sizes = _spread(saliency.counts, done)
        form |= {"kind": "list", "shape": list(saliency.flat.shape[1:])}
        for what, values in tensors.items():
            columns[whats[what]] = arrow.list_column(values, sizes)
        if saliency.names is not None:
            each = iter(saliency.names)
            form["names"] = [next(each) if good else () for good in done.tolist()]
        if saliency.grid is not None:
            form["places"] = list(saliency.grid.places)
            columns[f"{name} lengths"] = arrow.tensor_column(_spread(saliency.grid.lengths, done))
        return form
    features = part.column_names(name) or []
    if saliency.flat.ndim == 2 and 0 < len(features) <= _WIDEST:
        own = {what: [f"{name}.{f} {what}".strip() for f in features] for what in tensors}
        distinct = {column for each in own.values() for column in each}
        if len(distinct) == len(features) * len(own) and not distinct & set(columns):
            for what, values in tensors.items():
                spread = _spread(values, done)
                for at, column in enumerate(own[what]):
                    columns[column] = arrow.tensor_column(spread[:, at])
            return form | {"kind": "wide", "columns": own}
    for what, values in tensors.items():
        columns[whats[what]] = arrow.tensor_column(_spread(values, done))
    return form | {"kind": "tensor"}


def _spread(values: Tensor, done: Tensor) -> Tensor:
    """Values of the items that are done in their rows among all items."""
    if bool(done.all()):
        return values
    filler = torch.nan if values.is_floating_point() else 0
    made = values.new_full((len(done), *values.shape[1:]), filler)
    made[done] = values
    return made
