"""The part keeps what salience relies on: docs/conformance.md."""

from salience.testing import parametrize_checks
from salience_template.aggregator import Largest


# One test for each check, on dense, padded and ragged data.
@parametrize_checks(Largest())
def test_conforms(check):
    check()
