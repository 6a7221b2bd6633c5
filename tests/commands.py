"""The command line, run in this process."""

from __future__ import annotations

import inspect
from dataclasses import dataclass

from click.testing import CliRunner

from salience.cli import main

# Click before 8.2 mixes the streams unless it is asked not to; later ones give both and the mix.
_APART = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}


@dataclass(frozen=True)
class Result:
    """What a command did: ``output`` has both of its streams."""

    exit_code: int
    output: str
    stdout: str
    stderr: str
    exception: BaseException | None


def run(*words: str) -> Result:
    """Run ``salience`` with these words."""
    found = CliRunner(**_APART).invoke(main, words, prog_name="salience")
    output = found.stdout + found.stderr if _APART else found.output
    return Result(found.exit_code, output, found.stdout, found.stderr, found.exception)
