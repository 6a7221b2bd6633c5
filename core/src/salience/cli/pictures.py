"""Pictures of items, in files that are named by the ids of the items."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from salience.cli.folder import LIST, check_format
from salience.data.domain import Domain
from salience.errors import InputError, brief
from salience.plugins.parts import make, parse
from salience.results.explanation import Explanation
from salience.results.files.export import quoted
from salience.support.files import write_whole
from salience.visualize.visualizer import NoMeanError, Visualizer

# Bytes of a file's name without its ending, with room for a number.
_LONGEST = 84
_PLAIN = frozenset("-_.,=+@#()[] ")
# Names that Windows gives to devices.
_DEVICES = {"con", "prn", "aux", "nul", *(f"{d}{n}" for d in ("com", "lpt") for n in range(1, 10))}
#: Name of the picture of the mean.
MEAN = "mean"


@dataclass(frozen=True)
class Failure:
    """Something that could not be written.

    Args:
        what: What it is.
        reason: Why, in a sentence.
    """

    what: str
    reason: str


@dataclass(frozen=True)
class Pictures:
    """What is to be drawn of an explanation.

    Args:
        name: Name of the visualizer; that of the domain where ``None``.
        options: Its parameters.
        suffix: Format of the files.
        n_items: Largest number of items that are drawn.
    """

    name: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    suffix: str = "png"
    n_items: int = 16

    @staticmethod
    def of(visualizer: str | None, suffix: str, n_items: int) -> Pictures:
        """What options of a command ask for.

        Raises:
            InputError: There is no such visualizer or parameter, or no such format of pictures.
        """
        name, options = parse(visualizer) if visualizer else (None, {})
        if not suffix.isalnum():
            raise InputError(f"--format {suffix!r} is no format; pass one such as png, svg or pdf")
        check_format(suffix)
        return Pictures(name, options, suffix, n_items)

    def check(self, domain: Domain | Any) -> None:
        """Raise InputError where there is no such visualizer, or it cannot write the format."""
        own = getattr(domain, "visualizer", "")
        if chosen := self.name or own:
            made = make("visualizers", chosen, self.options)
            if isinstance(made, Visualizer):
                made.check_format(self.suffix)

    def can_draw(self, domain: Domain | Any) -> bool:
        """Whether there is a visualizer: one that is named, or one of the domain.

        Args:
            domain: The domain; its config where its plugin is not installed, of which nobody knows.
        """
        return (
            bool(self.name)
            or not isinstance(domain, Domain)
            or bool(getattr(domain, "visualizer", ""))
        )

    def draw(self, explanation: Explanation, folder: Path, items: Sequence[int]) -> list[Failure]:
        """Draw items, and the mean where the items share their positions.

        Args:
            explanation: The explanation.
            folder: Where the files go.
            items: Positions of the items.

        Returns:
            What could not be drawn.
        """
        if not self.can_draw(explanation.domain):
            return []
        suffixes = getattr(explanation.domain, "suffixes", ())
        names = picture_names([explanation.ids[item] for item in items], suffixes)
        failed = []
        for item, name in zip(items, names, strict=True):
            try:
                self._write(explanation, item, folder / f"{name}.{self.suffix}")
            except InputError as error:
                failed.append(Failure(f"item {brief(explanation.ids[item], 60)}", str(error)))
        return failed

    def write_list(self, explanation: Explanation, folder: Path, items: Sequence[int]) -> None:
        """Write the names of the pictures of items that are in a folder, with their ids, as CSV."""
        suffixes = getattr(explanation.domain, "suffixes", ())
        ids = [explanation.ids[item] for item in items]
        lines = StringIO()
        writer = csv.writer(lines)
        writer.writerow(["file", "id"])
        for name, own in zip(picture_names(ids, suffixes), ids, strict=True):
            if (folder / f"{name}.{self.suffix}").is_file():
                writer.writerow([quoted(f"{name}.{self.suffix}"), quoted(own)])
        content = lines.getvalue().encode("utf-8", "replace")
        write_whole(folder / LIST, lambda stream: stream.write(content))

    def draw_mean(self, explanation: Explanation, folder: Path) -> list[Failure]:
        """Draw the mean over the items, where these share their positions; as :meth:`draw`."""
        if not self.can_draw(explanation.domain):
            return []
        try:
            with suppress(NoMeanError):
                self._write(explanation, None, folder / f"{MEAN}.{self.suffix}")
        except InputError as error:
            return [Failure("the mean", str(error))]
        return []

    def _write(self, explanation: Explanation, item: int | None, path: Path) -> None:
        explanation.visualize(item, path=path, visualizer=self.name, **self.options)


def picture_names(ids: Sequence[int | str], suffixes: Collection[str] = ()) -> list[str]:
    """Names of files without their ending, by the ids of the items: safe, and each only once.

    Letters and digits stay, signs that a shell or a file system reads become ``_``, and a name that
    is taken gets a number. The ending of a file that an item was read from is left out, where the
    names differ without it.

    Args:
        ids: The ids.
        suffixes: Endings of the files that items are read from.
    """
    stems = [_stem(name, suffixes) for name in ids]
    chosen = stems if len(set(stems)) == len(stems) else ids
    used, names = {MEAN}, []
    for one in chosen:
        base = _safe(f"{one:04d}" if isinstance(one, int) else str(one))
        name, number = base, 1
        while (key := unicodedata.normalize("NFKC", name).casefold()) in used:
            number += 1
            name = f"{base}-{number}"
        used.add(key)
        names.append(name)
    return names


def _stem(name: int | str, suffixes: Collection[str]) -> int | str:
    text = str(name)
    ending = Path(text).suffix.lower()
    return text[: -len(ending)] if ending and ending in suffixes else name


def _safe(text: str) -> str:
    """A text as the name of a file: visible, no command, no option, and not too long."""
    text = unicodedata.normalize("NFC", text)
    kept = "".join(c if c.isalnum() or c in _PLAIN else "_" for c in text)
    kept = kept.encode("utf-8", "replace")[:_LONGEST].decode("utf-8", "ignore").rstrip(". ")
    if kept.startswith((".", "-", " ")) or kept.partition(".")[0].casefold() in _DEVICES:
        kept = f"_{kept.lstrip('. ')}"
    return kept or "item"
