"""The folder that a command writes: new, or in the place of that of another run, never mixed."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from salience.errors import InputError, brief
from salience.naming import path_of
from salience.support.interrupts import holding

#: The explanation in a folder of a run.
RUN = "run.salience"
#: The names of pictures that are drawn again, with the ids of their items.
LIST = "pictures.csv"
#: Folder beside it for pictures that are drawn again.
DRAWN_AGAIN = "run_pictures"
# What commands write, which alone may be in a folder that is replaced.
_OURS = (".salience", ".html", ".csv", ".parquet", ".npy")
_PICTURES = (
    *(".png", ".svg", ".svgz", ".pdf", ".jpg", ".jpeg", ".webp", ".avif", ".gif", ".tif", ".tiff"),
    *(".eps", ".ps", ".pgf", ".raw", ".rgba"),
)
# Bytes of a name, with room for the ending of the temporary folder.
_LONGEST = 230


@dataclass(frozen=True)
class Folder:
    """A folder that is written as one.

    Args:
        path: The folder, which need not be there, without links.
        text: The folder as the user named it.
        overwrite: Whether it may take the place of the folder of another run.
        pictures_only: Whether no explanation is written to it, but pictures and their list.
    """

    path: Path
    text: str
    overwrite: bool = False
    pictures_only: bool = False

    @staticmethod
    def of(text: str, *, overwrite: bool, pictures_only: bool = False) -> Folder:
        """The folder that an option names, links resolved.

        Raises:
            InputError: The text is no path.
        """
        path = path_of(text, "--out")
        try:
            return Folder(path.resolve(), text, overwrite, pictures_only)
        except (OSError, RuntimeError) as error:
            raise InputError(
                f"--out {brief(text, 60)} leads nowhere ({brief(error, 60)}); pass a folder"
            ) from error

    def check(self, inputs: Sequence[Path]) -> None:
        """Raise InputError where the folder cannot be written, or holds what would be lost.

        Args:
            inputs: Files that are read, of which none may be in it.
        """
        shown = brief(str(self.path), 80)
        if len(os.fsencode(self.path.name)) > _LONGEST:
            raise InputError(f"--out {shown} is too long a name; pass one of {_LONGEST} bytes")
        there = _nearest_there(self.path)
        if not there.is_dir():
            raise InputError(
                f"cannot write to {shown}: {brief(str(there), 60)} is a file; pass a folder"
            )
        parent = there.parent if there == self.path else there
        if not os.access(parent, os.W_OK | os.X_OK):
            raise InputError(
                f"cannot write to {shown}: {brief(str(parent), 60)} is write-protected; pass "
                f"another folder"
            )
        if self.path in (Path.cwd(), *Path.cwd().parents):
            raise InputError(
                f"--out {shown} is the folder that you are in, or holds it; pass a folder of its "
                f"own, such as out"
            )
        for path in inputs:
            if self.path in path.resolve().parents:
                raise InputError(
                    f"--out {shown} holds {brief(path.name, 40)}, which is read; pass a folder of "
                    f"its own"
                )
        if self.path.exists():
            self._check_content(shown)

    def _check_content(self, shown: str) -> None:
        entries = sorted(self.path.iterdir())
        if not entries:
            return
        other = [entry for entry in entries if not _is_ours(entry)]
        is_run = (self.path / (LIST if self.pictures_only else RUN)).is_file()
        if other or not is_run:
            name = (other or entries)[0].name
            raise InputError(
                f"--out {shown} holds {brief(name, 40)}, which no run wrote; pass a new folder"
            )
        if not self.overwrite:
            raise InputError(
                f"--out {shown} holds another run; pass another folder, or --overwrite to replace "
                f"it with all its files"
            )

    @contextmanager
    def writing(self) -> Iterator[Path]:
        """Give a new folder, which takes its place at the end.

        What was written when an error ends the block is kept where the explanation is among it.
        """
        parent = self.path.parent
        temporary = parent / f".{self.path.name}.{secrets.token_hex(6)}"
        try:
            temporary.mkdir(parents=True)
        except OSError as error:
            raise InputError(
                f"{str(self.path)!r} cannot be written ({error.strerror}); pass another folder"
            ) from error
        try:
            yield temporary
        except BaseException:
            if (temporary / RUN).is_file():
                self._put(temporary)
            else:
                shutil.rmtree(temporary, ignore_errors=True)
            raise
        self._put(temporary)

    def _put(self, temporary: Path) -> None:
        """Put a folder into the place of this one."""
        with holding():
            if not self.path.exists():
                temporary.rename(self.path)
                return
            temporary.chmod(stat.S_IMODE(self.path.stat().st_mode))
            former = temporary.with_name(f"{temporary.name}.former")
            self.path.rename(former)
            try:
                temporary.rename(self.path)
            except OSError:
                former.rename(self.path)
                raise
            shutil.rmtree(former)


def _is_ours(entry: Path) -> bool:
    """Whether a command may have written a file or folder."""
    if entry.is_dir():
        inside = {path.suffix.lower() for path in entry.iterdir() if path.name != LIST}
        return entry.name == DRAWN_AGAIN and inside <= {*_PICTURES}
    return entry.is_file() and entry.suffix.lower() in (*_OURS, *_PICTURES)


def check_format(suffix: str) -> None:
    """Raise InputError where pictures of a format would not be known as those of a run.

    Args:
        suffix: Suffix of the files, without a dot.
    """
    if f".{suffix.lower()}" not in (*_PICTURES, ".html"):
        raise InputError(
            f"cannot write a picture as {brief(suffix, 40)}; pass --format png, svg or pdf"
        )


def check_file(text: str, option: str, inputs: Sequence[Path]) -> Path:
    """The path of a single file that is to be written.

    Raises:
        InputError: It cannot be written, or is a file that is read.
    """
    path = path_of(text, option)
    there = _nearest_there(path.absolute())
    shown = brief(text, 60)
    if path.is_dir():
        raise InputError(f"{option} {shown} is a folder; pass the path of a file")
    if there != path.absolute() and not there.is_dir():
        raise InputError(f"{option} {shown} lies in {str(there)!r}, a file; pass another path")
    if not os.access(there, os.W_OK):
        raise InputError(f"{option} {shown} is write-protected; pass another path")
    if any(path.resolve() == other.resolve() for other in inputs):
        raise InputError(f"{option} {shown} is a file that is read; pass another path")
    return path


def _nearest_there(path: Path) -> Path:
    """The path, or the first of the folders around it that is there."""
    try:
        return next(one for one in (path, *path.parents) if one.exists())
    except (OSError, ValueError) as error:
        raise InputError(f"{brief(str(path), 60)} is no path ({brief(error, 60)})") from error
