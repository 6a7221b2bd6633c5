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

Names in the data are numbers where all of them are, else text: what one unit holds does not tell.
How the columns are to be read is in the file's metadata, under ``salience``, as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from salience.data.grid import Grid
from salience.data.per_item import ColumnAnnotations
from salience.errors import InputError, brief
from salience.results.explanation import Explanation
from salience.results.items import COLUMNS
from salience.results.saliency import Saliency
from salience.runs.stored import arrow

# Key of what the metadata of a file say of its columns.
KEY = b"salience"
OTHERS = ("ids", "annotations")
ERROR = "std_error"
FAILED, DONE = "failed", "done"


class UnitFile:
    """The file of a unit, of which single rows are read.

    Args:
        path: The file.
        text_ids: Whether ids that are numbers are given as text, since those of other units are.

    Raises:
        InputError: It is gone, or not what a run has written, as after a copy that was cut short.
    """

    def __init__(self, path: Path, *, text_ids: bool = False) -> None:
        self._path = path
        self._text_ids = text_ids
        with self._reading():
            self._file = arrow.arrow().parquet.ParquetFile(
                path, memory_map=True, page_checksum_verification=True
            )
            self.head: Mapping[str, Any] = json.loads(self._file.schema_arrow.metadata[KEY])
        groups = [self._file.metadata.row_group(i) for i in range(self._file.num_row_groups)]
        self._ends = np.cumsum([group.num_rows for group in groups])

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Raise InputError in place of what shows that the file is not as it was written."""
        try:
            yield
        except InputError:
            raise
        except (OSError, ValueError, KeyError, TypeError) as error:
            folder = brief(str(self._path.parents[1]), 80)
            raise InputError(
                f"the unit {self._path.name!r} of the run in {folder} is missing or damaged "
                f"({brief(error, 60)}); remove it and call explain_dataset again, which computes it"
            ) from error

    def __len__(self) -> int:
        return int(self._ends[-1])

    @property
    def kinds_of_ids(self) -> list[str]:
        """What the names of items are that did not fail: ``"int"``, ``"str"``, both or neither."""
        return list(self.head["kinds_of_ids"])

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
            return self._names(self._file.read([of]), of)
        table, places = self._table(rows, [of])
        return self._names(table.take(places), of)

    def _names(self, table: Any, of: str) -> list[Any]:
        found = arrow.names_of(table[of], self.head[f"{of}s"])
        return list(map(str, found)) if of == "id" and self._text_ids else found

    def column(self, name: str) -> Any:
        """A column of numbers or texts."""
        with self._reading():
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
        with self._reading():
            return self._explanation(table, torch.from_numpy(places), base)

    def _table(
        self, rows: NDArray[np.int64], columns: list[str] | None = None
    ) -> tuple[Any, NDArray[np.int64]]:
        """The groups of rows that hold some rows, and the places of these in them."""
        of_row = np.searchsorted(self._ends, rows, side="right")
        groups = np.unique(of_row)
        with self._reading():
            table = self._file.read_row_groups(groups.tolist(), columns, use_threads=False)
        starts = np.concatenate([[0], self._ends])[groups]
        lengths = self._ends[groups] - starts
        offsets = np.cumsum(lengths) - lengths
        within = np.searchsorted(groups, of_row)
        return table, rows - starts[within] + offsets[within]

    def _explanation(self, table: Any, chosen: Tensor, base: Explanation) -> Explanation:
        names = self._names(table.select(["id"]).take(chosen.tolist()), "id")
        columns: dict[str, Any] = {
            name: arrow.tensor_of(table[name])[chosen] for name in COLUMNS if name not in OTHERS
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
        parts = {what: v for what, v in tensors.items() if what not in ("", ERROR)}
        return Saliency(
            tensors[""], tensors[ERROR], counts, parts, grid=grid, names=self._groups(form, table)
        )

    def _groups(self, form: Mapping[str, Any], table: Any) -> tuple[Any, ...] | None:
        """Names of pooled groups: of all items, or of each of the rows in the table."""
        names = form["names"]
        if names is None or form["kind"] != "list":
            return None if names is None else tuple(names)
        first = table["position"].to_pylist()
        start = self.column("position")[0].as_py()
        return tuple(tuple(names[position - start]) for position in first)
