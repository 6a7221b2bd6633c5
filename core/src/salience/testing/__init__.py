"""Checks that a plugin's author runs on the plugin's own data."""

from salience.testing.domains import check_domain
from salience.testing.payloads import check_payload

__all__ = ["check_domain", "check_payload"]
