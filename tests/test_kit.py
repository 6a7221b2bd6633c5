"""The conformance kit is tested itself: by parts that are sound, and by mutants."""

from __future__ import annotations

import pytest

from salience.testing.checks import checks_of
from salience.testing.comparing import NotTestedError
from salience.testing.parametrize import subject_of

from .mutants import of_layouts, of_models, of_reading  # noqa: F401
from .mutants.mutant import MUTANTS, Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.cls.__name__)
def test_a_mutant_is_caught_by_the_check_that_is_meant_for_it(mutant: Mutant) -> None:
    checks = {c.name: c for c in checks_of(subject_of(mutant.make(), **mutant.given))}
    with pytest.raises(AssertionError, match=f"see docs/conformance.md#{mutant.check}"):
        checks[mutant.check].run()
