"""Checks of reading: what a domain makes of the user's data, and that it leaves it alone."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from salience.data.layout import ITEM
from salience.errors import InputError, an
from salience.support.isolation import generator_states
from salience.testing.comparing import NotTestedError, expect, is_plain, same
from salience.testing.example import Example
from salience.testing.subject import Subject


def reads_a_sequence(subject: Subject) -> None:
    """Read returns a sequence of two or more samples, which can be sliced again and again."""
    samples = subject.example.samples
    expect(
        isinstance(samples, Sequence) and not isinstance(samples, str),
        f"read returned {type(samples).__name__}, expected a sequence of samples",
    )
    if len(samples) < 2:
        raise NotTestedError(f"the data has {len(samples)} item; pass two or more")
    middle = samples[1 : len(samples)]
    expect(
        len(middle) == len(samples) - 1 and len(middle[0:1]) == len(samples[0:1]) == 1,
        "a slice of the samples has another length than was asked for",
    )


def reads_every_item(subject: Subject) -> None:
    """Read returns a sample for each item of the data."""
    expected = _n_items(subject.example)
    n_samples = len(subject.example.samples)
    expect(n_samples == expected, f"read returned {n_samples} samples for {expected} items")


def reads_twice_alike(subject: Subject) -> None:
    """Two reads of the same data, collated, give the same batch."""
    example = subject.example
    again = example.domain.read(example.copied_data())
    expect(len(again) == len(example.samples), "two reads of the same data differ in length")
    _expect_same_batch(example, example.fitted.collate(again[0 : len(again)]), "two reads")
    _expect_same_batch(example, example.collated(0, len(example.samples)), "two calls of collate")


def leaves_data_unchanged(subject: Subject) -> None:
    """Reading, collating and describing leave the user's data as it was, keys included."""
    example = subject.example
    data, before = example.copied_data(), example.copied_data()
    samples = example.domain.read(data)
    fitted = example.domain.fitted(samples)
    fitted.ids(samples)
    batch = fitted.collate(samples[0 : len(samples)])
    fitted.dataset_info(samples)
    for annotation in batch.annotations:
        fitted.encode(annotation)
    expect(same(before, data), "the data that was passed to read was changed; work on a copy of it")


def annotations_keep_no_memory_of_data(subject: Subject) -> None:
    """Annotations stay as they are where the user changes the data afterwards."""
    example = subject.example
    data = example.copied_data()
    samples = example.domain.read(data)
    fitted = example.domain.fitted(samples)
    batch = fitted.collate(samples[0 : len(samples)])
    info = fitted.dataset_info(samples)
    if not batch.annotations and not info:
        raise NotTestedError("the domain makes no annotations and no dataset_info")
    before = copy.deepcopy([dict(annotation) for annotation in batch.annotations])
    known = copy.deepcopy(info)
    if not _overwrite(data):
        raise NotTestedError("the data holds no array or tensor, whose memory could be shared")
    for item, (one, other) in enumerate(zip(before, batch.annotations, strict=True)):
        expect(
            same(one, dict(other)),
            f"the annotation of item {item} changes with the user's data; copy it in read",
        )
    expect(same(known, info), "dataset_info changes with the user's data; copy what it holds")


def refuses_other_data(subject: Subject) -> None:
    """Read refuses what is no data of the domain by an InputError."""
    for other in (object(), None):
        what = type(other).__name__ if other is None else "a plain object()"
        try:
            subject.part.read(other)
        except InputError:
            continue
        except Exception as error:
            raise AssertionError(
                f"read raised {type(error).__name__} for {what}; raise salience.InputError, which "
                f"says what was expected"
            ) from error
        raise AssertionError(f"read took {what} for data; raise salience.InputError")


def names_every_item(subject: Subject) -> None:
    """Ids names all the items, by whole numbers, texts or labels, or it names none."""
    example = subject.example
    names = example.fitted.ids(example.samples)
    if names is None:
        return
    expect(
        len(names) == len(example.samples),
        f"ids gave {len(names)} names for {len(example.samples)} items",
    )
    for item, name in enumerate(names):
        expect(
            not isinstance(name, Tensor | np.ndarray | Mapping | list | float),
            f"ids gave {type(name).__name__} for item {item}; give a whole number or text",
        )


def leaves_generators_unmoved(subject: Subject) -> None:
    """Reading and collating draw from no global random generator."""
    example = subject.example
    data, before = example.copied_data(), generator_states()
    samples = example.domain.read(data)
    fitted = example.domain.fitted(samples)
    fitted.collate(samples[0 : len(samples)])
    fitted.dataset_info(samples)
    expect_generators(before, "reading and collating")


def expect_generators(before: Mapping[str, Any], what: str) -> None:
    """Raise AssertionError where a global generator has moved since ``before``."""
    after = generator_states(list(before))
    for name, state in before.items():
        expect(same(state, after[name]), f"{what} moved the global random generator of {name}")


def _expect_same_batch(example: Example, other: Any, what: str) -> None:
    for name in example.fitted.layout.shown:  # the others are the domain's own
        value = example.batch.arguments[name]
        if not is_plain(value):
            continue
        expect(same(value, other.arguments[name]), f"{what} of the same data differ in {name!r}")
    one, two = [[dict(a) for a in batch.annotations] for batch in (example.batch, other)]
    expect(same(one, two), f"{what} of the same data differ in the annotations")


def _n_items(example: Example) -> int:
    """Number of items in the data, as its form says.

    Raises:
        NotTestedError: It does not say.
    """
    if example.n_items is not None:
        return example.n_items
    data, layout = example.copied_data(), example.fitted.layout
    fields = layout.fields
    if isinstance(data, Mapping) and set(data) <= set(fields):
        for name, value in data.items():
            if ITEM in fields[name].axes and hasattr(value, "shape"):
                return int(value.shape[fields[name].axes.index(ITEM)])
    axes = fields[layout.main].axes
    if isinstance(data, Tensor | np.ndarray) and len(axes) == data.ndim and ITEM in axes:
        return int(data.shape[axes.index(ITEM)])
    if isinstance(data, Mapping | str) or not hasattr(data, "__len__"):
        raise NotTestedError(
            f"{an(type(data).__name__)} does not say how many items it has; pass n_items="
        )
    return len(data)


def _overwrite(data: Any) -> bool:
    """Write other numbers into all the arrays and tensors of the data; whether there are any."""
    if isinstance(data, Tensor):
        if data.is_floating_point():
            data.detach().add_(1)
        else:
            data.detach().bitwise_not_()
        return True
    if isinstance(data, np.ndarray):
        if data.dtype.kind in "iuf" and data.flags.writeable:
            data += np.asarray(1, dtype=data.dtype)
            return True
        return False
    if isinstance(data, Mapping):
        return sum(_overwrite(value) for value in data.values()) > 0
    if isinstance(data, list | tuple):
        return sum(_overwrite(value) for value in data) > 0
    return False


CHECKS: tuple[Callable[[Subject], None], ...] = (
    reads_a_sequence,
    reads_every_item,
    reads_twice_alike,
    refuses_other_data,
    leaves_data_unchanged,
    annotations_keep_no_memory_of_data,
    leaves_generators_unmoved,
    names_every_item,
)
