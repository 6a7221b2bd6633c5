"""Checks of noise samplers, on the target variables of dense, padded and ragged data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from salience.data.batch import Batch
from salience.data.views import RowView
from salience.samplers.base import NoiseSampler, VariableDraw
from salience.samplers.keyed import Numbers, item_keys, row_keys
from salience.support.isolation import generator_states
from salience.testing.comparing import NotTestedError, close, expect, same
from salience.testing.domains.reading import expect_generators
from salience.testing.example import Example
from salience.testing.packing import expect_independent_of_packing
from salience.testing.subject import Subject

_N_DRAWS = 4


@dataclass(frozen=True)
class Drawn:
    """Draws of the main argument of some items.

    Args:
        x: The values before noise, D · B rows.
        moved: The values after noise.
        view: How they belong to rows.
        n_draws: Number of draws D.
    """

    x: Tensor
    moved: Tensor
    view: RowView
    n_draws: int

    def noise_of(self, draw: int, item: int) -> Tensor:
        """What was added in a draw to the real positions of an item."""
        return self._at(self.moved, draw, item) - self._at(self.x, draw, item)

    def noise_of_items(self, draw: int) -> Tensor:
        """What was added in a draw to the real positions of all items, one after the other."""
        n_items = len(self.view) // self.n_draws
        return torch.cat([self.noise_of(draw, item).flatten() for item in range(n_items)])

    def _at(self, values: Tensor, draw: int, item: int) -> Tensor:
        n_items = len(self.view) // self.n_draws
        own = self.view.owner == draw * n_items + item
        part = values.movedim(self.view.row_axis, 0)[own]
        if self.view.mask is None:
            return part
        mask = self.view.mask.movedim(self.view.row_axis, 0)[own].expand(part.shape)
        return part[mask]


def shape_and_dtype_are_kept(subject: Subject) -> None:
    """Moved values have the shape and the dtype of the values, in float16 too."""
    for example in subject.examples:
        for dtype in (torch.float32, torch.float64, torch.float16):
            drawn = _draw(subject.part, example, dtype=dtype)
            expect(
                isinstance(drawn.moved, Tensor) and drawn.moved.shape == drawn.x.shape,
                f"it returned shape {tuple(getattr(drawn.moved, 'shape', ()))} for values of shape "
                f"{tuple(drawn.x.shape)} in {example.name}",
            )
            expect(
                drawn.moved.dtype == dtype,
                f"it returned {drawn.moved.dtype} for values of {dtype} in {example.name}",
            )


def x_is_left_unchanged(subject: Subject) -> None:
    """The values that a sampler is given are as before."""
    for example in subject.examples:
        before = _draw(None, example).x
        drawn = _draw(subject.part, example)
        expect(same(before, drawn.x), f"it changed its values in place in {example.name}")


def padding_is_left_unchanged(subject: Subject) -> None:
    """Values outside the mask stay as they are."""
    padded = False
    for example in subject.examples:
        drawn = _draw(subject.part, example)
        if drawn.view.mask is None:
            continue
        padded = True
        outside = ~drawn.view.mask.expand(drawn.x.shape)
        expect(
            same(drawn.x[outside], drawn.moved[outside]),
            f"it moved padding in {example.name}; multiply noise by draw.view.mask",
        )
    if not padded:
        raise NotTestedError("the data is not padded; leave data= out, or pass padded data")


def draws_differ(subject: Subject) -> None:
    """Draws of an item differ from each other, and so does the noise of items and of seeds."""
    for example in subject.examples:
        drawn = _draw(subject.part, example)
        # Of all items: noise that moves few positions may move none of a small item.
        one, two = drawn.noise_of_items(0), drawn.noise_of_items(2)
        expect(bool(one.count_nonzero()), f"it moves nothing in {example.name}")
        expect(not same(one, two), f"two draws of an item are the same in {example.name}")
        other = _draw(subject.part, example, seed=99).noise_of_items(0)
        expect(not same(one, other), f"seeds do not matter in {example.name}")


def items_differ(subject: Subject) -> None:
    """Items with the same values and other ids have other noise."""
    for example in subject.examples:
        twice = example.batch.select(torch.tensor([2, 2])).batch()
        drawn = _draw(subject.part, example, batch=twice, ids=["one", "other"])
        one, other = (
            torch.cat([drawn.noise_of(draw, item) for draw in range(_N_DRAWS)]) for item in (0, 1)
        )
        expect(
            not same(one, other),
            f"two items share their noise in {example.name}; take random numbers from draw.numbers",
        )


def draws_are_keyed(subject: Subject) -> None:
    """Noise of an item depends on seed, item and draw, and not on the items beside it."""
    for example in subject.examples:
        full = _draw(subject.part, example)
        again = _draw(subject.part, example)
        expect(same(full.moved, again.moved), f"the same draw differs in {example.name}")
        for item in range(len(example.samples)):
            batch = example.collated(item, item + 1)
            single = _draw(subject.part, example, batch=batch, ids=[f"item {item}"])
            for draw in range(_N_DRAWS):
                expect(
                    close(full.noise_of(draw, item).flatten(), single.noise_of(draw, 0).flatten()),
                    f"draw {draw} of item {item} of {example.name} is another where the item is by "
                    f"itself; take random numbers from draw.numbers, and ranges from draw.view",
                )


def antithetic_pairs_cancel(subject: Subject) -> None:
    """Draws 2k and 2k + 1 of an antithetic sampler move the values by n and −n."""
    if not subject.part.antithetic:
        raise NotTestedError("the sampler is not antithetic")
    for example in subject.examples:
        drawn = _draw(subject.part, example)
        for item in range(len(example.samples)):
            one, other = drawn.noise_of(0, item), drawn.noise_of(1, item)
            expect(
                close(one, -other),
                f"the draws of an antithetic pair do not cancel in {example.name}; multiply noise "
                f"by draw.sign",
            )


def leaves_generators_unmoved(subject: Subject) -> None:
    """It draws from no global random generator."""
    for example in subject.examples:
        before = generator_states()
        _draw(subject.part, example)
        expect_generators(before, "it")


def packing_does_not_matter(subject: Subject) -> None:
    """Explanations with its draws depend neither on packing nor on the budget."""
    for example in subject.examples:
        parts: dict[str, Any] = {"samplers": [subject.part], "n_samples": 4}
        expect_independent_of_packing(example, parts)


def _draw(
    sampler: NoiseSampler | None,
    example: Example,
    *,
    seed: int = 0,
    batch: Batch | None = None,
    ids: list[str] | None = None,
    dtype: torch.dtype = torch.float64,
) -> Drawn:
    """Draws of all the items, or of those of another batch; without a sampler, of no noise."""
    batch = example.batch if batch is None else batch
    ids = [f"item {i}" for i in range(batch.n_items)] if ids is None else ids
    pairs = sampler is not None and sampler.antithetic
    numbers = torch.arange(_N_DRAWS) // (2 if pairs else 1)
    layout = batch.layout
    spec = layout.fields[layout.main]
    rows = batch.repeat(_N_DRAWS).batch()
    view = RowView.of(rows, spec.axes, spec.mask)
    x = rows.arguments[layout.main].to(dtype).clone()
    if sampler is None:
        return Drawn(x, x, view, _N_DRAWS)
    sign = None
    if pairs:
        per_row = torch.tensor([1.0, -1.0] * (_N_DRAWS // 2)).repeat_interleave(batch.n_items)
        sign = view.spread(per_row).to(dtype)
    keys = row_keys(seed, item_keys(ids), numbers)
    moved = sampler(x, VariableDraw(Numbers(keys, view, tuple(x.shape)), sign))
    return Drawn(x, moved, view, _N_DRAWS)


CHECKS = (
    shape_and_dtype_are_kept,
    x_is_left_unchanged,
    padding_is_left_unchanged,
    draws_differ,
    items_differ,
    draws_are_keyed,
    antithetic_pairs_cancel,
    leaves_generators_unmoved,
    packing_does_not_matter,
)
