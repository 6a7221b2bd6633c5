"""The file of a unit: a Parquet table with a row for each item.

====================== ===========================================================================
column                 values
====================== ===========================================================================
``position``           position of the item in the data set
``id``, ``label``      what the user, else the data, calls the item; its label, where there are any
``status``, ``error``  ``"done"``, or ``"failed"`` with the reason; other columns then hold NaN, 0
``score``, …           the columns of :class:`salience.ItemTable`
``V``, ``V std_error``  saliency of the target variable V with its errors: tensors of fixed shape,
                       or lists where items are ragged
``V.C``                the same of a column C of a table, a number an item
====================== ===========================================================================

How the columns are to be read is in the file's metadata, under ``salience``, as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from salience.data.grid import Grid
from salience.data.per_item import ColumnAnnotations
from salience.results.explanation import Explanation
from salience.results.items import COLUMNS
from salience.results.saliency import Saliency
from salience.runs.ranges import ItemRange
from salience.runs.stored import arrow
from salience.runs.stored.joined import joined

_KEY = b"salience"
_FORMAT = 1
_OTHERS = ("ids", "annotations")
# Bytes of values that are read at once.
_GROUP = 2**18
# Columns of a table that become columns of Parquet.
_WIDEST = 512
_ERROR = "std_error"
FAILED, DONE = "failed", "done"


@dataclass
class UnitRows:
    """What is to be written of a unit.

    Args:
        range: The items.
        failed: Position of each item that failed, and the reason.
        parts: Position of the first item of each part, and its explanation.
        notices: What the user is to be told.
    """

    range: ItemRange
    failed: list[tuple[int, str]]
    parts: list[tuple[int, Explanation]] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def add(self, start: int, explained: Explanation, notices: Sequence[str]) -> None:
        """Add the explanation of items that follow each other."""
        self.parts.append((start, explained))
        self.notices += [sentence for sentence in notices if sentence not in self.notices]


def write_unit(path: Path, rows: UnitRows) -> None:
    """Write the file of a unit."""
    unit, pyarrow = rows.range, arrow.arrow()
    errors = dict(rows.failed)
    ids: list[Any] = list(unit.ids or range(unit.start, unit.stop))
    for start, part in rows.parts:
        ids[start - unit.start : start - unit.start + len(part)] = part.ids
    columns: dict[str, Any] = {"position": pyarrow.array(range(unit.start, unit.stop))}
    head: dict[str, Any] = {"format": _FORMAT, "notices": rows.notices}
    columns["id"], head["ids"] = arrow.name_column(ids)
    if unit.labels is not None:
        columns["label"], head["labels"] = arrow.name_column(list(unit.labels))
    texts = [errors.get(position) for position in range(unit.start, unit.stop)]
    columns["status"] = pyarrow.array([DONE if text is None else FAILED for text in texts])
    columns["error"] = pyarrow.array(texts, pyarrow.string())
    if rows.parts:
        done = torch.tensor([text is None for text in texts])
        _add_values(columns, head, joined([part for _, part in rows.parts]), done, unit.start)
    table = pyarrow.table(columns).replace_schema_metadata({_KEY: json.dumps(head)})
    size = max(1, _GROUP * len(unit) // max(table.nbytes, 1))
    pyarrow.parquet.write_table(
        table,
        path,
        row_group_size=size,
        compression="lz4",  # values that zstd makes 7 % smaller would take twice as long to read
        use_dictionary=["status", "label"] if unit.labels is not None else ["status"],
        write_statistics=["position"],
    )


def _add_values(
    columns: dict[str, Any], head: dict[str, Any], part: Explanation, done: Tensor, start: int
) -> None:
    """Add the columns of the items that are done; the others get NaN, 0 or nothing."""
    for name in COLUMNS:
        if name not in _OTHERS:
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
        every = [next(each) if good else {} for good in done.tolist()]
        positions = range(start, start + len(done))
        columns |= arrow.annotation_columns(every, part.domain, positions)


def _add_variable(
    columns: dict[str, Any], name: str, part: Explanation, done: Tensor
) -> dict[str, Any]:
    """Add the saliency of a target variable; return how it is to be read."""
    saliency = part.saliency[name]
    tensors = {"": saliency.flat, _ERROR: saliency.flat_error, **saliency.flat_parts}
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


class UnitFile:
    """The file of a unit, of which single rows are read.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._file = arrow.arrow().parquet.ParquetFile(path, memory_map=True)
        self.head: Mapping[str, Any] = json.loads(self._file.schema_arrow.metadata[_KEY])
        groups = [self._file.metadata.row_group(i) for i in range(self._file.num_row_groups)]
        self._ends = np.cumsum([group.num_rows for group in groups])

    def __len__(self) -> int:
        return int(self._ends[-1])

    @cached_property
    def has_labels(self) -> bool:
        """Whether items have labels."""
        return "labels" in self.head

    def names(self, of: str, rows: NDArray[np.int64] | None = None) -> list[Any]:
        """The column ``"id"`` or ``"label"``.

        Args:
            of: Which of them.
            rows: Numbers of rows in ascending order; all of them where ``None``.
        """
        if rows is None:
            return arrow.names_of(self._file.read([of]).column(0), self.head[f"{of}s"])
        table, places = self._table(rows, [of])
        return arrow.names_of(table.column(0).take(places), self.head[f"{of}s"])

    def column(self, name: str) -> Any:
        """A column of numbers or texts."""
        return self._file.read([name]).column(0)

    def is_done(self) -> NDArray[np.bool_]:
        """Whether each item is done and did not fail, bool."""
        return np.array([status == DONE for status in self.column("status").to_pylist()])

    def read(self, rows: NDArray[np.int64], base: Explanation) -> Explanation:
        """The explanation of rows of the file, in their order.

        Args:
            rows: Numbers of rows that did not fail.
            base: An explanation with what all items have in common.
        """
        table, places = self._table(rows)
        return self._explanation(table, torch.from_numpy(places), base)

    def _table(
        self, rows: NDArray[np.int64], columns: list[str] | None = None
    ) -> tuple[Any, NDArray[np.int64]]:
        """The groups of rows that hold some rows, and the places of these in them."""
        of_row = np.searchsorted(self._ends, rows, side="right")
        groups = np.unique(of_row)
        table = self._file.read_row_groups(groups.tolist(), columns, use_threads=False)
        starts = np.concatenate([[0], self._ends])[groups]
        lengths = self._ends[groups] - starts
        offsets = np.cumsum(lengths) - lengths
        within = np.searchsorted(groups, of_row)
        return table, rows - starts[within] + offsets[within]

    def _explanation(self, table: Any, chosen: Tensor, base: Explanation) -> Explanation:
        names = arrow.names_of(table["id"].take(chosen.tolist()), self.head["ids"])
        columns: dict[str, Any] = {
            name: arrow.tensor_of(table[name])[chosen] for name in COLUMNS if name not in _OTHERS
        }
        columns["annotations"] = self._annotations(table, chosen, base)
        saliency = {
            name: self._saliency(table, name, form).select(chosen)
            for name, form in self.head["variables"].items()
        }
        provenance = dict(base.provenance)
        if self.head.get("preflight") is not None:
            provenance["preflight"] = self.head["preflight"]
        return Explanation(
            **columns,
            ids=names,
            saliency=saliency,
            dataset_info=base.dataset_info,
            provenance=provenance,
            domain=base.domain,
            design=base.design,
        )

    def _annotations(self, table: Any, chosen: Tensor, base: Explanation) -> Any:
        if "annotations" in self.head:
            own = self.head["annotations"]
            read = {name: arrow.tensor_of(table[f"annotation {name}"])[chosen] for name in own}
            return ColumnAnnotations(read)
        if "annotation" not in table.column_names:
            return []
        texts, data = (table[n].take(chosen.tolist()) for n in ("annotation", "annotation_data"))
        return arrow.annotations_of(texts, data, base.domain)

    def _saliency(self, table: Any, name: str, form: Mapping[str, Any]) -> Saliency:
        tensors: dict[str, Tensor] = {}
        counts = grid = None
        for what, column in form["columns"].items():
            if form["kind"] == "wide":
                tensors[what] = torch.stack([arrow.tensor_of(table[c]) for c in column], 1)
            elif form["kind"] == "list":
                tensors[what], counts = arrow.lists_of(table[column], form["shape"])
            else:
                tensors[what] = arrow.tensor_of(table[column])
        if "places" in form:
            lengths = arrow.tensor_of(table[f"{name} lengths"])
            grid = Grid(lengths, tuple(form["places"]))
        parts = {what: v for what, v in tensors.items() if what not in ("", _ERROR)}
        return Saliency(
            tensors[""], tensors[_ERROR], counts, parts, grid=grid, names=self._groups(form, table)
        )

    def _groups(self, form: Mapping[str, Any], table: Any) -> tuple[Any, ...] | None:
        """Names of pooled groups: of all items, or of each of the rows in the table."""
        names = form["names"]
        if names is None or form["kind"] != "list":
            return None if names is None else tuple(names)
        first = table["position"].to_pylist()
        start = self.column("position")[0].as_py()
        return tuple(tuple(names[position - start]) for position in first)
