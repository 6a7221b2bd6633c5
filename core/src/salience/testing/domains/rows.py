"""Checks of batches: items are collated, counted and selected as rows."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from salience.data.batch import Batch
from salience.data.layout import Field, Layout
from salience.testing.comparing import NotTestedError, expect
from salience.testing.subject import Subject


def collates_every_item(subject: Subject) -> None:
    """A batch has an item for each sample."""
    example = subject.example
    for stop in (1, len(example.samples)):
        n_items = example.collated(0, stop).n_items
        expect(n_items == stop, f"collate made {n_items} items of {stop} samples")


def dtypes_do_not_depend_on_the_batch(subject: Subject) -> None:
    """An argument has one dtype, whichever items share its batch."""
    example = subject.example
    for item in range(len(example.samples)):
        for name, value in example.collated(item, item + 1).arguments.items():
            one, other = _kind(value), _kind(example.batch.arguments[name])
            expect(
                one == other,
                f"argument {name!r} is {one} for item {item} by itself and {other} for all items; "
                f"decide on one in read",
            )


def size_counts_elements(subject: Subject) -> None:
    """Size of a sample is the number of elements that it brings into a batch."""
    example = subject.example
    if not example.fitted.layout.elements:
        raise NotTestedError("the layout has no elements, so that size is not asked for")
    sizes = [example.fitted.size(sample) for sample in example.samples]
    held = example.batch.sizes().tolist()
    expect(sizes == held, f"size gives {sizes}, but the batch holds {held} elements")
    if len(set(sizes)) == 1:
        raise NotTestedError(
            f"all items have {sizes[0]} elements, which tests no raggedness; pass items of "
            f"different sizes"
        )


def shared_arguments_stay_the_same(subject: Subject) -> None:
    """An argument without an axis of items or elements is the same in every batch."""
    example = subject.example
    layout = example.fitted.layout
    for name, spec in layout.fields.items():
        value = example.batch.arguments[name]
        if spec.counts is not None or layout.has_rows(spec.axes) or not isinstance(value, Tensor):
            continue
        for item in range(len(example.samples)):
            own = example.collated(item, item + 1).arguments[name]
            expect(
                isinstance(own, Tensor) and torch.equal(own, value),
                f"argument {name!r} with the axes {spec.axes} has neither an item axis nor an axis "
                f"of elements, so all items share it, but it differs from batch to batch; look for "
                f"a typo in its axes and in elements",
            )


def selecting_items_gives_the_same_rows(subject: Subject) -> None:
    """An item that is selected from a batch equals that item collated by itself."""
    example = subject.example
    n_items = len(example.samples)
    order = [*reversed(range(n_items)), 0]
    selection = example.batch.select(torch.tensor(order)).batch()
    for row, item in enumerate(order):
        single = example.collated(item, item + 1)
        again = selection.select(torch.tensor([row])).batch()
        for name, spec in example.fitted.layout.fields.items():
            problem = _unlike(single, again, name, spec)
            expect(
                not problem,
                f"argument {name!r} of item {item} differs after being selected from a batch, "
                f"{problem}; look at its axes {spec.axes} and refers_to={spec.refers_to!r}",
            )


def _unlike(single: Batch, again: Batch, name: str, spec: Field) -> str:
    """How an argument of an item by itself differs from that of the item selected; else empty."""
    one, other = single.arguments[name], again.arguments[name]
    layout = single.layout
    if not isinstance(one, Tensor):
        # All the rows of a batch share it, and it may differ between batches.
        return "" if spec.counts is None or one == other else f"{one} and {other}"
    if not layout.has_rows(spec.axes):
        return ""
    if spec.mask is not None:
        mask = layout.fields[spec.mask].axes
        one, other = (
            _real(b.arguments[name], b.arguments[spec.mask], spec.axes, mask)
            for b in (single, again)
        )
    elif one.shape != other.shape:
        other = _cut(other, one, layout, spec)
    if one.shape != other.shape:
        return f"shape {tuple(one.shape)} and {tuple(other.shape)}"
    return "" if torch.equal(one, other) else "in its values"


def _cut(padded: Tensor, like: Tensor, layout: Layout, spec: Field) -> Tensor:
    """A tensor without the padding that other items gave it; the axis of rows is not cut."""
    row_axis = layout.row_axis(spec.axes)[0]
    index = [slice(None if i == row_axis else n) for i, n in enumerate(like.shape)]
    return padded[tuple(index)]


def _real(value: Tensor, mask: Tensor, axes: tuple[str, ...], own: tuple[str, ...]) -> Tensor:
    """The values at real positions, in order, shape (N, …)."""
    front = [axes.index(axis) for axis in own]
    return value.movedim(front, list(range(len(front))))[mask]


def _kind(value: Any) -> str:
    return str(value.dtype) if isinstance(value, Tensor) else type(value).__name__


CHECKS = (
    collates_every_item,
    dtypes_do_not_depend_on_the_batch,
    size_counts_elements,
    shared_arguments_stay_the_same,
    selecting_items_gives_the_same_rows,
)
