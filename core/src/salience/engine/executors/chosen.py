"""The executor that the user chose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from salience.engine.executors.base import Executor
from salience.engine.executors.local import Serial, Threads
from salience.errors import InputError, brief
from salience.plugins.parts import make


def make_executor(spec: Any) -> Executor:
    """Make an executor from a name, config mapping or object.

    Raises:
        InputError: There is no such executor.
    """
    made = make("executors", spec)
    if not isinstance(made, Executor):
        raise InputError(f"executor is {brief(made)}; pass an executor's name or object")
    return made


def executor_of(given: Executor | None, devices: Sequence[torch.device | None]) -> Executor:
    """The user's executor; where ``None``, one thread for each device."""
    if given is not None:
        return given
    # The worker that executors are handed is on the first device already.
    return Serial() if len(devices) == 1 else Threads((None, *devices[1:]))
