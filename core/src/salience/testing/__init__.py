"""Checks that a plugin's author runs on the plugin's own data."""

from salience.testing.domains import check_domain

__all__ = ["check_domain"]
