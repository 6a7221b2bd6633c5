"""Mutants: parts that break one promise each, for tests of the conformance kit itself.

``python -m tests.mutants`` prints their table, which stands in docs/conformance.md.
"""

from . import (
    of_aggregators,
    of_calculators,
    of_layouts,
    of_models,
    of_reading,
    of_samplers,
    of_visualizers,
)
from .mutant import MUTANTS, Mutant, table

__all__ = [
    "MUTANTS",
    "Mutant",
    "of_aggregators",
    "of_calculators",
    "of_layouts",
    "of_models",
    "of_reading",
    "of_samplers",
    "of_visualizers",
    "table",
]
