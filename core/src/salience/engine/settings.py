"""The settings of an explainer: what is explained, and on which devices."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import torch

from salience.data.domain import Domain
from salience.model.outputs import Output
from salience.model.speedups import SPEEDUPS


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The arguments of :class:`salience.Explainer`, made and checked.

    Args:
        model: The user's model.
        domain: The domain.
        target: The target variable(s), as the user named them.
        output: The output variable.
        max_rows: Largest number of rows in one forward pass, or ``"auto"``.
        devices: Devices to run on; ``None`` among them for the model's own.
        precision: ``"full"`` or ``"bf16"``.
        speedups: Names of the speed-ups that may be used.
    """

    model: Any
    domain: Domain
    target: Any
    output: Output
    max_rows: int | str = "auto"
    devices: tuple[torch.device | None, ...] = (None,)
    precision: str = "full"
    speedups: Collection[str] = SPEEDUPS
