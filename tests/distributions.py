"""Distributions made for a test, and Python beside them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

MARKED = "from salience.hookspecs import hookimpl\n"


def distribution(
    folder: Path, name: str, code: str, *, entry: str = "", plugin: str = "", requires: str = ""
) -> None:
    """Lay out an installed distribution: a package with ``plugin.py``, and its metadata.

    Args:
        folder: What is put on the path.
        name: Name of the distribution, of which the package is made.
        code: Of the plugin module.
        entry: What the entry point names; the plugin module where empty.
        plugin: Name of the entry point; the last word of the distribution's where empty.
        requires: A requirement.
    """
    package = folder / name.replace("-", "_")
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "plugin.py").write_text(dedent(code))
    info = folder / f"{package.name}-1.5.dist-info"
    info.mkdir()
    needs = f"Requires-Dist: {requires}\n" if requires else ""
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n{needs}")
    plugin = plugin or name.rpartition("-")[2]
    entry = entry or f"{package.name}.plugin"
    (info / "entry_points.txt").write_text(f"[salience]\n{plugin} = {entry}\n")
    (info / "RECORD").write_text(f"{package.name}/__init__.py,,\n{package.name}/plugin.py,,\n")


def hook(kind: str, result: str) -> str:
    return f"{MARKED}\n@hookimpl\ndef salience_{kind}():\n    return {result}\n"


def python(folder: Path | None, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ, PYTHONIOENCODING="utf-8")
    if folder is not None:
        path = os.environ.get("PYTHONPATH", "")
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(folder), path]))
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=120
    )


#: Arguments of Python that run the command line.
COMMAND = ("-m", "salience")
