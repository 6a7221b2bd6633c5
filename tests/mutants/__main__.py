"""Prints the table of mutants, for docs/conformance.md."""

from . import table

print(table())
