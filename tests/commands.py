"""The command line, run in this process."""

from __future__ import annotations

from click.testing import CliRunner, Result

from salience.cli import main


def run(*words: str) -> Result:
    """Run ``salience`` with these words."""
    return CliRunner().invoke(main, words, prog_name="salience")
