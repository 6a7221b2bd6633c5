"""What is known of a data set after computing: draws kept, or already aggregated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from salience.domain import Domain


@dataclass(frozen=True)
class Facts:
    """What an explanation holds beside the saliency; see :class:`salience.Explanation`."""

    prediction: Tensor
    score: Tensor
    delta: Tensor
    completeness_gap: Tensor
    annotations: Sequence[Mapping[str, Any]]
    facts: Mapping[str, Any]
    provenance: Mapping[str, Any]
    domain: Domain
    ids: Sequence[int | str]


@dataclass(frozen=True)
class Samples:
    """All the draws of a data set, of which any aggregator makes an explanation.

    Args:
        draws: Target variable → saliency of shape (M, L, …): M draws of L items or, where items
            are ragged, elements of all the items.
        axes: Target variable → names of the axes behind L.
        counts: Target variable → elements of each item, int64 of shape (B,), or ``None``.
        known: Everything else.
    """

    draws: Mapping[str, Tensor]
    axes: Mapping[str, tuple[str, ...]]
    counts: Mapping[str, Tensor | None]
    known: Facts

    def __len__(self) -> int:
        return len(self.known.ids)

    @property
    def values(self) -> Any:
        """The draws of the first target variable: (M, B, …), or a list of (M, n, …) an item."""
        name = next(iter(self.draws))
        counts = self.counts[name]
        draws = self.draws[name]
        return draws if counts is None else list(torch.split(draws, counts.tolist(), dim=1))
