"""The settings of an explainer that the engine reads."""

from __future__ import annotations

from typing import Any, Protocol

import torch

from salience.data.domain import Domain
from salience.model.outputs import Output


class Settings(Protocol):
    """The attributes of an explainer that the engine reads.

    A protocol, so that the engine does not import the explainer. The attributes are those of
    :class:`salience.Explainer`.
    """

    model: Any
    domain: Domain
    target: Any
    output: Output
    max_rows: int | str
    devices: tuple[torch.device | None, ...]
    precision: str
