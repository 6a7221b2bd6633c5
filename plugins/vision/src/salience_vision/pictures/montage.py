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
from salience.errors import brief
from salience_vision.pictures.captions import caption, credits_of, shortened
from salience_vision.pictures.hatching import share_steps
from salience_vision.pictures.look import PLAIN, Look, draw_map, notes_below
from salience_vision.pictures.maps import Map
from salience_vision.pictures.page import Page
from salience_vision.pictures.volumes import Cut, Volume, read_volume

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
    scale, whose colours end at a percentile of the magnitudes of the item where they are largest.

    Where there are several draws and the aggregator keeps signs, places whose sign is uncertain
    (p ≥ .05) are hatched, as in :class:`Overlay`.

    Args:
        cmap: A colour map or its name; ``None`` takes ``"inferno"`` where saliency is nowhere
            negative, and blue and vermilion, centred at 0, where it has signs.
        percentile: Percentile of the magnitudes at which colours end; 100 for the largest.
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

    cmap: str | Colormap | None = None
    percentile: float = 99.0
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
        if self.ncols is not None and self.ncols < 1:
            raise InputError(f"ncols is {self.ncols}; pass 1 or more, or None")
        if not 1 <= self.slices <= _MOST_PANELS:
            raise InputError(f"slices is {self.slices}; pass 1 to {_MOST_PANELS}")
        if self.behind is not None and not hasattr(self.behind, "__len__"):
            raise InputError(f"behind is {brief(self.behind)}; pass the data that was explained")

    def item(self, explanation: Explanation, item: int) -> Figure:
        """Draw the slices of an item, titled by its name and the model's output."""
        name, predicted = caption(explanation, item)
        title = name if self.title is None else self.title
        found = self._read(explanation, item)
        subtitle = ", ".join(predicted) if title else ""
        return self._page([_block(found)], title, subtitle, credits_of(explanation, [item]))

    def mean(self, explanation: Explanation) -> Figure:
        """Draw the slices of the mean over all items.

        Raises:
            NoMeanError: Items differ in size.
        """
        title = f"mean over {len(explanation)} items" if self.title is None else self.title
        return self._page([_block(self._read(explanation, None))], title)

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
        return self._page(blocks, self.title or "", "", credits_of(first, items))

    def _read(self, explanation: Explanation, item: int | None) -> Volume:
        return read_volume(
            explanation,
            item,
            self.variable,
            Cut(self.axis, self.slices),
            percentile=self.percentile,
            hatches=self.hatch,
            behind=self.behind,
        )

    def _page(
        self, blocks: Sequence[Block], title: str, subtitle: str = "", credit: str = ""
    ) -> Figure:
        maps = [drawn for block in blocks for _, drawn in block.panels]
        _check_panels(maps)
        look = self._look(maps, one_item=len(blocks) == 1 and not blocks[0].label[0])
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
            title=title,
            subtitle=subtitle,
            bar=look.norm if self.colorbar else None,
            below=look.below,
            credit=credit,
        )
        for axes, panels in zip(page.axes, rows, strict=True):
            for cell, (words, drawn) in zip(axes, panels, strict=False):
                draw_map(cell, drawn, look)
                _frame(cell)
                _write(cell, words, page.cell_width)
        if self.colorbar:
            self._bar(page, look, contours=look.is_share and maps[0].photo is not None)
        return page.figure

    def _look(self, maps: Sequence[Map], *, one_item: bool) -> Look:
        signed = any(drawn.signed for drawn in maps)
        limit = max(drawn.peak for drawn in maps)
        cmap = colors.colormap(self.cmap or (colors.SIGNED if signed else PLAIN))
        clipped = any(float(abs(drawn.values).max()) > limit for drawn in maps)
        return Look(
            cmap,
            Normalize(-limit if signed else 0.0, limit),
            "fade",
            "light" if signed else "dark",
            ("neither", "max", "both")[clipped * (1 + signed)],
            notes_below(maps[:1] if one_item else maps),
            is_share=all(drawn.is_share for drawn in maps),
        )

    def _bar(self, page: Page, look: Look, *, contours: bool) -> None:
        words = "share of draws\namong the top" if look.is_share else "saliency"
        colours = ScalarMappable(look.norm, look.cmap)
        if contours:
            cmap, norm = share_steps()
            colours = ScalarMappable(norm, cmap)
        page.bar(colours, words, extend="neither" if contours else look.ends, alpha=None)


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


def _write(axes: Axes, words: str, inches: float) -> None:
    """Write a caption into the upper left corner of a panel."""
    if words:
        axes.text(
            0.02,
            0.98,
            shortened(words, max(int(inches * 13), 6)),
            transform=axes.transAxes,
            va="top",
            size=7.5,
            color=colors.INK,
            parse_math=False,
            bbox={"boxstyle": "square,pad=0.2", "fc": colors.GROUND, "ec": "none", "alpha": 0.85},
        )
