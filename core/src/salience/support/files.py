"""Writing files so that a file is complete or absent, never partial."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from salience.errors import InputError, brief
from salience.support.interrupts import holding

# Bytes of a name, with room for the ending that the temporary file gets.
_LONGEST = 240


def write_whole(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file completely or not at all.

    ``write(stream)`` writes to a temporary file in the same folder, which replaces ``path`` at the
    end. Where ``write`` raises, the temporary file is deleted and ``path`` stays as it was. Missing
    parent folders are made. Ctrl-C arrives when the file is written.
    """
    if len(path.name.encode()) > _LONGEST:
        raise InputError(
            f"{brief(path.name, 60)} is too long for the name of a file; pass one of at most "
            f"{_LONGEST} bytes"
        )
    with holding():
        _write(path, write)


def _write(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            write(stream)
        mask = os.umask(0)
        os.umask(mask)
        Path(temporary).chmod(0o666 & ~mask)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink()
        raise
