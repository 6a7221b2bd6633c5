"""The folder of a run, which is the truth about it: a unit is done when its file has its name."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from salience.errors import InputError, brief
from salience.support.files import sync_folder, write_whole

_ENDING = ".parquet"
_TEMPORARY = ".tmp-"
# Seconds after which nobody writes a file any more that has not been touched.
_UNTOUCHED = 600
# What a program that was killed had begun to write: its manifest, head or weights.
_BEGUN = re.compile(r"\.(tmp-|head\.salience\.|weights\.pt\.)")


@dataclass(frozen=True)
class RunFolder:
    """Where a run writes its manifest, its head, its units and its index.

    Args:
        path: The folder.
        stripe: Rank of this program among those that share the run, and their number.
    """

    path: Path
    stripe: tuple[int, int] = (0, 1)

    @property
    def manifest(self) -> Path:
        """What the run computes of what; written once."""
        return self.path / "manifest.json"

    @property
    def head(self) -> Path:
        """An explanation of an item, which holds what all items have in common."""
        return self.path / "head.salience"

    @property
    def weights(self) -> Path:
        """Weights of the model, where other processes read them."""
        return self.path / "weights.pt"

    @property
    def units(self) -> Path:
        """One file for each unit that is done."""
        return self.path / "units"

    @property
    def index(self) -> Path:
        """Where items are found by id; written at the end."""
        return self.path / "index"

    def check_new(self) -> None:
        """Raise InputError where a new run would be written among other files."""
        others = not self.path.is_dir() or any(not _is_ours(path) for path in self.path.iterdir())
        if self.path.exists() and others:
            raise InputError(
                f"{brief(str(self.path), 80)} is there and holds no run; pass a new folder"
            )

    def make(self, manifest: str) -> None:
        """Make the folder and write its manifest, unless another program does so at this time."""
        with self.writing():
            self.units.mkdir(parents=True, exist_ok=True)
            temporary = self.path / f"{_TEMPORARY}manifest-{secrets.token_hex(6)}"
            write_whole(temporary, lambda stream: stream.write(manifest.encode()))
            try:
                os.link(temporary, self.manifest)
            except FileExistsError:
                pass
            finally:
                temporary.unlink()

    @contextmanager
    def early_weights(self) -> Iterator[Path]:
        """A path for the weights before there is a manifest."""
        with self.writing():
            self.units.mkdir(parents=True, exist_ok=True)
        path = self.units / f"{self._temporary}weights-{secrets.token_hex(6)}"
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def unit(self, number: int) -> Path:
        """The file of a unit."""
        return self.units / f"{number:09d}{_ENDING}"

    def commit(self, number: int, write: Callable[[Path], object]) -> None:
        """Write the file of a unit and give it its name, when its bytes are on the disk.

        Args:
            number: Number of the unit.
            write: Writes the file to a path.

        Raises:
            InputError: The disk is full, or the folder is gone or must not be written.
        """
        name = f"{self._temporary}{number}-{os.getpid()}-{secrets.token_hex(4)}"
        temporary = self.units / name
        with self.writing():
            try:
                write(temporary)
                handle = os.open(temporary, os.O_RDONLY)
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)
                temporary.replace(self.unit(number))
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            sync_folder(self.units)

    def done(self) -> NDArray[np.int64]:
        """Numbers of the units that are done, in order."""
        if not self.units.is_dir():
            raise InputError(f"{brief(str(self.path), 80)} holds no run; pass the folder of one")
        with os.scandir(self.units) as entries:
            found = [int(e.name[: -len(_ENDING)]) for e in entries if _is_unit(e.name)]
        return np.sort(np.array(found, np.int64))

    def clean(self) -> None:
        """Remove what processes of this stripe that were killed had begun to write."""
        begun = [*self.units.glob(f"{self._temporary}*")]
        if self.stripe[0] == 0:
            begun += [path for path in self.path.iterdir() if self._is_left(path)]
        for path in begun:
            if not path.is_dir():
                path.unlink(missing_ok=True)
            elif self.stripe[1] == 1:  # an index; of several programs another may be writing it
                shutil.rmtree(path, ignore_errors=True)

    def drop_index(self) -> None:
        """Remove the index of a complete run before units of it that were deleted are computed.

        What failed then may not fail now.
        """
        former = self.path / f"{_TEMPORARY}index-{secrets.token_hex(6)}"
        with self.writing(), suppress(FileNotFoundError):  # none, or another stripe was first
            self.index.rename(former)
            shutil.rmtree(former)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only program that computes this stripe of the run.

        Raises:
            InputError: Another program does.
        """
        rank, world = self.stripe
        path = self.path / f".lock-{rank}-of-{world}"
        try:
            import fcntl
        except ImportError:  # there are no such locks on Windows
            yield
            return
        with self.writing():
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                held = _is_at(path, handle)
            except BlockingIOError:
                held = False
            if not held:  # or the other has ended since, and removed the file
                raise InputError(
                    f"another program computes the run in {brief(str(self.path), 80)}; wait for "
                    f"it, or open its results by ResultSet.open"
                )
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
        finally:
            os.close(handle)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Raise InputError in place of an error of the file system."""
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                mend = "make room and run again, which goes on where it stopped"
            else:
                mend = "mend that and run again, which goes on where it stopped"
            raise InputError(
                f"the run in {brief(str(self.path), 80)} cannot be written "
                f"({error.strerror or error}); {mend}"
            ) from error

    def _is_left(self, path: Path) -> bool:
        """Whether a program that was killed left a file, which no other stripe is writing."""
        if _BEGUN.match(path.name) is None:
            return False
        with suppress(FileNotFoundError):  # it has its name now
            return self.stripe[1] == 1 or time.time() - path.stat().st_mtime > _UNTOUCHED
        return False

    @property
    def _temporary(self) -> str:
        rank, world = self.stripe
        return f"{_TEMPORARY}{rank}-of-{world}-"


def _is_at(path: Path, handle: int) -> bool:
    """Whether an open file is the one that is at a path now."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(handle), path.stat())
    return False


def _is_unit(name: str) -> bool:
    return name.endswith(_ENDING) and name[: -len(_ENDING)].isdecimal()


def _is_ours(path: Path) -> bool:
    """Whether a program that was killed before it wrote the manifest has left this."""
    if path.name == "units":
        return path.is_dir() and all(p.name.startswith(_TEMPORARY) for p in path.iterdir())
    return _BEGUN.match(path.name) is not None or path.name.startswith(".lock-")
