"""The part keeps what salience relies on: docs/conformance.md."""

from salience.testing import parametrize_checks
from salience_template.sampler import LaplaceNoise


# One test for each check: test_conforms[settings_are_fields], and so on.
@parametrize_checks(LaplaceNoise())
def test_conforms(check):
    check()
