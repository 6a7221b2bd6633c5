"""Pooling of draws: which entries of the draws of a batch each group sums."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from salience.data.grid import Grid
from salience.data.groups import Blocks, Pool
from salience.data.members import NamesOf, blocks_of_item, groups_of_item
from salience.errors import InputError

#: Name of what is pooled of several target variables.
POOLED = "pooled"
#: Sums draws over some of their axes.
Reduce = Callable[[Tensor, tuple[int, ...]], Tensor]
#: Target variable → tensor, as :meth:`salience.Domain.join` takes and returns them.
Join = Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]


@dataclass(frozen=True)
class Arrangement:
    """How the draws of one target variable, shape (D, L, …), are arranged.

    Args:
        shape: Lengths of L and the axes behind it.
        reduced: Positions, among these, of the axes that aggregators sum over.
        counts: Number of elements or real positions of each item along L; ``None`` where each item
            is one entry of L.
        grid: How these lie along the axes of an item; see :class:`Grid`.
    """

    shape: tuple[int, ...]
    reduced: tuple[int, ...]
    counts: Tensor | None = None
    grid: Grid | None = None

    @property
    def kept(self) -> tuple[int, ...]:
        """Positions of the axes that saliency has."""
        return tuple(axis for axis in range(len(self.shape)) if axis not in self.reduced)

    @property
    def width(self) -> int:
        """Number of entries that are summed at each position."""
        return torch.Size(self.shape[axis] for axis in self.reduced).numel()

    def flat(self, draws: Tensor) -> Tensor:
        """Draws of shape (D, L, …) as (D, T), with the entries of a position side by side."""
        order = [0, *(axis + 1 for axis in (*self.kept, *self.reduced))]
        return draws.permute(order).reshape(len(draws), -1)

    def positions(self, first: int) -> Tensor:
        """Number of the first entry of each position in such flat draws, counted from ``first``."""
        shape = [self.shape[axis] for axis in self.kept]
        return first + self.width * torch.arange(torch.Size(shape).numel()).reshape(shape)

    def items(self, positions: Tensor) -> Sequence[Tensor]:
        """The positions of each item, in the axes of its saliency."""
        if self.grid is not None:
            return self.grid.arrange(positions)
        if self.counts is None:
            return list(positions)
        return torch.split(positions, self.counts.tolist())


@dataclass(frozen=True)
class Pooling:
    """Which entries of flat draws each of N groups sums, for all the items of a batch.

    Groups of one size are summed together, so that each sum is made the same way in any batch.

    Args:
        arrangements: Target variable → how its draws are arranged.
        buckets: For each size k: which groups have it, int64 of shape (N_k,), and the entries of
            their members, int64 of shape (N_k, k).
        counts: Number of groups of each item, int64 of shape (B,).
        shape: Shape of the groups of an item, where they are common to all items; else ``None``.
        names: Name of each group, common to all items; or a tuple of names for each item; ``None``
            for blocks.
        grid: How the blocks of each item lie along its axes, where these are several and items
            differ in size.
        of_items: Whether each item was given groups, or labels, of its own.
    """

    arrangements: Mapping[str, Arrangement]
    buckets: tuple[tuple[Tensor, Tensor], ...]
    counts: Tensor
    shape: tuple[int, ...] | None
    names: tuple[Any, ...] | None
    grid: Grid | None = None
    of_items: bool = False

    @property
    def variable(self) -> str:
        """Name of what is pooled: that of the target variable, where there is one."""
        return next(iter(self.arrangements)) if len(self.arrangements) == 1 else POOLED

    def sums(self, reduce: Reduce, draws: Mapping[str, Tensor]) -> Tensor:
        """Sum each group of a single draw.

        Args:
            reduce: Transforms and sums, as :meth:`salience.Aggregator.reduce` does.
            draws: Target variable → one draw, shape (1, L, …).

        Returns:
            Shape (1, N).
        """
        flat = torch.cat([a.flat(draws[name]) for name, a in self.arrangements.items()], 1)
        pooled = flat.new_empty(1, int(self.counts.sum()))
        for groups, members in self.buckets:
            groups, members = groups.to(flat.device), members.to(flat.device)
            pooled[:, groups] = reduce(flat[:, members], (2,))
        return pooled

    def arranged(self, values: Tensor) -> Tensor:
        """Values of all groups, shape (N, …), by item where groups are common to all items."""
        if self.shape is None:
            return values
        return values.reshape(len(self.counts), *self.shape, *values.shape[1:])

    @property
    def ragged_counts(self) -> Tensor | None:
        """Number of groups of each item; ``None`` where groups are common to all items."""
        return self.counts if self.shape is None else None


def pooling(
    pool: Pool,
    arrangements: Mapping[str, Arrangement],
    items: Sequence[int],
    join: Join,
    names_of: NamesOf,
) -> Pooling:
    """Find the members of all groups of a batch.

    Args:
        pool: The groups.
        arrangements: Target variable → how its draws are arranged.
        items: Position of each item of the batch in the data set.
        join: Combines the saliency of several variables, as the columns of a table.
        names_of: Finds names of the positions of a variable, after ``join``.

    Raises:
        InputError: The groups do not fit the items; the message names the item.
    """
    firsts, total = {}, 0
    for name, arrangement in arrangements.items():
        firsts[name] = total
        total += torch.Size(arrangement.shape).numel()
    numbers = {name: a.positions(firsts[name]) for name, a in arrangements.items()}
    widths = _Widths(list(firsts.values()), [a.width for a in arrangements.values()])
    dense = all(a.counts is None for a in arrangements.values())
    if dense and len(arrangements) > 1:
        places = {name: list(each) for name, each in _joined(join, numbers).items()}
    else:
        places = {name: list(a.items(numbers[name])) for name, a in arrangements.items()}
    common = pool.common
    n_axes = next(iter(places.values()))[0].ndim if dense and len(places) == 1 else -1
    if isinstance(common, Tensor) and common.ndim == n_axes + 1 > 0:
        own = Pool(each=_labels_of_items(common, items))
        return _each(own, range(len(items)), arrangements, places, widths, names_of)
    if common is None or not dense:
        return _each(pool, items, arrangements, places, widths, names_of)
    return _common(common, arrangements, places, widths, names_of)


def _labels_of_items(labels: Tensor, items: Sequence[int]) -> tuple[Tensor, ...]:
    if items and max(items) >= len(labels):
        raise InputError(
            f"labels of {len(labels)} items were given for {max(items) + 1} items or more; pass "
            f"labels for each item, or of the shape of one item for all of them"
        )
    return tuple(labels[at] for at in items)


def _common(
    common: Any,
    arrangements: Mapping[str, Arrangement],
    places: Mapping[str, Any],
    widths: _Widths,
    names_of: NamesOf,
) -> Pooling:
    """Groups that are the same for all items: those of the first item, shifted for the others."""
    first = {name: each[0] for name, each in places.items()}
    groups, shape, names = _of_item(common, first, names_of)
    if not groups:
        raise InputError("the labels put no position into a group; pass at least one from 0")
    n_items = len(next(iter(places.values())))
    n_groups = len(groups)
    buckets = []
    for at, members in _by_size([widths.spread(group) for group in groups]):
        # An item's entries of a variable lie behind those of the item before it.
        shift = widths.of_item(members, arrangements, n_items)
        every = torch.arange(n_items)[:, None, None] * shift + members
        rows = torch.arange(n_items)[:, None] * n_groups + at
        buckets.append((rows.flatten(), every.flatten(0, 1)))
    counts = torch.full((n_items,), n_groups)
    return Pooling(arrangements, tuple(buckets), counts, shape=shape, names=names)


def _each(
    pool: Pool,
    items: Sequence[int],
    arrangements: Mapping[str, Arrangement],
    places: Mapping[str, Any],
    widths: _Widths,
    names_of: NamesOf,
) -> Pooling:
    """Groups of each item of its own, or of items that differ in size."""
    every: list[Tensor] = []
    counts, names, shapes = [], [], []
    for row, item in enumerate(items):
        spec = pool.common if pool.each is None else pool.each[item]
        try:
            groups, shape, own = _of_item(spec, {n: p[row] for n, p in places.items()}, names_of)
        except InputError as error:
            raise InputError(f"the groups of item {item}: {error}") from error
        every += [widths.spread(group) for group in groups]
        counts.append(len(groups))
        shapes.append(shape)
        names.append(own)
    grid = None
    if isinstance(pool.common, Blocks) and len(shapes[0]) > 1:
        grid = Grid(torch.tensor(shapes), tuple(range(len(shapes[0]))))
    named = None if isinstance(pool.common, Blocks) else tuple(names)
    sizes = torch.tensor(counts)
    buckets = tuple(_by_size(every))
    given = pool.each is not None
    return Pooling(arrangements, buckets, sizes, shape=None, names=named, grid=grid, of_items=given)


def _of_item(
    spec: Any, places: Mapping[str, Tensor], names_of: NamesOf
) -> tuple[list[Tensor], tuple[int, ...], tuple[str, ...] | None]:
    if isinstance(spec, Blocks):
        if len(places) > 1:
            raise InputError("blocks are of one target variable, but several are explained")
        groups, shape = blocks_of_item(spec, next(iter(places.values())))
        return groups, shape, None
    found = groups_of_item(spec, places, names_of)
    return [members for _, members in found], (len(found),), tuple(name for name, _ in found)


def _by_size(groups: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
    sizes: dict[int, list[int]] = {}
    for at, members in enumerate(groups):
        sizes.setdefault(len(members), []).append(at)
    return [
        (torch.tensor(at), torch.stack([groups[i] for i in at])) for _, at in sorted(sizes.items())
    ]


def _joined(join: Join, numbers: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The numbers of positions, joined as saliency is; as they are where joining changes them."""
    found = join(numbers)
    before = torch.cat([n.flatten() for n in numbers.values()]).sort().values
    after = [t for t in found.values() if isinstance(t, Tensor)]
    if not after or any(t.dtype != torch.int64 for t in after):
        return numbers
    flat = torch.cat([t.flatten() for t in after]).sort().values
    return found if torch.equal(before, flat) else numbers


@dataclass(frozen=True)
class _Widths:
    """How many entries each position has, by the variable that its number lies in.

    Args:
        firsts: Number of the first entry of each variable, in ascending order.
        widths: Entries at each position of the variable.
    """

    firsts: Sequence[int]
    widths: Sequence[int]

    def variable(self, numbers: Tensor) -> Tensor:
        """Index of the variable of each number."""
        return torch.bucketize(numbers, torch.tensor(self.firsts), right=True) - 1

    def spread(self, positions: Tensor) -> Tensor:
        """The numbers of all entries of some positions, given the first entry of each."""
        width = torch.tensor(self.widths)[self.variable(positions)]
        if bool((width == 1).all()):
            return positions
        inner = torch.arange(int(width.sum())) - torch.repeat_interleave(
            width.cumsum(0) - width, width
        )
        return torch.repeat_interleave(positions, width) + inner

    def of_item(
        self, members: Tensor, arrangements: Mapping[str, Arrangement], n_items: int
    ) -> Tensor:
        """Number of entries of one item in the variable of each member."""
        sizes = [torch.Size(a.shape).numel() // n_items for a in arrangements.values()]
        return torch.tensor(sizes)[self.variable(members)]
