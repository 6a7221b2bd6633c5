"""The montage: slices of a volume, frames of a clip, or photos, side by side."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from matplotlib.axes import Axes
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from salience import Explanation, InputError, Visualizer, colors
from salience.errors import brief, nearest
from salience_vision.pictures.captions import caption, credits_of
from salience_vision.pictures.hatching import share_steps
from salience_vision.pictures.look import PLAIN, Look, draw_map, notes_of, share_label
from salience_vision.pictures.maps import Map
from salience_vision.pictures.page import Page, write_into
from salience_vision.pictures.place import Bar, Heading
from salience_vision.pictures.scale import (
    SCALES,
    SHARES,
    Pixels,
    Scale,
    looked_at,
    scale_of,
    value_words,
)
from salience_vision.pictures.volumes import Cut, Volume, read_volume, refusal_of, volume_values

_MOST_PANELS = 100


@dataclass(frozen=True)
class Block:
    """Panels that belong together, laid out in rows of their own.

    Args:
        label: Name at the left of the block, and the lines below it.
        panels: Caption and map of each panel.
    """

    label: tuple[str, tuple[str, ...]]
    panels: tuple[tuple[str, Map], ...]


@dataclass(frozen=True)
class Montage(Visualizer):
    """Slices of volumes or frames of clips side by side, for any domain.

    Draws saliency of shape (item, height, width) or with a further axis, such as (item, depth,
    height, width) or (item, time, height, width), of any domain, :class:`salience.Tensors` among
    them. A grid of photos has one panel an item, captioned by its id.

    Values are drawn in the unit in which they were computed. All panels of a picture share one
    scale, whose colours end at a percentile of the magnitudes of the item where they are largest;
    the pictures of single items share that of their explanation.

    Where there are several draws and the aggregator keeps signs, places whose sign is uncertain
    (p ≥ .05) are hatched, as in :class:`Overlay`.

    Args:
        cmap: A colour map or its name; ``None`` takes ``"inferno"`` where saliency is nowhere
            negative, and blue and vermilion, centred at 0, where it has signs.
        percentile: Percentile of the magnitudes at which colours end; 100 for the largest.
        scale: What the picture of one item shares its scale with: ``"explanation"``, all items
            (evenly spaced ones, where there are many), or ``"item"``, none.
        ncols: Number of panels in a row; chosen by their number where ``None``.
        axis: Name or position of the axis that is cut; ``None`` for the first of an item.
        slices: The largest number of slices of an item; where it has more, evenly spaced ones are
            drawn, which the picture says.
        behind: The data that was explained, drawn in grey behind the saliency, each item from its
            smallest to its largest value; photos have theirs.
        variable: Name of the target variable to draw, where several were explained.
        hatch: Whether places whose sign is uncertain are hatched, where there are several draws.
        colorbar: Whether to draw the colour bar and the notes below it.
        title: Title in place of the item's name; ``""`` for none.

    Raises:
        InputError: A setting is out of range, or items have other than two or three axes.
    """

    formats: ClassVar[Collection[str]] = tuple(FigureCanvasBase.filetypes)
    draws_into_figures: ClassVar[bool] = True

    cmap: str | Colormap | None = None
    percentile: float = 99.0
    scale: str = "explanation"
    ncols: int | None = None
    axis: str | int | None = None
    slices: int = 16
    behind: Any = field(default=None, repr=False, compare=False)
    variable: str | None = None
    hatch: bool = True
    colorbar: bool = True
    title: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cmap is not None:
            colors.colormap(self.cmap)  # raises InputError for an unknown map
        if not 0 < self.percentile <= 100:
            raise InputError(f"percentile is {self.percentile}; pass one above 0 and up to 100")
        if not isinstance(self.scale, str) or self.scale not in SCALES:
            raise InputError(f"unknown scale {brief(self.scale)}; {nearest(self.scale, SCALES)}")
        if self.ncols is not None and self.ncols < 1:
            raise InputError(f"ncols is {self.ncols}; pass 1 or more, or None")
        if not 1 <= self.slices <= _MOST_PANELS:
            raise InputError(f"slices is {self.slices}; pass 1 to {_MOST_PANELS}")
        if self.behind is not None and not hasattr(self.behind, "__len__"):
            raise InputError(f"behind is {brief(self.behind)}; pass the data that was explained")

    def refusal(self, explanation: Explanation) -> str | None:
        """Why an explanation cannot be drawn: its items have not two or three axes."""
        return refusal_of(explanation, self.variable)

    def item(self, explanation: Explanation, item: int) -> Figure:
        """Draw the slices of an item, titled by its name and the model's output."""
        name, predicted = caption(explanation, item)
        title = name if self.title is None else self.title
        found = self._read(explanation, item)
        values = [found.values]
        if self.scale == "explanation" and len(explanation) > 1:
            size = found.values.size
            shown = looked_at(explanation, size)
            values = [volume_values(explanation, one, self.variable) for one in shown]
        heading = Heading(
            title, ", ".join(predicted) if title else "", credits_of(explanation, [item])
        )
        return self._page([_block(found)], self._scale(values, found.maps), heading, [explanation])

    def mean(self, explanation: Explanation) -> Figure:
        """Draw the slices of the mean over all items.

        Raises:
            NoMeanError: Items differ in size.
        """
        title = f"mean over {len(explanation)} items" if self.title is None else self.title
        found = self._read(explanation, None)
        scale = self._scale([found.values], found.maps)
        return self._page([_block(found)], scale, Heading(title), [explanation])

    def grid(self, explanations: Mapping[str, Explanation], items: Sequence[int]) -> Figure:
        """Draw items as panels, or the slices of each item in rows of its own.

        Items with two axes are the panels of a block for each explanation. Of volumes and clips,
        each item of each explanation has a block.

        Raises:
            InputError: The montage would have more than 100 panels, or panels of different shapes.
        """
        first = next(iter(explanations.values()))
        captions = [caption(first, item) for item in items]
        read = {
            title: [self._read(one, item) for item in items] for title, one in explanations.items()
        }
        if all(len(v.maps) == 1 and not v.captions[0] for each in read.values() for v in each):
            blocks = [
                Block(
                    (title, ()),
                    tuple((c[0], v.maps[0]) for c, v in zip(captions, each, strict=True)),
                )
                for title, each in read.items()
            ]
        else:
            blocks = [
                _block(each[row], (name, (title, *words)))
                for row, (name, words) in enumerate(captions)
                for title, each in read.items()
            ]
        volumes = [volume for each in read.values() for volume in each]
        maps = [drawn for volume in volumes for drawn in volume.maps]
        scale = self._scale([volume.values for volume in volumes], maps)
        heading = Heading(self.title or "", credit=credits_of(first, items))
        return self._page(blocks, scale, heading, list(explanations.values()))

    def _read(self, explanation: Explanation, item: int | None) -> Volume:
        return read_volume(
            explanation,
            item,
            self.variable,
            Cut(self.axis, self.slices),
            hatches=self.hatch,
            behind=self.behind,
        )

    def _scale(self, values: Sequence[Pixels], maps: Sequence[Map]) -> Scale:
        """The scale of maps that are cut from these values."""
        if all(drawn.is_share for drawn in maps):
            return SHARES
        signed = any(drawn.signed for drawn in maps)
        return scale_of(values, "identity", self.percentile, signed=signed)

    def _page(
        self,
        blocks: Sequence[Block],
        scale: Scale,
        heading: Heading,
        explanations: Sequence[Explanation],
    ) -> Figure:
        maps = [drawn for block in blocks for _, drawn in block.panels]
        _check_panels(maps)
        look, one_item = self._look(scale), len(blocks) == 1 and not blocks[0].label[0]
        longest = max(len(block.panels) for block in blocks)
        columns = min(self.ncols or _columns(longest), longest)
        labels: list[tuple[str, tuple[str, ...]]] = []
        rows: list[tuple[tuple[str, Map], ...]] = []
        for block in blocks:
            for start in range(0, len(block.panels), columns):
                rows.append(block.panels[start : start + columns])
                labels.append(("", ()) if start else block.label)
        page = Page(
            len(rows),
            ratio=maps[0].ratio,
            columns=columns,
            labels=tuple(labels) if any(name for name, _ in labels) else (),
            heading=heading,
            bar=self._bar(explanations, maps, scale, one_item=one_item),
            figure=self.given_figure,
        )
        for axes, panels in zip(page.axes, rows, strict=True):
            for cell, (words, drawn) in zip(axes, panels, strict=False):
                draw_map(cell, drawn, look, scale)
                _frame(cell)
                write_into(cell, words, page.cell_width)
        return page.figure

    def _look(self, scale: Scale) -> Look:
        cmap = colors.colormap(self.cmap or (colors.SIGNED if scale.signed else PLAIN))
        limit = scale.limit or 1.0
        norm = Normalize(-limit if scale.signed else 0.0, limit)
        return Look(cmap, norm, "fade", "light" if scale.signed else "dark")

    def _bar(
        self,
        explanations: Sequence[Explanation],
        maps: Sequence[Map],
        scale: Scale,
        *,
        one_item: bool,
    ) -> Bar | None:
        if not self.colorbar:
            return None
        notes = notes_of(maps[:1] if one_item else maps)
        if scale is not SHARES:
            look = self._look(scale)
            words = value_words(explanations, in_units=True)
            return Bar(ScalarMappable(look.norm, look.cmap), words, scale.ends, notes=notes)
        words = share_label(maps)
        if maps[0].photo is not None:
            cmap, steps = share_steps()
            return Bar(ScalarMappable(steps, cmap), words, notes=notes)
        look = self._look(scale)
        return Bar(ScalarMappable(look.norm, look.cmap), words, notes=notes)


def _block(found: Volume, label: tuple[str, tuple[str, ...]] = ("", ())) -> Block:
    return Block(label, tuple(zip(found.captions, found.maps, strict=True)))


def _check_panels(maps: Sequence[Map]) -> None:
    """Raise InputError where panels are too many, or differ in shape or in what they show."""
    if len(maps) > _MOST_PANELS:
        raise InputError(
            f"a montage of {len(maps)} panels is not readable; draw at most {_MOST_PANELS}: choose "
            f"items, or fewer slices"
        )
    if len({drawn.is_share for drawn in maps}) > 1:
        raise InputError(
            "panels of a montage share one scale, but some are shares of draws and others are not; "
            "draw explanations of one aggregator together"
        )
    shapes = {drawn.values.shape for drawn in maps}
    if len(shapes) > 1:
        one, other = sorted(shapes)[:2]
        raise InputError(
            f"panels of a montage have one shape, but there are {one} and {other}; draw items of "
            f"one shape together"
        )


def _columns(panels: int) -> int:
    """Number of panels in a row, for so many."""
    return panels if panels <= 4 else min(math.ceil(math.sqrt(panels)), 8)


def _frame(axes: Axes) -> None:
    """Outline a panel, which may be blank where saliency is 0."""
    place = axes.transAxes
    axes.add_patch(Rectangle((0, 0), 1, 1, transform=place, fill=False, ec=colors.LINE, lw=0.5))
