"""Files with a record for each item: CSV, SMILES, SDF and Parquet, of which a range is read.

A range of a text file is handed to the domain as a small file of the same kind, so that a record
means what it means in the file as a whole.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from salience.errors import InputError
from salience.runs.fingerprint import of_files

# Records between two places of a file that are kept.
_STEP = 256


class TextFile:
    """A CSV, SMILES or SDF file.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._head, self._places, self._length = _scanned(self.path)

    def __len__(self) -> int:
        return self._length

    def held(self, start: int, stop: int) -> None:
        """Nothing: another process reads the file."""

    @contextmanager
    def reading(self, start: int, stop: int, held: Any = None) -> Iterator[str]:
        """The path of a file with the records of the range, which is there for the time."""
        first = start // _STEP
        with self.path.open("rb") as stream:
            stream.seek(self._places[first])
            found = _records(stream, self.path.suffix.lower())
            numbered = zip(range(first * _STEP, stop), found, strict=False)
            wanted = [record for number, record in numbered if number >= start]
        with tempfile.TemporaryDirectory(prefix="salience-") as folder:
            part = Path(folder) / self.path.name
            part.write_bytes(self._head + b"".join(wanted))
            yield str(part)

    def identity(self) -> dict[str, Any]:
        """Kind, number of items and fingerprint of the file."""
        return {"kind": self.path.suffix, "n_items": len(self), **of_files([self.path])}


class ParquetFile:
    """A table in a Parquet file.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    def __len__(self) -> int:
        return int(self._file.metadata.num_rows)

    @cached_property
    def _file(self) -> Any:
        from pyarrow import parquet

        return parquet.ParquetFile(self.path)

    def held(self, start: int, stop: int) -> None:
        """Nothing: another process reads the file."""

    @contextmanager
    def reading(self, start: int, stop: int, held: Any = None) -> Iterator[Any]:
        """A frame with the rows of the range."""
        found, row = [], 0
        for group in range(self._file.metadata.num_row_groups):
            rows = self._file.metadata.row_group(group).num_rows
            if row < stop and row + rows > start:
                table = self._file.read_row_group(group)
                low = max(start - row, 0)
                found.append(table.slice(low, min(stop - row, rows) - low))
            row += rows
        from pyarrow import concat_tables

        yield concat_tables(found).to_pandas()

    def identity(self) -> dict[str, Any]:
        """Kind, number of items and fingerprint of the file."""
        return {"kind": ".parquet", "n_items": len(self), **of_files([self.path])}

    def __reduce__(self) -> Any:
        return ParquetFile, (self.path,)


def of_file(path: Path) -> Any:
    """The source of a file with many records; ``None`` for a file that is one item.

    Raises:
        InputError: It cannot be read.
    """
    suffix = path.suffix.lower()
    try:
        if suffix == ".parquet":
            return ParquetFile(path)
        return TextFile(path) if suffix in (".csv", ".smi", ".sdf", ".sd") else None
    except OSError as error:
        raise InputError(f"cannot read {str(path)!r} ({error}); pass a readable file") from error


def _scanned(path: Path) -> tuple[bytes, list[int], int]:
    """What comes before the records, the place of each 256th record, and their number."""
    suffix = path.suffix.lower()
    with path.open("rb") as stream:
        head = _head(stream, suffix)
        at, places, number = len(head), [], 0
        for record in _records(stream, suffix):
            if number % _STEP == 0:
                places.append(at)
            at += len(record)
            number += 1
    return head, places, number


def _head(stream: Any, suffix: str) -> bytes:
    """The header of a table; the optional one of a SMILES file."""
    if suffix in (".sdf", ".sd"):
        return b""
    first = next(_lines(stream, quoted=suffix == ".csv"), b"")
    words = first.removeprefix(b"\xef\xbb\xbf").split()
    if suffix == ".csv" or (words and words[0].lower() == b"smiles"):
        stream.seek(len(first))
        return first
    stream.seek(0)
    return b""


def _records(stream: Any, suffix: str) -> Iterator[bytes]:
    """The records of a file, each with its end; empty lines belong to the one before them."""
    if suffix not in (".sdf", ".sd"):
        held = b""
        for line in _lines(stream, quoted=suffix == ".csv"):
            if held.strip() and line.strip():
                yield held
                held = b""
            held += line
        if held.strip():
            yield held
        return
    lines: list[bytes] = []
    for line in stream:
        lines.append(line)
        if line.startswith(b"$$$$"):
            yield b"".join(lines)
            lines = []
    if b"".join(lines).strip():
        yield b"".join(lines)


def _lines(stream: Any, *, quoted: bool) -> Iterator[bytes]:
    """Lines of a file; line breaks in quotation marks are part of a line."""
    held, is_open = b"", False
    for line in stream:
        held += line
        if quoted and line.count(b'"') % 2:
            is_open = not is_open
        if not is_open:
            yield held
            held = b""
    if held:
        yield held
