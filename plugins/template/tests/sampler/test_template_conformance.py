"""The part keeps what salience relies on: docs/conformance.md."""

from salience.testing import parametrize_checks
from salience_template.sampler import LaplaceNoise


# One test for each check, on dense, padded and ragged data.
@parametrize_checks(LaplaceNoise())
def test_conforms(check):
    check()
