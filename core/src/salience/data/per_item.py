"""Values that differ from item to item, and values taken from data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class PerItem:
    """A baseline of its own for each item.

    Args:
        values: In the order of the data: a tensor of shape (B, …) or a sequence of one tensor an
            item, whose elements come first where items are ragged. Each broadcasts against the
            target variable of its item; padding follows where items are padded.
    """

    values: Tensor | Sequence[Tensor]


@dataclass(frozen=True)
class Mean:
    """The mean of the target variable over given data, as the baseline for every item.

    The mean goes over items, and where items are ragged or padded over their real elements.

    Args:
        data: Anything that the domain reads.
    """

    data: Any
