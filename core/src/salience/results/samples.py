"""What is known of a data set after computing: draws kept, or already aggregated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from salience.data.domain import Domain
from salience.errors import InputError, brief


@dataclass(frozen=True)
class ItemTable:
    """What an explanation holds beside the saliency; see :class:`salience.Explanation`."""

    prediction: Tensor
    score: Tensor
    delta: Tensor
    completeness_gap: Tensor
    annotations: Sequence[Mapping[str, Any]]
    dataset_info: Mapping[str, Any]
    provenance: Mapping[str, Any]
    domain: Domain
    ids: Sequence[int | str]
    n_independent: Tensor


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
    items: ItemTable

    def __len__(self) -> int:
        return len(self.items.ids)

    @property
    def values(self) -> Any:
        """The draws of the first target variable: (M, B, …), or a list of (M, n, …) an item."""
        name = next(iter(self.draws))
        counts = self.counts[name]
        draws = self.draws[name]
        return draws if counts is None else list(torch.split(draws, counts.tolist(), dim=1))

    def __sub__(self, other: Samples) -> Samples:
        """Draw by draw differences, such as between two classes, methods or models.

        Where both were computed under the same seed, samplers and ids, their draws are common: what
        noise does to both falls out, and an aggregator's standard error is that of the difference.
        Predictions, f(x) and completeness are differences, too; the record is that of ``self``.

        Raises:
            InputError: They differ in items, in target variables or in what was drawn.
        """
        two = other._drawn()
        for what, one in self._drawn().items():
            if not _same(one, two[what]):
                raise InputError(
                    f"samples differ in their {what}, {brief(one)} and {brief(two[what])}, so that "
                    f"they have no draws in common; compute both on the same data, with the same "
                    f"seed, samplers and n_samples"
                )
        draws = {name: values - other.draws[name] for name, values in self.draws.items()}
        score = self.items.score - other.items.score
        items = replace(
            self.items,
            prediction=score,
            score=score,
            delta=self.items.delta - other.items.delta,
            completeness_gap=self.items.completeness_gap + other.items.completeness_gap,
        )
        return replace(self, draws=draws, items=items)

    def _drawn(self) -> dict[str, Any]:
        """What two must share for their draws to be common."""
        return {
            "items": list(self.items.ids),
            "target variables": {name: tuple(v.shape) for name, v in self.draws.items()},
            "sizes of items": self.counts,
            "seed": self.items.provenance["seed"],
            "samplers": self.items.provenance["samplers"],
            "n_samples": self.items.provenance["n_samples"],
        }


def _same(one: Any, other: Any) -> bool:
    """Whether settings are equal, those that are arrays number by number."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if hasattr(one, "shape") or hasattr(other, "shape"):
        return bool(np.array_equal(np.asarray(one), np.asarray(other)))
    return bool(one == other)
