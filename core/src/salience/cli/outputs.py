"""What a command writes of an explanation: its file, pictures, a table, a report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from salience.cli.folder import RUN, Folder, check_file
from salience.cli.pictures import Failure, Pictures
from salience.errors import InputError, brief, shortened
from salience.results.explanation import Explanation
from salience.results.files.export import check_export
from salience.results.files.report import writer_for


@dataclass(frozen=True)
class Outputs:
    """What is to be written of an explanation.

    Args:
        folder: The folder of the explanation and its pictures.
        pictures: The pictures.
        export: File of a table or array, or ``None``.
        report: File of a report, or ``None``.
    """

    folder: Folder
    pictures: Pictures
    export: Path | None = None
    report: Path | None = None

    def check(self, domain: Any, inputs: Sequence[Path]) -> None:
        """Raise InputError where something cannot be written, as far as the options show it.

        Args:
            domain: The domain, whose visualizer draws where none is named.
            inputs: Files that are read.
        """
        self.folder.check(inputs)
        self.pictures.check(domain)
        if self.export is not None:
            check_export(self.export)
            self._check_file(self.export, "--export", inputs)
        if self.report is not None:
            writer_for(self.report)
            self._check_file(self.report, "--report", inputs)

    def _check_file(self, file: Path, option: str, inputs: Sequence[Path]) -> None:
        """As :func:`check_file`; a folder of a run has no other folders, or is not known as one."""
        check_file(str(file), option, inputs)
        if self.folder.path in file.absolute().parent.resolve().parents:
            raise InputError(
                f"{option} {brief(str(file), 60)} lies in a folder inside --out; write it to "
                f"{brief(str(Path(self.folder.text) / file.name), 60)}, or outside of --out"
            )

    def rehearse(self, few: Explanation, place: Path) -> None:
        """Write all of a small explanation to a temporary folder.

        Args:
            few: Explanation of a few items.
            place: The folder.

        Raises:
            InputError: Something cannot be written.
        """
        failed = self.pictures.draw(few, place, range(min(1, self.pictures.n_items)))
        failed += self.pictures.draw_mean(few, place)
        if failed:
            raise InputError(failed[0].reason)
        if self.export is not None:
            few.export(place / f"table{self.export.suffix}")
        if self.report is not None:
            few.report(place / "report.html")

    def write(self, explanation: Explanation) -> None:
        """Write all of it, the explanation itself first.

        Raises:
            InputError: Something could not be written; the rest is there, the explanation too.
        """
        items = range(min(self.pictures.n_items, len(explanation)))
        failed: list[Failure] = []
        with self.folder.writing() as place:
            explanation.save(place / RUN)
            failed += self.pictures.draw(explanation, place, items)
            failed += self.pictures.draw_mean(explanation, place)
            failed += list(self._files(explanation, place))
        drawn = f"pictures of {len(items)} item{'s' * (len(items) != 1)}"
        if not self.pictures.can_draw(explanation.domain):
            drawn = "no pictures, since this domain has no visualizer (pass --visualizer)"
        click.echo(f"wrote {RUN} and {drawn} to {self.folder.text}")
        for path in (self.export, self.report):
            if path is not None:
                click.echo(f"wrote {path}")
        raise_failed(failed, self.folder.path / RUN)

    def _files(self, explanation: Explanation, place: Path) -> Iterator[Failure]:
        """Write the table and the report; yield what could not be written."""
        for path, write in ((self.export, explanation.export), (self.report, explanation.report)):
            if path is None:
                continue
            own, folder = path.absolute(), self.folder.path
            inside = own.parent.resolve() / own.name
            try:
                if inside.is_relative_to(folder):
                    write(place / inside.relative_to(folder))
                else:
                    write(path)
            except (InputError, OSError) as error:
                yield Failure(str(path), str(error))


def raise_failed(failed: Sequence[Failure], run: Path) -> None:
    """Raise InputError that names the first of what could not be written; say the others.

    Args:
        failed: What could not be written.
        run: Where the explanation is.
    """
    if not failed:
        return
    for other in failed[1:]:
        click.echo(f"note: not written: {other.what}: {other.reason}", err=True)
    what, reason = failed[0].what, shortened(failed[0].reason, 120)
    raise InputError(
        f"{len(failed)} files could not be written, such as {what} ({reason}); the explanation is "
        f"in {run.name}, which `salience show` draws again"
    )
