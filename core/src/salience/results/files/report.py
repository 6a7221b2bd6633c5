"""Reports: pages to send on, which the distribution salience-report makes."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from salience.errors import InputError, brief
from salience.naming import path_of
from salience.support.files import write_whole


def writer_for(path: str | Path) -> Any:
    """The package that writes reports, where the path can be that of one.

    Raises:
        InputError: The path does not end in .html, or salience-report is not installed.
    """
    if path_of(path).suffix.lower() not in (".html", ".htm"):
        raise InputError(f"a report is an HTML file, not {brief(str(path))}; end the path in .html")
    try:
        return importlib.import_module("salience_report")
    except ModuleNotFoundError as error:
        if error.name != "salience_report":
            raise
        raise InputError(
            "reports need salience-report, which is not installed; run: pip install salience-report"
        ) from error


def report(explanations: Any, path: str | Path, **options: Any) -> None:
    """Write explanations as one HTML file to send on, which works offline and asks for nothing.

    The page shows each value with its standard error and p-value, finds, sorts and filters the
    items, and switches between the explanations in place.

    Args:
        explanations: An explanation; or a mapping title → explanation, all of the same items, such
            as several methods.
        path: The file, which ends in .html.
        **options: Settings of :class:`salience_report.Options`: ``title``, ``labels``,
            ``max_megabytes`` and others.

    Raises:
        InputError: salience-report is not installed, there is no such option, the explanations are
            of different items or variables, or the path does not end in .html.
    """
    file, writer = path_of(path), writer_for(path)
    given = explanations if isinstance(explanations, Mapping) else {"saliency": explanations}
    page = writer.make_page(given, **options).encode("utf-8", "replace")

    def write(stream: IO[bytes]) -> None:
        stream.write(page)

    write_whole(file, write)
