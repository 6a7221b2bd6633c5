"""The conformance kit: checks that authors of plugins run on their parts, each a test of pytest."""

from salience.testing.parametrize import check_domain, parametrize_checks
from salience.testing.payloads import check_payload

__all__ = ["check_domain", "check_payload", "parametrize_checks"]
