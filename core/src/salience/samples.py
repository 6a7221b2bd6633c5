"""What is known of a data set after computing: draws kept, or already aggregated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from salience.domain import Domain
from salience.errors import InputError, brief


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

    def __sub__(self, other: Samples) -> Samples:
        """Draw by draw differences, such as between two classes, methods or models.

        Where both were computed under the same seed, samplers and ids, their draws are common: what
        noise does to both falls out, and an aggregator's standard error is that of the difference.
        Predictions, f(x) and completeness are differences, too; the record is that of ``self``.

        Raises:
            InputError: They differ in items, in target variables or in what was drawn.
        """
        for what, one, two in (
            ("items", list(self.known.ids), list(other.known.ids)),
            ("target variables", _shapes(self), _shapes(other)),
            *(
                (name, self.known.provenance.get(name), other.known.provenance.get(name))
                for name in ("seed", "samplers")
            ),
        ):
            if one != two:
                raise InputError(
                    f"samples differ in their {what}, {brief(one)} and {brief(two)}, so that they "
                    f"have no draws in common; compute both on the same data, with the same seed, "
                    f"samplers and n_samples"
                )
        draws = {name: values - other.draws[name] for name, values in self.draws.items()}
        known = replace(
            self.known,
            prediction=self.known.score - other.known.score,
            score=self.known.score - other.known.score,
            delta=self.known.delta - other.known.delta,
            completeness_gap=self.known.completeness_gap + other.known.completeness_gap,
        )
        return replace(self, draws=draws, known=known)


def _shapes(samples: Samples) -> dict[str, tuple[int, ...]]:
    return {name: tuple(draws.shape) for name, draws in samples.draws.items()}
