"""All the draws of a data set, computed but not yet aggregated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from salience.data.domain import Domain, joined
from salience.data.grid import Grid
from salience.data.groups import Pool
from salience.data.layout import summed_axes
from salience.data.pooling import Arrangement, Pooling, pooling
from salience.errors import InputError, brief
from salience.results.design import Design
from salience.results.differences import check_items, check_shared, of_items, record_of, sizes_of
from salience.results.items import ItemTable
from salience.results.provenance import Record, column_names
from salience.results.summary import lines_of, page_of, samples_summary


@dataclass(frozen=True, kw_only=True, repr=False)
class Samples:
    """All draws of the saliency of a data set, from which any aggregator makes an explanation.

    Args:
        draws: Target variable → saliency of shape (M, L, …): M draws of L items or, where items
            are ragged, of the L elements of all items together.
        axes: Target variable → names of the axes that follow L.
        counts: Target variable → number of elements of each item, int64 of shape (B,), or
            ``None`` where all items have one shape.
        grids: Target variable → how the positions of each item lie along its axes, or ``None``.
        items: Ids, predictions and the other columns of the items; its ``n_independent`` is the
            number of independent draws among the M.
        dataset_info: As in :class:`salience.Explanation`.
        provenance: As in :class:`salience.Explanation`, without an aggregator.
        domain: The domain that read the data.
        design: How the draws depend on each other, and what was drawn.
        groups: Groups of positions over which aggregators sum; ``None`` where nothing is pooled.
    """

    draws: Mapping[str, Tensor]
    axes: Mapping[str, tuple[str, ...]]
    counts: Mapping[str, Tensor | None]
    grids: Mapping[str, Grid | None]
    items: ItemTable
    dataset_info: Mapping[str, Any]
    provenance: Mapping[str, Any]
    domain: Domain
    design: Design
    groups: Pool | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "provenance", Record(self.provenance))

    def __repr__(self) -> str:
        """At most six lines: what was computed, and what to call next."""
        try:
            head, entries = samples_summary(self)
            return lines_of(entries, head)
        except Exception as error:  # what is damaged is shown nevertheless
            return f"Samples of {len(self)} items ({brief(error)})"

    def _repr_html_(self) -> str:
        """The lines as a small table, for notebooks."""
        try:
            head, entries = samples_summary(self)
            return page_of(entries, head)
        except Exception:  # notebooks then show the text
            return page_of((), repr(self))

    def __len__(self) -> int:
        return len(self.items.ids)

    @property
    def values(self) -> Any:
        """Draws of the first target variable: a tensor of shape (M, B, …).

        Where items are ragged, a list with one tensor of shape (M, n, …) per item. Where groups are
        pooled, their signed sums: (M, B, G), or a list of tensors of shape (M, G).
        """
        if self.groups is not None:
            return self._pooled_values()
        name = next(iter(self.draws))
        counts = self.counts[name]
        draws, grid = self.draws[name], self.grids[name]
        if grid is not None:
            return grid.arrange(draws, 1)
        return draws if counts is None else list(torch.split(draws, counts.tolist(), dim=1))

    def pool(self, groups: Any) -> Samples:
        """These draws, of which aggregators sum the values of each group of positions.

        For the aggregators that average draws, "raw", "abs" and "square", the value of a group is
        the sum of the values of its members. Its standard error is that of the sum over draws,
        which no sum of the members' errors is, since members vary together.

        Args:
            groups: A mapping name → members for all items; an array of labels, one for each
                position of an item (−1 in no group); a sequence with one of these, or with
                sequences of members, for each item; or :class:`salience.Blocks`. Members are
                positions from 0, names of columns, or a mask; with several target variables a
                mapping variable → members.

        Raises:
            InputError: The groups do not fit the items.
        """
        made = replace(self, groups=Pool.of(groups))
        assert made.groups is not None
        made.groups.check(len(self))
        if made.pooling().of_items:  # raises InputError for groups that do not fit
            return replace(made, groups=made.groups.of_items(len(self)))
        return made

    def pooling(self) -> Pooling:
        """Which entries of the draws each group sums."""
        assert self.groups is not None
        arrangements = {}
        for name, draws in self.draws.items():
            summed = summed_axes(self.axes[name], self.domain.layout)
            arrangements[name] = Arrangement(
                tuple(draws.shape[1:]),
                tuple(1 + axis for axis in summed),
                self.counts[name],
                self.grids[name],
            )
        info = self.dataset_info
        return pooling(
            self.groups,
            arrangements,
            range(len(self)),
            lambda saliency: joined(self.domain, saliency, info),
            lambda variable: column_names(self.domain, info, self.provenance, variable),
        )

    def _pooled_values(self) -> Any:
        found = self.pooling()
        n_draws = len(next(iter(self.draws.values())))
        one = [{n: d[m : m + 1] for n, d in self.draws.items()} for m in range(n_draws)]
        sums = torch.cat([found.sums(lambda draws, axes: draws.sum(axes), draw) for draw in one])
        if found.shape is not None:
            return sums.reshape(n_draws, len(self), *found.shape)
        if found.grid is not None:
            return found.grid.arrange(sums, 1)
        return list(torch.split(sums, found.counts.tolist(), dim=1))

    def __sub__(self, other: Samples) -> Samples:
        """Subtract, draw by draw, the saliency of another class, method or model for these items.

        Both sides must have been computed with the same seed, samplers and ids, so that they share
        their draws (common random numbers). Noise that affects both sides alike then cancels, and
        the standard error that an aggregator computes is that of the difference. ``score`` and
        ``delta`` become differences as well, ``prediction`` becomes the difference of the scores,
        ``completeness_gap`` the sum of both gaps, and ``n_points`` the larger number. All other
        fields are those of ``self``; ``provenance["minus"]`` has what differs in the record of
        ``other``.

        Raises:
            InputError: The two differ in items, sizes of items, target variables, seed, samplers or
                number of draws.
        """
        if not isinstance(other, Samples):
            raise InputError(f"{brief(other, 60)} is no samples; subtract what compute returned")
        mend = (
            "they have no draws in common unless both are computed on the same data, with the same "
            "seed, samplers and n_samples"
        )
        check_items(self, other, "samples", mend)
        check_shared(self._drawn(), other._drawn(), "samples", mend)
        mine, theirs = ({"groups": s.groups and s.groups.record()} for s in (self, other))
        mend = "pool both by the same groups, or pool their difference"
        check_shared(mine, theirs, "samples", mend)
        draws = {name: values - other.draws[name] for name, values in self.draws.items()}
        items = replace(self.items, **of_items(self.items, other.items))
        record = record_of(self.provenance, other.provenance)
        return replace(self, draws=draws, items=items, provenance=record)

    def _drawn(self) -> dict[str, Any]:
        """Settings that two objects must share for their draws to be the same; name → value."""
        return {
            "target variables": {name: tuple(v.shape) for name, v in self.draws.items()},
            "sizes of items": {n: (c, sizes_of(self.grids.get(n))) for n, c in self.counts.items()},
            "seed": self.provenance["seed"],
            "samplers": self.provenance["samplers"],
            "n_samples": self.provenance["n_samples"],
        }
