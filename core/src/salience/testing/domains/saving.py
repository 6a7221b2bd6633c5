"""Checks of what a domain keeps for pictures and tables, and of saving it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from salience.data.domain import Domain
from salience.data.per_item import ColumnAnnotations
from salience.results.files.packing import pack, unpack
from salience.testing.comparing import NotTestedError, expect, is_plain, same
from salience.testing.example import Example
from salience.testing.subject import Subject


def annotates_every_item(subject: Subject) -> None:
    """A batch annotates all its items or none, each by a mapping of its own."""
    batch = subject.example.batch
    number = len(batch.annotations)
    expect(
        number in (0, batch.n_items),
        f"collate made {number} annotations of {batch.n_items} items; make one for each, or none",
    )
    if isinstance(batch.annotations, ColumnAnnotations):
        return
    known = {id(annotation) for annotation in batch.annotations}
    expect(
        len(known) == number,
        "several items share one annotation object; make a mapping for each item",
    )
    for item, annotation in enumerate(batch.annotations):
        expect(
            isinstance(annotation, Mapping),
            f"the annotation of item {item} is {type(annotation).__name__}; make it a mapping",
        )


def annotations_belong_to_their_items(subject: Subject) -> None:
    """An item has the same annotation in every batch."""
    example = subject.example
    for item, annotation in enumerate(_annotations(example)):
        (own,) = example.collated(item, item + 1).annotations
        expect(
            same(dict(own), annotation),
            f"the annotation of item {item} in a batch of all items is not that of the item by "
            f"itself; keep annotations in the order of the samples",
        )


def annotations_survive_saving(subject: Subject) -> None:
    """What encode makes can be saved, and decode restores the annotation from the file."""
    example = subject.example
    in_columns = isinstance(example.batch.annotations, ColumnAnnotations)
    for item, annotation in enumerate(_annotations(example)):
        if in_columns:
            for name, value in annotation.items():
                expect(isinstance(value, Tensor), f"the column {name!r} holds no tensors")
            continue
        encoded = example.fitted.encode(annotation)
        read = _saved(encoded, f"the annotation of item {item}")
        decoded = dict(example.fitted.decode(read))
        expect_restored(example.fitted, annotation, decoded, f"the annotation of item {item}")


def dataset_info_survives_saving(subject: Subject) -> None:
    """What dataset_info returns holds only what JSON and tensors hold, and comes back the same."""
    example = subject.example
    info = example.fitted.dataset_info(example.samples)
    expect(isinstance(info, dict), f"dataset_info is {type(info).__name__}, expected a mapping")
    expect(
        same(info, _saved(info, "dataset_info")),
        "dataset_info is another after it was saved; use lists, numbers and text",
    )
    again = example.fitted.dataset_info(example.samples)
    expect(same(info, again), "dataset_info differs from call to call")


def expect_restored(
    domain: Domain, annotation: dict[str, Any], restored: dict[str, Any], what: str
) -> None:
    """Raise AssertionError where an annotation is another after it was saved.

    Objects that cannot be compared are the same where the domain encodes them to the same.
    """
    expect(
        set(restored) == set(annotation),
        f"{what} has the entries {list(annotation)}, and after decode(encode(annotation)) "
        f"{list(restored)}; keep all of them",
    )
    for name, value in annotation.items():
        opaque = not is_plain(value) and type(value) is type(restored[name])
        expect(
            same(value, restored[name])
            or (opaque and _encoded_alike(domain, annotation, restored)),
            f"{name!r} of {what} is another after decode(encode(annotation)); let encode keep what "
            f"decode restores",
        )


def _encoded_alike(domain: Domain, one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether what a domain makes of an annotation comes again of another one."""
    again = domain.encode(other)
    return all(name in again and same(v, again[name]) for name, v in domain.encode(one).items())


def _annotations(example: Example) -> list[dict[str, Any]]:
    if not example.batch.annotations:
        raise NotTestedError("the domain makes no annotations")
    return [dict(annotation) for annotation in example.batch.annotations]


def _saved(value: Any, what: str) -> Any:
    """A value as a saved file gives it back."""
    tensors: dict[str, Tensor] = {}
    return unpack(json.loads(json.dumps(pack(value, tensors, strict=what))), tensors)


CHECKS = (
    annotates_every_item,
    annotations_belong_to_their_items,
    annotations_survive_saving,
    dataset_info_survives_saving,
)
