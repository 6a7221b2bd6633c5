"""Writing files so that a file is complete or absent, never partial."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from salience.errors import InputError, brief
from salience.support.interrupts import holding

# Bytes of a name, with room for the ending that the temporary file gets.
_LONGEST = 230
# What a path of the user's may be to blame for; a full disk it is not.
_OF_THE_PATH = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EEXIST)


def write_whole(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file completely or not at all.

    ``write(stream)`` writes to a temporary file in the same folder, which replaces the file at the
    end, when its bytes are on the disk. Where ``write`` raises, the temporary file is deleted and
    ``path`` stays as it was. Missing parent folders are made. A file that is replaced keeps its
    permissions, and a symbolic link stays one: the file that it leads to is written. Ctrl-C arrives
    when the file is written.

    Raises:
        InputError: The path leads to something that is no regular file, such as a folder or a
            device, or to a file or folder that must not be written; or its name is too long.
    """
    if len(os.fsencode(path.name)) > _LONGEST:
        raise InputError(
            f"{brief(path.name, 60)} is too long for the name of a file; pass one of at most "
            f"{_LONGEST} bytes"
        )
    with holding():
        try:
            target = _target(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            _write(target, write)
        except OSError as error:
            if error.errno not in _OF_THE_PATH:
                raise
            raise InputError(
                f"{str(path)!r} cannot be written ({error.strerror}); pass a path that may be"
            ) from error


def _target(path: Path) -> Path:
    """The file that is written for a path: where it leads to, if it is a symbolic link.

    Raises:
        InputError: It is there and no regular file, or must not be written.
    """
    try:
        target = path.resolve() if path.is_symlink() else path
    except RuntimeError as error:  # Python's word for links that lead to each other
        raise InputError(f"{str(path)!r} is a link that leads to itself; pass another") from error
    if not target.exists():
        return target
    if not target.is_file():
        kind = "a folder" if target.is_dir() else "no regular file"
        raise InputError(f"{str(path)!r} is {kind} and is not replaced; pass the path of a file")
    if not os.access(target, os.W_OK):
        raise InputError(f"{str(path)!r} is write-protected; pass another path or allow writing")
    return target


def _write(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    former = path.stat() if path.exists() else None
    # A new file gets what the user's mask leaves; one that replaces a private file is never open.
    mode = 0o666 if former is None else 0o600
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(handle, "wb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        if former is not None:
            with suppress(PermissionError):  # only root gives files away
                os.chown(temporary, former.st_uid, former.st_gid)
            temporary.chmod(stat.S_IMODE(former.st_mode))
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the name of a new file is on the disk, too, where the system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
