"""What an explainer was made with."""

from __future__ import annotations

from typing import Any, Protocol

import torch

from salience.data.domain import Domain
from salience.model.compilation import Compilation
from salience.model.outputs import Output


class Settings(Protocol):
    """What the engine reads of an explainer; it knows no explainer."""

    model: Any
    domain: Domain
    target: Any
    output: Output
    max_rows: int | str
    devices: tuple[torch.device | None, ...]
    precision: str
    compilation: Compilation | None
