"""Text files with a record for each item: CSV, SMILES and SDF, of which a range is read.

A range of a text file is handed to the domain as a small file of the same kind, so that a record
means what it means in the file as a whole.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from salience.errors import InputError
from salience.runs.fingerprints.files import of_files
from salience.runs.sources.base import Source
from salience.runs.sources.parquet import ParquetFile

# Records between two places of a file that are kept.
_STEP = 256


class TextFile(Source):
    """A CSV, SMILES or SDF file.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._head, self._places, self._length = _scanned(self.path)
        number = rf"\b(line|record) (\d+) of {re.escape(self.path.name)}"
        self._number = re.compile(number)

    def __len__(self) -> int:
        return self._length

    @contextmanager
    def reading(self, start: int, stop: int, held: Any = None) -> Iterator[str]:
        """The path of a file with the records of the range, which is there for the time.

        Raises:
            InputError: The domain cannot read it; lines and records are counted in the whole file.
        """
        records = self._from_place(start, stop)[start % _STEP :]
        with tempfile.TemporaryDirectory(prefix="salience-") as folder:
            part = Path(folder) / self.path.name
            part.write_bytes(self._head + b"".join(records))
            try:
                yield str(part)
            except InputError as error:
                said = str(error).replace(folder, str(self.path.parent))
                error.args = (self.placed(said, start),)
                raise

    def _from_place(self, start: int, stop: int) -> list[bytes]:
        """The records from the place before a range on, up to its end."""
        with self.path.open("rb") as stream:
            stream.seek(self._places[start // _STEP][0])
            found = _records(stream, self.path.suffix.lower())
            numbers = range(start - start % _STEP, stop)
            return [record for _, record in zip(numbers, found, strict=False)]

    def placed(self, said: str, start: int) -> str:
        """What is said of a range, with lines and records counted in the whole file."""
        if self._number.search(said) is None:
            return said
        before = b"".join(self._from_place(start, start)).count(b"\n")
        line = self._places[start // _STEP][1] + before - self._head.count(b"\n")
        added = {"line": line, "record": start}
        return self._number.sub(
            lambda m: f"{m[1]} {int(m[2]) + added[m[1]]} of {self.path.name}", said
        )

    def identity(self) -> dict[str, Any]:
        """Kind, number of items and fingerprint of the file."""
        return {"kind": self.path.suffix, "n_items": len(self), **of_files([self.path])}


def of_file(path: Path) -> Source | None:
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


def _scanned(path: Path) -> tuple[bytes, list[tuple[int, int]], int]:
    """What comes before the records, the places of each 256th record, and the number of records.

    A place is the number of bytes and of lines that come before.
    """
    suffix = path.suffix.lower()
    with path.open("rb") as stream:
        head = _head(stream, suffix)
        at, line, places, number = len(head), head.count(b"\n"), [], 0
        for record in _records(stream, suffix):
            if number % _STEP == 0:
                places.append((at, line))
            at += len(record)
            line += record.count(b"\n")
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
