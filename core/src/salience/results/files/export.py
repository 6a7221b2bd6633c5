"""Export of explanations: arrays of NumPy, CSV and Parquet."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from salience.errors import InputError, brief, nearest
from salience.results.saliency import Saliency
from salience.support.files import write_whole

if TYPE_CHECKING:
    import pandas as pd

# Suffix of a file → packages that its format needs → what needs them.
_NEEDS: dict[str, dict[str, str]] = {
    ".npy": {},
    ".csv": {"pandas": "a table"},
    ".parquet": {"pandas": "a table", "pyarrow": "Parquet"},
}
# Characters at the start of a cell that spreadsheets take for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def export(path: Path, saliency: Callable[[], Saliency], table: Callable[[], pd.DataFrame]) -> None:
    """Write an explanation to a file; see :meth:`salience.Explanation.export`.

    Args:
        path: The file, whose suffix sets the format.
        saliency: Gives the saliency of the only target variable.
        table: Gives the table.

    Raises:
        InputError: The suffix is unknown, the values make no array, or a package is missing.
    """
    check_export(path)
    writers: dict[str, Callable[[], bytes]] = {
        ".npy": lambda: _npy(saliency()),
        ".csv": lambda: _csv(table()),
        ".parquet": lambda: _parquet(table()),
    }
    content = writers[path.suffix.lower()]()
    write_whole(path, lambda stream: stream.write(content))


def check_export(path: Path) -> None:
    """Raise InputError where the suffix names no format of a table, or a package is missing."""
    suffix = path.suffix.lower()
    if suffix not in _NEEDS:
        raise InputError(
            f"cannot export to {brief(suffix or str(path))}; {nearest(suffix, _NEEDS)}"
        )
    for name, why in _NEEDS[suffix].items():
        if find_spec(name) is None:
            raise InputError(f"{why} needs {name}, which is not installed; run: pip install {name}")


def _npy(saliency: Saliency) -> bytes:
    if saliency.counts is not None:
        raise InputError(
            "items differ in size, so that their values make no single array; export to .csv or "
            ".parquet, a row for each position"
        )
    stream = BytesIO()
    np.save(stream, saliency.flat.numpy(), allow_pickle=False)
    return stream.getvalue()


def _csv(table: pd.DataFrame) -> bytes:
    plain = table.copy(deep=False)
    plain.columns = [quoted(name) for name in plain.columns]
    for at, kind in enumerate(plain.dtypes):
        if kind.kind not in "fiub":
            plain.isetitem(at, [quoted(cell) for cell in plain.iloc[:, at]])
    text: str = plain.to_csv(index=False)
    return text.encode()


def quoted(cell: Any) -> Any:
    """A cell that spreadsheets show as text and never run as a formula.

    Text that begins with = + - @, a tab or a line break gets an apostrophe in front (OWASP, "CSV
    injection"); numbers stay as they are.
    """
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _parquet(table: pd.DataFrame) -> bytes:
    plain = table.copy(deep=False)
    # A column of Parquet has one type; ids may be numbers beside texts, and positions tuples.
    for at, kind in enumerate(plain.dtypes):
        cells = plain.iloc[:, at]
        if kind.kind == "O" and len({type(cell) for cell in cells}) > 1:
            plain.isetitem(at, [str(cell) for cell in cells])
    stream = BytesIO()
    plain.to_parquet(stream, index=False)
    return stream.getvalue()
