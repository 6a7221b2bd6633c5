"""Tables in Parquet, of which a range of rows is read as pandas would read it of the whole file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salience.errors import InputError, brief
from salience.runs.fingerprints.files import of_files
from salience.runs.sources.base import Source
from salience.runs.stored.arrow import arrow


class ParquetFile(Source):
    """A table in a Parquet file.

    Args:
        path: The file.

    Raises:
        InputError: It is no Parquet file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._last: tuple[int, Any] | None = None
        try:
            self._file = arrow().parquet.ParquetFile(self.path)
        except ValueError as error:  # ArrowInvalid is one
            raise InputError(
                f"{brief(self.path.name)} is no Parquet file, or damaged ({brief(error, 60)}); "
                f"pass one that pandas can read"
            ) from error

    def __len__(self) -> int:
        return int(self._ends[-1])

    @cached_property
    def _ends(self) -> NDArray[np.int64]:
        """Number of rows up to the end of each row group, with 0 in front."""
        data = self._file.metadata
        groups = [data.row_group(group).num_rows for group in range(data.num_row_groups)]
        return np.cumsum([0, *groups])

    @cached_property
    def _categories(self) -> dict[str, list[Any]]:
        """Entries of each column of categories, in the order in which they first come.

        Each row group codes its own entries, so that one code may mean several of them.
        """
        schema = self._file.schema_arrow
        names = [one.name for one in schema if arrow().types.is_dictionary(one.type)]
        found: dict[str, dict[Any, None]] = {name: {} for name in names}
        for group in range(self._file.metadata.num_row_groups if names else 0):
            table = self._file.read_row_group(group, names)
            for name in names:
                for chunk in table[name].chunks:
                    found[name] |= dict.fromkeys(chunk.dictionary.to_pylist())
        return {name: list(entries) for name, entries in found.items()}

    @contextmanager
    def reading(self, start: int, stop: int, held: Any = None) -> Iterator[Any]:
        """A frame with the rows of the range."""
        first = int(np.searchsorted(self._ends, start, side="right")) - 1
        last = int(np.searchsorted(self._ends, stop, side="left"))
        found = []
        for group in range(first, last):
            begin, end = self._ends[group : group + 2].tolist()
            low = max(start - begin, 0)
            found.append(self._group(group).slice(low, min(stop, end) - begin - low))
        frame = arrow().concat_tables(found).to_pandas()
        for name, entries in self._categories.items():
            if name in frame.columns:  # it is not the index
                frame[name] = frame[name].cat.set_categories(entries)
        yield self._counted(frame, start, stop)

    def _group(self, group: int) -> Any:
        """A row group; the last one is kept, as it may be all of the file."""
        last = self._last
        if last is None or last[0] != group:
            self._last = None  # not two at a time
            try:
                last = self._last = group, self._file.read_row_group(group)
            except (OSError, ValueError) as error:
                raise InputError(
                    f"row group {group} of {brief(self.path.name)} is damaged "
                    f"({brief(error, 60)}); write the file again, or copy it again"
                ) from error
        return last[1]

    def _counted(self, frame: Any, start: int, stop: int) -> Any:
        """A frame with its rows numbered as in the whole file, where they are only numbered.

        Pandas writes of such an index where it starts and ends, which of a part says nothing.
        """
        import pandas

        if not isinstance(frame.index, pandas.RangeIndex):
            return frame
        index = pandas.RangeIndex(len(self))
        known = (self._file.schema_arrow.pandas_metadata or {}).get("index_columns", ())
        for own in known:
            if isinstance(own, dict) and own.get("kind") == "range":
                written = pandas.RangeIndex(own["start"], own["stop"], own["step"])
                index = written if len(written) == len(self) else index
        return frame.set_axis(index[start:stop], axis=0)

    def identity(self) -> dict[str, Any]:
        """Kind, number of items and fingerprint of the file."""
        return {"kind": ".parquet", "n_items": len(self), **of_files([self.path])}

    def __reduce__(self) -> Any:
        return ParquetFile, (self.path,)
