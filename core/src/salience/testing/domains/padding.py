"""Checks of padded batches: masks mark the real positions, and padding says nothing."""

from __future__ import annotations

import torch
from torch import Tensor

from salience.data.batch import Batch
from salience.data.layout import ITEM
from salience.testing.comparing import NotTestedError, expect
from salience.testing.example import Example
from salience.testing.subject import Subject


def masks_are_boolean(subject: Subject) -> None:
    """A mask is a boolean tensor."""
    example = subject.example
    for name in _masks(example):
        mask = example.batch.arguments[name]
        held = str(mask.dtype) if isinstance(mask, Tensor) else type(mask).__name__
        expect(held == "torch.bool", f"the mask {name!r} is {held}; collate a boolean tensor")


def masks_mark_real_positions(subject: Subject) -> None:
    """An item has as many real positions in a batch of longer items as by itself."""
    example = subject.example
    _expect_named_masks(example)
    padded = False
    for name in _masks(example):
        in_batch = _n_real(example.batch, name)
        for item, number in enumerate(in_batch):
            own = _n_real(example.collated(item, item + 1), name)[0]
            expect(
                number == own,
                f"the mask {name!r} marks {number} positions of item {item} in a batch of all "
                f"items and {own} in a batch of its own; mark the real ones, True",
            )
            expect(number > 0, f"the mask {name!r} marks no position of item {item}")
        padded |= len(set(in_batch)) > 1
    _expect_lengths(padded)


def padding_holds_one_value(subject: Subject) -> None:
    """Positions outside a mask hold one value in all items, so that they say nothing."""
    example = subject.example
    padded = False
    for name, spec in example.fitted.layout.fields.items():
        if spec.mask is None:
            _masks(example)
            continue
        value, mask = example.batch.arguments[name], example.batch.arguments[spec.mask]
        own = example.fitted.layout.fields[spec.mask].axes
        front = [spec.axes.index(axis) for axis in own]
        outside = value.movedim(front, list(range(len(front))))[~mask]
        padded |= bool(len(outside))
        expect(
            not len(outside) or bool((outside == outside.flatten()[0]).all()),
            f"argument {name!r} holds different values where its mask {spec.mask!r} is False; the "
            f"mask is shorter than the items, or padding is not filled with one value",
        )
    _expect_lengths(padded)


def _expect_named_masks(example: Example) -> None:
    """Where items of the main argument are padded to the longest, the layout names their mask."""
    layout = example.fitted.layout
    name = layout.main
    spec = layout.fields[name]
    own = () if spec.mask is None else layout.fields[spec.mask].axes
    longer = example.batch.arguments[name].shape
    for item in range(example.batch.n_items):
        lengths = example.collated(item, item + 1).arguments[name].shape
        for axis, length, padded in zip(spec.axes, lengths, longer, strict=True):
            if length == padded or axis in (ITEM, *layout.elements):
                continue
            where = f"item {item} has {length} along {axis!r} by itself and {padded} in a batch"
            page = "see docs/authors/padded.md"
            expect(axis in own, f"{where}; name the mask of {name!r} in Field.mask, {page}")
            expect(
                axis not in layout.inner or layout.inner_mask is not None,
                f"{where}, as do variables inside the model; name Layout.inner_mask, {page}",
            )


def _masks(example: Example) -> list[str]:
    names = sorted(example.fitted.layout.masks)
    if not names:
        raise NotTestedError("the layout names no mask, so that nothing is padded")
    return names


def _expect_lengths(padded: bool) -> None:
    if not padded:
        raise NotTestedError(
            "all items have one length, which tests no padding; pass items of different lengths"
        )


def _n_real(batch: Batch, name: str) -> list[int]:
    """Number of positions of each item that a mask marks."""
    mask: Tensor = batch.arguments[name]
    axes = batch.layout.fields[name].axes
    found: list[int] = mask.movedim(axes.index(ITEM), 0).flatten(1).to(torch.int64).sum(1).tolist()
    return found


CHECKS = (masks_are_boolean, masks_mark_real_positions, padding_holds_one_value)
