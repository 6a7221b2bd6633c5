"""Fingerprints of files, and of lists that may be of files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from salience.errors import InputError, brief
from salience.naming import is_file
from salience.runs.fingerprints.values import Fingerprint, of_values

# Files of together at most this many bytes are read; of larger ones size and time count.
_READ = 2**30
_CHUNK = 2**20


def of_files(paths: Sequence[Path]) -> dict[str, str]:
    """Fingerprint of files: of names and contents or, of many bytes, of names, sizes and times.

    Returns:
        ``"policy"``, which says which of these, and ``"sha256"``.

    Raises:
        InputError: A file cannot be read.
    """
    try:
        return _of_files(paths)
    except OSError as error:
        raise InputError(
            f"cannot read {brief(error.filename, 80)} ({error.strerror}); pass a readable file"
        ) from error


def _of_files(paths: Sequence[Path]) -> dict[str, str]:
    stats = [path.stat() for path in paths]
    read = sum(stat.st_size for stat in stats) <= _READ
    made = Fingerprint()
    for path, stat in zip(paths, stats, strict=True):
        made.add(path.name)
        made.add(stat.st_size)
        made.add(_contents(path) if read else stat.st_mtime_ns)
    policy = "names and contents" if read else "names, sizes and times of change"
    return {"policy": policy, "sha256": made.hexdigest()}


def of_list(values: Sequence[Any]) -> dict[str, str]:
    """Fingerprint of data in memory; where it is a list of paths, of the files."""
    texts = isinstance(values, list | tuple) and all(isinstance(v, str | Path) for v in values)
    if texts and values and all(is_file(Path(value)) for value in values):
        return of_files([Path(value) for value in values])
    try:
        return {"policy": "values", "sha256": of_values(values)}
    except Exception as error:  # such as values without bytes, or objects that do not pickle
        raise InputError(
            f"data is {brief(values, 60)}, whose values cannot be told from others "
            f"({brief(error, 60)}); pass plain arrays, files, or a Dataset"
        ) from error


def _contents(path: Path) -> str:
    made = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            made.update(chunk)
    return made.hexdigest()
