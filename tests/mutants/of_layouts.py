"""Mutants of what domains declare and collate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import torch
from torch import Tensor

from salience import Batch, Field, Layout
from salience_template.dense import Spectra

from .mutant import breaks
from .sound import ON_SERIES, ON_SETS, ON_SPECTRA, Sets, Words

CALLS = count()


# --- Typos in a layout ----------------------------------------------------------------------------


@breaks("layout_names_axes_that_exist", "domain", **ON_SPECTRA)
class ReduceTypo(Spectra):
    """Sums over an axis that no argument has"""

    @property
    def layout(self) -> Layout:
        return replace(super().layout, reduce=("chanel",))


@breaks("layout_names_axes_that_exist", "domain", **ON_SERIES)
class ReduceTypoWithoutInner(Words):
    """Sums over an axis that no argument has, where targets inside the model have no axes"""

    @property
    def layout(self) -> Layout:
        return replace(super().layout, reduce=("chanel",))


@breaks("layout_names_axes_that_exist", "domain", **ON_SERIES)
class ComponentsTypo(Words):
    """Calls an axis one variable that no argument has"""

    @property
    def layout(self) -> Layout:
        return replace(super().layout, reduce=(), components=("unit",))


@breaks("layout_names_axes_that_exist", "domain", **ON_SETS)
class ElementsTypo(Sets):
    """Counts elements along an axis that no argument has"""

    @property
    def layout(self) -> Layout:
        return replace(super().layout, elements=("element", "edge", "bond"))


@breaks("layout_names_axes_that_exist", "domain", **ON_SERIES)
class MaskTypo(Words):
    """Names a mask that is no argument"""

    @property
    def layout(self) -> Layout:
        own = super().layout
        return replace(own, fields={**own.fields, "x": replace(own.fields["x"], mask="musk")})


@breaks("layout_names_axes_that_exist", "domain", **ON_SETS)
class CountsTypo(Sets):
    """Counts along an axis that no argument has"""

    @property
    def layout(self) -> Layout:
        own = super().layout
        return replace(own, fields={**own.fields, "n_sets": Field(counts="items")})


@breaks("layout_names_axes_that_exist", "domain", **ON_SPECTRA)
class MainTypo(Spectra):
    """Explains an argument that is not there"""

    @property
    def layout(self) -> Layout:
        return replace(super().layout, main="intensities")


@breaks("layout_names_axes_that_exist", "domain", **ON_SERIES)
class SumsPaddedAxis(Words):
    """Sums over an axis whose length differs from item to item"""

    @property
    def layout(self) -> Layout:
        return replace(super().layout, reduce=("position",))


@breaks("layout_stays_the_same", "domain", **ON_SPECTRA)
class LayoutByCall(Spectra):
    """Has another layout each time it is asked for"""

    @property
    def layout(self) -> Layout:
        own = super().layout
        return own if next(CALLS) % 2 else replace(own, reduce=())


@breaks("layout_stays_the_same", "domain", **ON_SPECTRA)
class BatchOfAnotherLayout(Spectra):
    """Collates batches of another layout than its own"""

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        made = super().collate(samples)
        return replace(made, layout=replace(made.layout, reduce=()))


@breaks("layout_stays_the_same", "domain", **ON_SPECTRA)
class FittedByCall(Spectra):
    """Fits another layout to the same samples each time"""

    def fitted(self, samples: Sequence[Any]) -> Spectra:
        return Reduced() if next(CALLS) % 2 else Spectra()


class Reduced(Spectra):
    @property
    def layout(self) -> Layout:
        return replace(super().layout, reduce=())


@breaks("visualizer_is_registered", "domain", **ON_SPECTRA)
class VisualizerTypo(Spectra):
    """Names a visualizer that no plugin brings"""

    visualizer = "spectrumm"


@breaks("visualizer_is_registered", "domain", **ON_SPECTRA)
class VisualizerByClass(Spectra):
    """Names its visualizer by something else than text"""

    visualizer = None  # type: ignore[assignment]


# --- Rows of batches ------------------------------------------------------------------------------


@breaks("collates_every_item", "domain", **ON_SPECTRA)
class CollatesHalf(Spectra):
    """Collates half of the samples"""

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        return super().collate(samples[: max(1, len(samples) // 2)])


@breaks("collates_every_item", "domain", **ON_SPECTRA)
class CountsOneMore(Spectra):
    """Says that a batch has an item more than its arguments"""

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        return replace(super().collate(samples), n_items=len(samples) + 1)


@breaks("collates_every_item", "domain", **ON_SETS)
class RefersToTypo(Sets):
    """Refers to an axis of which the batch has no counts"""

    @property
    def layout(self) -> Layout:
        own = super().layout
        return replace(own, fields={**own.fields, "owner": Field(("element",), refers_to="items")})


@breaks("dtypes_do_not_depend_on_the_batch", "domain", **ON_SPECTRA)
class DtypeByBatch(Spectra):
    """Collates float32 where an item is by itself"""

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        made = super().collate(samples)
        x = made.arguments["intensity"]
        return replace(made, arguments={"intensity": x.float() if len(x) == 1 else x})


@breaks("dtypes_do_not_depend_on_the_batch", "domain", **ON_SPECTRA)
class DtypeByValues(Spectra):
    """Collates whole numbers as integers where all values of a batch are whole"""

    def read(self, data: Any) -> list[Tensor]:
        return [sample.round() if i == 1 else sample for i, sample in enumerate(super().read(data))]

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        made = super().collate(samples)
        x = made.arguments["intensity"]
        return replace(made, arguments={"intensity": x.long() if (x == x.round()).all() else x})


@breaks("dtypes_do_not_depend_on_the_batch", "domain", **ON_SETS)
class CountAsTensor(Sets):
    """Collates a number of items as an int or a tensor"""

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        made = super().collate(samples)
        n_sets = len(samples) if len(samples) == 1 else torch.tensor(len(samples))
        return replace(made, arguments={**made.arguments, "n_sets": n_sets})


@breaks("size_counts_elements", "domain", **ON_SETS)
class SizeOfOne(Sets):
    """Says that every item has one element"""

    def size(self, sample: Tensor) -> int:
        return 1


@breaks("size_counts_elements", "domain", **ON_SETS)
class SizeOfNumbers(Sets):
    """Counts numbers in place of elements"""

    def size(self, sample: Tensor) -> int:
        return sample.numel()


@breaks("shared_arguments_stay_the_same", "domain", **ON_SPECTRA)
class ItemAxisTypo(Spectra):
    """Misspells the item axis of an argument, so that all items would share it"""

    @property
    def layout(self) -> Layout:
        own = super().layout
        return replace(own, fields={**own.fields, "weight": Field(("itm",))})

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        weight = torch.stack([sample.mean() for sample in samples])
        arguments = {"intensity": torch.stack(list(samples)), "weight": weight}
        return Batch(arguments, self.layout, len(samples))


@breaks("shared_arguments_stay_the_same", "domain", **ON_SPECTRA)
class SharedByBatch(Spectra):
    """Shares the mean of a batch among its items"""

    @property
    def layout(self) -> Layout:
        own = super().layout
        return replace(own, fields={**own.fields, "mean": Field(("channel",))})

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        x = torch.stack(list(samples))
        return Batch({"intensity": x, "mean": x.mean((0, 2))}, self.layout, len(samples))


@breaks("selecting_items_gives_the_same_rows", "domain", **ON_SETS)
class OwnersNotShifted(Sets):
    """Forgets that owners are indexes of items"""

    @property
    def layout(self) -> Layout:
        own = super().layout
        return replace(own, fields={**own.fields, "owner": Field(("element",))})


@breaks("selecting_items_gives_the_same_rows", "domain", **ON_SETS)
class LinksOfItems(Sets):
    """Says that links between elements are indexes of items"""

    @property
    def layout(self) -> Layout:
        own = super().layout
        link = Field(("end", "edge"), refers_to="item")
        return replace(own, fields={**own.fields, "link": link})


@breaks("selecting_items_gives_the_same_rows", "domain", **ON_SPECTRA)
class NormalisedByBatch(Spectra):
    """Normalises items by the mean of their batch"""

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        made = super().collate(samples)
        x = made.arguments["intensity"]
        return replace(made, arguments={"intensity": x - x.mean()})


@breaks("selecting_items_gives_the_same_rows", "domain", **ON_SETS)
class SortedByLength(Sets):
    """Sorts the items of a batch by their length"""

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        return super().collate(sorted(samples, key=len))


@breaks("selecting_items_gives_the_same_rows", "domain", **ON_SETS)
class CountsReversed(Sets):
    """Counts the elements of the items in reverse order"""

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        made = super().collate(samples)
        return replace(made, counts={a: c.flip(0) for a, c in made.counts.items()})


@breaks("selecting_items_gives_the_same_rows", "domain", **ON_SETS)
class NumberedThroughBatch(Sets):
    """Numbers the links of a batch without the offset of each item"""

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        made = super().collate(samples)
        counts = made.counts["element"]
        starts = torch.repeat_interleave(counts.cumsum(0) - counts, counts)
        link = made.arguments["link"] - starts
        return replace(made, arguments={**made.arguments, "link": link})


# --- Padding --------------------------------------------------------------------------------------


def masked(domain: Words, samples: Sequence[Tensor], mask: Any) -> Batch:
    """A batch whose mask is made of the right one."""
    made = super(Words, domain).collate(samples)
    right = made.arguments["mask"]
    return replace(made, arguments={**made.arguments, "mask": mask(right)})


@breaks("masks_mark_real_positions", "domain", **ON_SERIES)
class Unmasked(Words):
    """Pads items without naming their mask"""

    @property
    def layout(self) -> Layout:
        """The layout, in which no field names a mask."""
        own = super().layout
        return replace(own, fields={**own.fields, "x": replace(own.fields["x"], mask=None)})


@breaks("masks_mark_real_positions", "domain", **ON_SERIES)
class UnmaskedInside(Words):
    """Pads variables inside the model without naming their mask"""

    @property
    def layout(self) -> Layout:
        """The layout, with axes of variables inside the model."""
        return replace(super().layout, inner=("item", "position", "channel"))


@breaks("masks_mark_real_positions", "domain", **ON_SERIES)
class MaskAllTrue(Words):
    """Marks all positions as real"""

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        return masked(self, samples, torch.ones_like)


@breaks("masks_mark_real_positions", "domain", **ON_SERIES)
class MaskInverted(Words):
    """Marks padding in place of real positions"""

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        return masked(self, samples, torch.logical_not)


@breaks("masks_are_boolean", "domain", **ON_SERIES)
class MaskOfFloats(Words):
    """Makes its mask of floating-point numbers"""

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        return masked(self, samples, lambda mask: mask.double())


@breaks("masks_are_boolean", "domain", **ON_SERIES)
class MaskOfIntegers(Words):
    """Makes its mask of integers"""

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        return masked(self, samples, lambda mask: mask.long())


@breaks("padding_holds_one_value", "domain", **ON_SERIES)
class MaskShorter(Words):
    """Leaves the last real position out of the mask"""

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        def shorter(mask: Tensor) -> Tensor:
            last = mask.sum(1, keepdim=True) - 1
            return mask & (torch.arange(mask.shape[1]) < last.clamp(min=1))

        return masked(self, samples, shorter)


@breaks("padding_holds_one_value", "domain", **ON_SERIES)
class MaskOfFirst(Words):
    """Marks the first position of each item only"""

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        return masked(self, samples, lambda mask: (torch.arange(mask.shape[1]) == 0) & mask)


@breaks("masks_mark_real_positions", "domain", **ON_SERIES)
class MaskOfFirstItem(Words):
    """Gives all items of a batch the mask of the first"""

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        return masked(self, samples, lambda mask: mask[:1].expand_as(mask).clone())


@breaks("padding_holds_one_value", "domain", **ON_SERIES)
class PaddedByRepeating(Words):
    """Fills padding with the last value of the item"""

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        made = super().collate(samples)
        x, mask = made.arguments["x"], made.arguments["mask"]
        ends = torch.stack([sample[-1] for sample in samples])[:, None].expand_as(x)
        return replace(made, arguments={"x": torch.where(mask[..., None], x, ends), "mask": mask})


@breaks("padding_holds_one_value", "domain", **ON_SERIES)
class PaddedByNumbering(Words):
    """Fills padding with a running number"""

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        made = super().collate(samples)
        x, mask = made.arguments["x"], made.arguments["mask"]
        numbers = torch.arange(x.numel(), dtype=x.dtype).reshape(x.shape)
        return replace(
            made, arguments={"x": torch.where(mask[..., None], x, numbers), "mask": mask}
        )
