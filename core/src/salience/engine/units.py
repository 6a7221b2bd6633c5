"""Units: runs of items that are explained together, and what comes out of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from salience.data.broken import LeftOut
from salience.data.domain import Domain
from salience.data.grid import Grid
from salience.data.names import Positions, plain_names
from salience.data.names import ids as plain_ids
from salience.datasets import items_of
from salience.errors import InputError
from salience.plugins.faults import Asked
from salience.results.items import ItemTable
from salience.results.preflight import Preflight, joined
from salience.samplers.keyed import item_keys
from salience.scoring.budget import Budget, fitting
from salience.shown import ShortRepr
from salience.support.notices import sentences, tell


@dataclass(frozen=True)
class Unit(ShortRepr):
    """Items that follow each other in the data set.

    Args:
        samples: The samples that :meth:`Domain.read` returned, one per item.
        ids: What keys the draws of each item: its id where the user gave ids, else its position,
            as a range or :class:`Positions`.
        offset: Position of the first item in the whole data set.
        names: What the data itself calls each item; ``None`` where it has no names, or where the
            user gave ids.
        n_left_out: Number of broken items that the domain left out.
        notices: What the user is to be told of how the data was read.
    """

    samples: Sequence[Any]
    ids: Sequence[int | str]
    offset: int = 0
    names: Sequence[int | str] | None = None
    n_left_out: int = 0
    notices: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.samples)

    def keys(self) -> Tensor:
        """Key of each item, from which its random numbers are made, int64."""
        return item_keys(self.ids)

    def called(self) -> Sequence[int | str]:
        """What each item is called: the user's id, else its name in the data, else its position."""
        if self.names is not None:
            return self.names
        return list(self.ids) if isinstance(self.ids, Positions) else self.ids

    def part(self, start: int, stop: int) -> Unit:
        """The items from ``start`` to ``stop`` − 1."""
        part = slice(start, stop)
        names = None if self.names is None else self.names[part]
        return Unit(self.samples[part], self.ids[part], self.offset + start, names)

    def parts(self, number: int, domain: Domain, max_rows: int | str) -> Iterator[Unit]:
        """Cut the unit into about equal parts, where the batches of a fixed budget end.

        Where the budget is fixed, the batches are thus the same however many parts there are, and
        with them every digit of the results.

        Args:
            number: Number of parts; there are fewer where there are fewer batches.
            domain: Knows the size of a sample.
            max_rows: Largest number of rows in one forward pass, or ``"auto"``.
        """
        if number == 1:
            yield self
            return
        sizes = [domain.size(s) for s in self.samples] if domain.layout.elements else None
        room, ends = Budget(max_rows).current, [0]
        while ends[-1] < len(self):
            ends.append(fitting(ends[-1], len(self), sizes, room))
        each = max(1, -(-(len(ends) - 1) // number))
        for start in range(0, len(ends) - 1, each):
            yield self.part(ends[start], ends[min(start + each, len(ends) - 1)])


@dataclass(frozen=True, kw_only=True)
class UnitResult(ShortRepr):
    """What was computed for the items of a unit, in plain tensors on the CPU.

    Args:
        saliency: Target variable → name of a tensor → its values. With an aggregator these are
            ``"values"``, ``"errors"`` and, where draws are nested, the parts of the variance, each
            of shape (L, …): L items, or elements or real positions of all the items. Otherwise
            ``"draws"``, of shape (M, L, …).
        axes: Target variable → names of the axes behind L.
        counts: Target variable → number of elements or real positions of each item, int64, or
            ``None`` where each item is one position.
        grids: Target variable → how the positions of each item are arranged; see :class:`Grid`.
        names: Target variable → names of its pooled groups, as in :class:`salience.Saliency`; empty
            where nothing is pooled.
        own_groups: Whether each item was given groups, or labels of its positions, of its own.
        items: The other results of the items.
        complete: Whether these are all the items of the unit.
        notices: What the user is to be told, in the words of :func:`salience.tell`.
        preflight: What was found out about the model.
    """

    saliency: Mapping[str, Mapping[str, Tensor]]
    axes: Mapping[str, tuple[str, ...]]
    counts: Mapping[str, Tensor | None]
    grids: Mapping[str, Grid | None]
    items: ItemTable
    complete: bool = True
    notices: tuple[str, ...] = ()
    preflight: Preflight = field(default_factory=Preflight)
    names: Mapping[str, tuple[Any, ...] | None] = field(default_factory=dict)
    own_groups: bool = False


def join(
    results: Sequence[UnitResult], complete: bool = True, notices: tuple[str, ...] = ()
) -> UnitResult:
    """One result of the items of several results, in their order.

    Args:
        results: At least one.
        complete: Whether these are all the items.
        notices: What the user is to be told about all of them.

    Raises:
        InputError: Items have other shapes in some results, as where padding has no mask.
    """
    first = results[0]
    if len(results) == 1:
        return replace(first, complete=complete, notices=notices)
    saliency = {
        name: {
            what: _joined([r.saliency[name][what] for r in results], what, name) for what in tensors
        }
        for name, tensors in first.saliency.items()
    }
    counts = {
        name: None if one is None else torch.cat([r.counts[name] for r in results])  # type: ignore[misc]
        for name, one in first.counts.items()
    }
    return UnitResult(
        saliency=saliency,
        axes=first.axes,
        counts=counts,
        grids={name: Grid.join([r.grids[name] for r in results]) for name in first.grids},
        items=ItemTable.join([result.items for result in results]),
        complete=complete,
        notices=notices,
        preflight=joined([result.preflight for result in results]),
        names={name: _joined_names(results, name) for name in first.names},
        own_groups=first.own_groups,
    )


def _joined_names(results: Sequence[UnitResult], name: str) -> tuple[Any, ...] | None:
    """Names of groups: those of the first result, where all items share them, else of each item."""
    first = results[0].names[name]
    if first is None or results[0].counts[name] is None:
        return first
    return tuple(names for result in results for names in result.names[name] or ())


def _joined(parts: list[Tensor], what: str, name: str) -> Tensor:
    """Concatenate tensors along the axis L; a single tensor is returned without a copy."""
    if len(parts) == 1:
        return parts[0]
    along = 1 if what == "draws" else 0
    shapes = sorted({tuple(part.shape[along + 1 :]) for part in parts})
    if len(shapes) > 1:
        raise InputError(
            f"items have the shape {shapes[0]} for {name!r} in one batch and {shapes[-1]} in "
            f"another; where they are padded, name their mask in Field.mask, and in "
            f"Layout.inner_mask for variables inside the model (docs/authors/padded.md)"
        )
    return torch.cat(parts, along)


def read(
    domain: Domain,
    data: Any,
    ids: Sequence[int | str] | None = None,
    offset: int = 0,
    like: Mapping[str, Any] | None = None,
) -> Unit:
    """Read the data into a unit of all its items, by :meth:`Domain.read`.

    Args:
        domain: The domain.
        data: Items in any form that the domain reads; a Dataset or DataLoader of these; or a
            :class:`Unit` that was read before, which is returned.
        ids: Id of each item, or of each item of the data where the domain leaves broken ones out;
            its position in the whole data set where ``None``.
        offset: Position of the first item in the whole data set.
        like: What :meth:`Domain.dataset_info` returned for the first data of a stream.

    Raises:
        InputError: The data is empty, or the domain cannot read it, or the ids are not unique, or
            their number is not that of the items.
    """
    if isinstance(data, Unit):
        for sentence in data.notices:
            tell(sentence)
        return data
    if isinstance(data, set | frozenset):
        raise InputError(
            "the data is a set, whose order is another in each process, so that no position says "
            "which item is meant; pass a list, such as sorted(data)"
        )
    before = sentences()
    items = items_of(data)
    asked = Asked("domains", domain, "read" if like is None else "read_like")
    with LeftOut() as left_out:
        samples = asked(items) if like is None else asked(items, like)
    sliced = hasattr(samples, "__len__") and hasattr(samples, "__getitem__")
    asked.expect(sliced, samples, "a sequence of samples")
    if len(samples) == 0:
        raise InputError("the data is empty; pass at least one item")
    kept = left_out.kept(len(samples))
    keys = _keys(ids, len(samples), offset, (kept, left_out.n_items))
    named = ids is None or isinstance(ids, Positions)
    asked = Asked("domains", domain, "ids")
    names = asked(samples) if named else None
    if names is not None and len(names) != len(samples):
        raise asked.broken(f"{len(names)} names", f"{len(samples)}, one an item, or None")
    plain = None if names is None else plain_names(names, keys)
    n_left_out = 0 if kept is None else left_out.n_items - len(kept)
    notices = tuple(sentences()[len(before) :])
    return Unit(samples, keys, offset, plain, n_left_out=n_left_out, notices=notices)


def _keys(
    ids: Sequence[int | str] | None,
    n_items: int,
    offset: int,
    left: tuple[Sequence[int] | None, int],
) -> Sequence[int | str]:
    """What keys the draws of each item; see :class:`Unit`.

    Args:
        ids: As for :func:`read`.
        n_items: Number of items that were read.
        offset: As for :func:`read`.
        left: Where broken items were left out, the positions of the others in the data, and the
            number of all items.
    """
    kept, n_all = left
    if ids is None:
        if kept is None:
            return range(offset, offset + n_items)
        return Positions(offset + position for position in kept)
    if isinstance(ids, Positions):  # an item may have been chosen twice
        if len(ids) == n_items:
            return ids
        raise InputError(
            f"the record is that of {len(ids)} items, but the data has {n_items}; pass the data of "
            f"these items, in their order"
        )
    ids = plain_ids(ids)
    if kept is not None and len(ids) == n_all:
        ids = [ids[position] for position in kept]
    if len(ids) != n_items:
        raise InputError(f"got {len(ids)} ids for {n_items} items; pass one an item")
    return list(ids)  # a range would be one of positions
