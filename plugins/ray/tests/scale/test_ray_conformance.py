"""The executor keeps what salience relies on: docs/conformance.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from salience.testing import parametrize_checks
from salience_ray import RayExecutor

EXECUTOR = RayExecutor(processes=2)


@pytest.fixture(scope="module", autouse=True)
def session() -> Iterator[None]:
    """One cluster for all checks."""
    with EXECUTOR.session():
        yield


@parametrize_checks(EXECUTOR)
def test_the_executor_conforms(check: Any) -> None:
    check()
