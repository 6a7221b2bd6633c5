"""The part keeps what salience relies on: docs/conformance.md."""

from salience.testing import parametrize_checks
from salience_template.calculator import Deviation


# One test for each check, on dense, padded and ragged data.
@parametrize_checks(Deviation())
def test_conforms(check):
    check()
