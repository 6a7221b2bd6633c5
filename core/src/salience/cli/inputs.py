"""DATA on the command line: files, folders, patterns of files, objects by ``module:attribute``."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatch
from glob import glob, has_magic
from pathlib import Path
from typing import Any

import click

from salience.data.domain import Domain
from salience.data.names import labels_in_column
from salience.datasets import is_dataset
from salience.errors import InputError, brief
from salience.naming import is_file, is_folder
from salience.plugins.parts import make
from salience.runs.loading import is_named, load_object, result_of
from salience.runs.sources.source import files_in

_EXPECTED = (
    "pass module:name of a Dataset, a DataLoader, a list, an array, or a function that returns one"
)


def make_domain(spec: Any, **options: Any) -> Domain:
    """Make the domain of a command.

    Args:
        spec: The text of ``--domain``, or a config mapping.
        **options: Settings that options of their own set; those that are ``None`` are left out.

    Raises:
        InputError: There is no such domain, or it has no such setting.
    """
    given = {name: value for name, value in options.items() if value is not None}
    plain = make("domains", spec)
    if given.get("on_error") == "raise" and not hasattr(plain, "on_error"):
        del given["on_error"]  # every domain does so
    made = make("domains", spec, given) if given else plain
    if not isinstance(made, Domain):
        raise InputError(f"domain is {brief(made)}; pass a domain's name")
    return made


def data_of(given: Sequence[str], domain: Domain) -> Any:
    """The data that the arguments DATA name, in a form that the domain reads.

    A folder stands for those of its files that the domain reads, without hidden ones, in order of
    their names; a pattern for the files that match it, in the same order. Other texts go to the
    domain as they are.

    Args:
        given: The arguments.
        domain: The domain, whose suffixes say which files it reads.

    Raises:
        InputError: A text is empty, a folder or pattern has no file, or an object cannot be had.
    """
    if not all(text.strip() for text in given):
        raise InputError("DATA holds an empty text, such as an unset variable; leave it out")
    named = [text for text in given if is_named(text) and not _exists(text)]
    if named:
        if len(given) > 1:
            raise InputError(
                f"{brief(named[0])} names an object beside other data; pass it as the only DATA"
            )
        return _object(named[0])
    paths = [found for text in given for found in _paths(text, domain.suffixes)]
    return given[0] if len(given) == 1 and paths == list(given) else paths


def files_of(data: Any) -> list[Path]:
    """Those of the data that are files."""
    texts = [data] if isinstance(data, str) else data
    if not isinstance(texts, list) or is_dataset(data):
        return []
    return [Path(text) for text in texts if isinstance(text, str) and is_file(Path(text))]


def _object(text: str) -> Any:
    found = load_object(text, "DATA", _EXPECTED)
    if isinstance(found, type) or (callable(found) and not _is_data(found)):
        found = result_of(found, text, "DATA", _EXPECTED)
    if isinstance(found, Iterator) or not _is_data(found):
        raise InputError(f"{brief(text)} is {brief(found, 60)}, which is no data; {_EXPECTED}")
    return found


def _is_data(found: Any) -> bool:
    return hasattr(found, "__len__") or hasattr(found, "__iter__") or is_dataset(found)


def _paths(text: str, suffixes: Collection[str]) -> Iterable[str]:
    """The files that an argument stands for, or its text."""
    if _exists(text):
        return _in_folder(Path(text), suffixes) if is_folder(Path(text)) else [text]
    if not _is_pattern(text, suffixes):
        return [text]
    # Unlike Path.glob, it leaves out hidden files.
    matches = glob(text, recursive=True)  # noqa: PTH207
    found = sorted(path for path in matches if Path(path).is_file())
    if not found:
        raise InputError(
            f"no file matches the pattern {brief(text)}; check it, and the folder that you are in"
        )
    return found


def _in_folder(folder: Path, suffixes: Collection[str]) -> list[str]:
    if not suffixes:
        raise InputError(
            f"{str(folder)!r} is a folder, of which this domain reads no files; pass a file, or "
            f"module:name of data"
        )
    readable, other = files_in(folder, suffixes)
    if other:
        note(f"{other} other files in {str(folder)!r} are passed over")
    return readable


def _is_pattern(text: str, suffixes: Collection[str]) -> bool:
    """Whether a text stands for files, and is not an item itself, as SMILES may be.

    It then ends like a file that the domain reads, or begins with a folder that is there.
    """
    if not has_magic(text):
        return False
    ending = Path(text).suffix.lower()
    if len(ending) > 1 and any(fnmatch(suffix, ending) for suffix in suffixes):
        return True
    parts = Path(text).parts
    fixed = parts[: next(i for i, part in enumerate(parts) if has_magic(part))]
    return text.startswith(("./", "../")) or bool(fixed and is_folder(Path(*fixed)))


def _exists(text: str) -> bool:
    try:
        return Path(text).exists()
    except (OSError, ValueError):  # no file can have such a name
        return False


def names_in(path: str | None, option: str) -> list[int | str] | None:
    """The ids or labels in a file, one a line; whole numbers where all are, else as written.

    Args:
        path: The file; ``None`` where there is none.
        option: The option or entry that names it, for errors.

    Raises:
        InputError: The file cannot be read, or a line is empty.
    """
    return None if path is None else labels_in_column(lines_of(path, option))


def class_names_of(text: str | None) -> Any:
    """Names of classes: of a file, one a line, or an object by ``module:attribute``.

    Raises:
        InputError: There is no such file or object, or a line is empty.
    """
    if text is None:
        return None
    if _exists(text) or not is_named(text):
        return lines_of(text, "--class-names")
    expected = "pass module:name of a list of names, or a text file with one name a line"
    found = load_object(text, "--class-names", expected)
    if callable(found):
        found = result_of(found, text, "--class-names", expected)
    if not isinstance(found, Mapping):
        return found
    if set(found) != set(range(len(found))):
        raise InputError(
            f"--class-names {brief(text, 60)} is a mapping with other keys than 0, 1, 2, …; "
            f"{expected}"
        )
    return [found[number] for number in range(len(found))]


def lines_of(path: str, option: str) -> list[str]:
    """The lines of a text file, without the spaces around them.

    Raises:
        InputError: The file is missing, no text in UTF-8 or empty, or one of its lines is.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or brief(error, 60)
        raise InputError(
            f"{option} {brief(path, 60)} cannot be read ({reason}); pass a text file in UTF-8 with "
            f"one entry a line"
        ) from error
    lines = [line.strip() for line in text.rstrip().split("\n")]
    if "" in lines:
        raise InputError(
            f"line {lines.index('') + 1} of {option} {brief(path, 60)} is empty; write one entry a "
            f"line"
        )
    return lines


def note(sentence: str) -> None:
    """Say something on stderr that is no error."""
    click.echo(f"note: {sentence}", err=True)
