"""Checks of a domain with a model: its explanations do not depend on how items are batched."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import nn

from salience.data.domain import Domain
from salience.engine.units import Unit
from salience.errors import InputError
from salience.plugins import host
from salience.results.explanation import Explanation
from salience.testing.comparing import (
    NotTestedError,
    difference,
    expect,
    model_state,
    same,
)
from salience.testing.domains.saving import expect_restored
from salience.testing.example import Example, values_of
from salience.testing.packing import expect_close, expect_no_fallback
from salience.testing.payloads import check_payload
from salience.testing.subject import Subject

_DRAWN: dict[str, Any] = {"samplers": ["gaussian"], "n_samples": 3, "seed": 5}


def outputs_keep_the_graph(subject: Subject) -> None:
    """Arguments and by_item pass gradients on: some saliency is not 0, and all is finite."""
    example = subject.example
    values = [v for own in values_of(example.explained()).values() for v in own]
    expect(all(bool(v.isfinite().all()) for v in values), "the gradient is not finite")
    expect(
        any(bool(v.count_nonzero()) for v in values),
        "the gradient is 0 everywhere; arguments and by_item must not detach, round or copy values "
        "out of torch, and the model must depend on its input",
    )


def preflight_takes_no_fallback(subject: Subject) -> None:
    """Rows of a pass do not influence each other, and padding is not read, as far as is shown."""
    mend = "look at arguments and by_item, or pass a model that treats each row by itself"
    expect_no_fallback(subject.example.explained(**_DRAWN), mend)


def packing_does_not_matter(subject: Subject) -> None:
    """Items explained one by one have the numbers of items explained in one batch."""
    example = subject.example
    packed = example.explained(**_DRAWN)
    for item in range(len(example.samples)):
        single = example.explained(data=example.unit.part(item, item + 1), **_DRAWN)
        expect_close(packed, single, [item], "explained by itself")


def order_does_not_matter(subject: Subject) -> None:
    """Items in reverse order have the same numbers."""
    example = subject.example
    order = list(reversed(range(len(example.samples))))
    turned = _rebatched(example, order)
    expect_close(example.explained(**_DRAWN), turned, order, "selected in reverse order")
    if not isinstance(example.samples, list | tuple):
        return  # only the domain knows how to put its samples into another order
    unit = Unit([example.samples[i] for i in order], [example.unit.ids[i] for i in order])
    turned = example.explained(data=unit, **_DRAWN)
    expect_close(example.explained(**_DRAWN), turned, order, "explained in reverse order")


def padding_does_not_matter(subject: Subject) -> None:
    """An item has the same numbers without padding and with that which longer items give it."""
    example = subject.example
    if not example.fitted.layout.masks:
        raise NotTestedError("the layout names no mask, so that nothing is padded")
    for item in range(len(example.samples)):
        single = example.explained(data=example.unit.part(item, item + 1), **_DRAWN)
        padded = _rebatched(example, [item])
        expect_close(single, padded, [0], f"(here item {item} of the data) with padding")


def budget_does_not_matter(subject: Subject) -> None:
    """Numbers are the same however many rows a forward pass may hold."""
    example = subject.example
    plain = example.explained(**_DRAWN)
    smallest = example.smallest_budget
    for max_rows in (smallest, 2 * smallest + 1):
        cut = example.explained(settings={"max_rows": max_rows}, **_DRAWN)
        items = list(range(len(example.samples)))
        expect_close(plain, cut, items, f"explained with max_rows={max_rows}")


def explanations_come_again(subject: Subject) -> None:
    """The same seed gives the same numbers."""
    example = subject.example
    one, again = example.explained(**_DRAWN), example.explained(**_DRAWN)
    items = list(range(len(example.samples)))
    expect_close(one, again, items, "explained once more with the same seed")


def precision_is_kept(subject: Subject) -> None:
    """A model of float32 has saliency of float32, one of float64 the same in float64."""
    example = subject.example
    found = {}
    for dtype in (torch.float32, torch.float64):
        explanation = example.in_precision(dtype).explained()
        found[dtype] = values_of(explanation)
        for name, own in found[dtype].items():
            expect(
                all(v.dtype == dtype for v in own),
                f"the saliency of {name!r} is {own[0].dtype} with a model of {dtype}; let join "
                f"keep the dtype",
            )
    for name, own in found[torch.float32].items():
        for item, (low, high) in enumerate(zip(own, found[torch.float64][name], strict=True)):
            scale = float(high.abs().max()) if high.numel() else 0.0
            gap = float((low.double() - high).abs().max()) if high.numel() else 0.0
            expect(
                gap <= 1e-2 * scale + 1e-6,
                f"the saliency of {name!r} of item {item} is {gap:.2g} apart in float32 and "
                f"float64",
            )


def model_is_left_unchanged(subject: Subject) -> None:
    """Weights, flags, hooks and attributes of the model are as before, after failures too."""
    example = _with_module(subject.example)
    before = model_state(example.model)
    example.explained(data=example.copied_data())
    changed = difference(before, model_state(example.model))
    expect(not changed, f"explaining changed the model: {changed} is another")
    data = example.copied_data()
    failing = replace(example, model=Failing(copy.deepcopy(example.model)))
    before = model_state(failing.model)
    with suppress(Exception):
        failing.explained(data=data)
    changed = difference(before, model_state(failing.model))
    expect(not changed, f"a failed explanation changed the model: {changed} is another")
    expect(same(data, example.copied_data()), "a failed explanation changed the data")


def explanations_survive_saving(subject: Subject) -> None:
    """An explanation that was saved and loaded holds what it held, annotations included."""
    example = subject.example
    made = example.explanation
    require_installed(subject)
    with TemporaryDirectory() as folder:
        path = Path(folder, "run.salience")
        made.save(path)
        loaded = Explanation.load(path)
    for name, own in values_of(made).items():
        expect(same(own, values_of(loaded)[name]), f"the saliency of {name!r} is another")
    for item, (one, other) in enumerate(zip(made.annotations, loaded.annotations, strict=True)):
        expect_restored(example.fitted, dict(one), dict(other), f"the annotation of item {item}")
    expect(same(made.dataset_info, loaded.dataset_info), "the loaded dataset_info is another")
    expect(
        isinstance(loaded.domain, Domain),
        "the domain cannot be made again of the settings that were saved",
    )


def tables_have_an_entry_for_each_position(subject: Subject) -> None:
    """Positions and feature_values give as many entries as the saliency has positions."""
    explanation = subject.example.explanation
    domain = subject.example.fitted
    known = False
    for name, saliency in explanation.saliency.items():
        axes = explanation._axes().get(name, ())
        for item, values in enumerate(saliency.values):
            if not explanation.annotations:
                break
            for column, entries in domain.positions(explanation.annotations[item], axes).items():
                known = True
                expect(
                    len(entries) == values.numel(),
                    f"positions gave {len(entries)} entries of {column!r} for the "
                    f"{values.numel()} positions of item {item}",
                )
        if saliency.counts is None and saliency.flat.ndim == 2:
            width = int(saliency.flat.shape[1])
            info = explanation.dataset_info
            found = domain.feature_values(name, width, explanation.annotations, info)
            known |= found is not None
            expect(
                found is None or len(found) == saliency.flat.numel(),
                f"feature_values gave {len(found or ())} entries for {saliency.flat.numel()} "
                f"positions of all the items",
            )
    if not known:
        raise NotTestedError("the domain gives no positions and no feature_values")


def payload_is_valid(subject: Subject) -> None:
    """What a report draws of each item has the form of docs/report.md and fits the saliency."""
    explanation = subject.example.explanation
    made = [check_payload(explanation, item) for item in range(len(explanation))]
    if all(payload is None for payload in made):
        raise NotTestedError("the domain gives no payload, so that reports show its picture")


def require_installed(subject: Subject) -> None:
    """Raise NotTestedError where no installed plugin brings a domain, which cannot be loaded."""
    host().names("domains")  # loads plugins of other packages than that of the class too
    if host().name_of("domains", type(subject.part)) is None:
        raise NotTestedError(
            "no installed plugin brings the domain, so that it cannot be loaded; name it in the "
            "hook salience_domains, and install its distribution"
        )


class Failing(nn.Module):
    """Fails behind a model's forward pass.

    Args:
        model: The model.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the model, and raise RuntimeError."""
        self.model(*args, **kwargs)
        raise RuntimeError("this model fails")


def _with_module(example: Example) -> Example:
    """The example with a copy of its model, in which nothing of other checks is left.

    Raises:
        NotTestedError: The model is no module.
    """
    if not isinstance(example.model, nn.Module):
        raise NotTestedError("the model is no torch.nn.Module, of which nothing can be changed")
    return replace(example, model=copy.deepcopy(example.model))


def _rebatched(example: Example, order: Sequence[int]) -> Explanation:
    """Items in an order, with the padding that a batch of all items gives them."""
    unit = Unit(list(order), [f"item {i}" for i in order])
    try:
        return example.rebatched().explained(data=unit, **_DRAWN)
    except InputError:
        # Padding that a model reads cannot be taken away here, which looks like another fault.
        expect_no_fallback(example.explained(**_DRAWN), "mend this first")
        raise


CHECKS = (
    outputs_keep_the_graph,
    preflight_takes_no_fallback,
    packing_does_not_matter,
    order_does_not_matter,
    padding_does_not_matter,
    budget_does_not_matter,
    explanations_come_again,
    precision_is_kept,
    model_is_left_unchanged,
    explanations_survive_saving,
    tables_have_an_entry_for_each_position,
    payload_is_valid,
)
