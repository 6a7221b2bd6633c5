"""Baselines that differ from item to item, and baselines computed from data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class PerItem:
    """A baseline of its own for each item.

    Args:
        values: In the order of the data: a tensor of shape (B, …), or a sequence with one tensor
            per item, whose first axis counts elements where items are ragged. Each value
            broadcasts against the target variable of its item; where items are padded, a
            shorter value is filled up with zeros behind its last position.
    """

    values: Tensor | Sequence[Tensor]


@dataclass(frozen=True)
class Mean:
    """The mean of the target variable over given data, as the baseline for every item.

    The mean is taken over the items. Where items are ragged it is taken over all their elements,
    and where they are padded over all their real positions.

    Args:
        data: Items in any form that the domain reads.
    """

    data: Any
