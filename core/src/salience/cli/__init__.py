"""The command line."""

from salience.cli.app import main

__all__ = ["main"]
