"""A picture of several molecules: blocks of one molecule by several explanations, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from salience import colors
from salience_molgraph.pictures.page import PAD, Panel, foot, head
from salience_molgraph.pictures.scale import Scale
from salience_molgraph.pictures.shapes import Rule, Shape, Text, shorten, text_width

_TITLE, _TITLE_ROW = 15.0, 28.0
_NARROW = 120.0


@dataclass(frozen=True)
class Block:
    """One molecule by several explanations, with its caption.

    Args:
        caption: Lines of the caption.
        panels: A panel for each explanation.
        bars: Colour bars below it: one for each panel, one for all, or none.
    """

    caption: Sequence[str]
    panels: Sequence[Panel]
    bars: Sequence[Scale] = ()

    def head_height(self, room: float) -> float:
        """Height of the caption."""
        return head(self.caption, 0.0, 0.0, room)[1]

    @cached_property
    def panel_height(self) -> float:
        """Height of the panels."""
        return max(panel.size[1] for panel in self.panels)

    def bar_height(self, widths: Sequence[float], room: float) -> float:
        """Height of the bars below.

        Args:
            widths: Widths of the columns.
            room: Width of the block.
        """
        if not self.bars:
            return 0.0
        rooms = widths if len(self.bars) == len(widths) else [room]
        pairs = zip(self.bars, rooms, strict=True)
        return max(scale.bar_height(width) for scale, width in pairs)


@dataclass(frozen=True)
class Sheet:
    """The blocks of a grid, in rows of so many.

    Args:
        titles: Title of each explanation.
        blocks: The blocks, in their order.
        ncols: Number of blocks beside each other.
    """

    titles: Sequence[str]
    blocks: Sequence[Block]
    ncols: int

    @cached_property
    def widths(self) -> list[float]:
        """Width of each column of a block, that of its widest panel."""
        found = []
        for i, title in enumerate(self.titles):
            panels = max(block.panels[i].size[0] for block in self.blocks)
            found.append(max(panels, _NARROW, min(text_width(title, _TITLE) + 8, 260.0)))
        return found

    @cached_property
    def block_width(self) -> float:
        """Width of a block."""
        return sum(self.widths) + PAD * (len(self.titles) - 1)

    def fitting(self, width: float) -> int:
        """How many blocks fit beside each other into a width, 1 to 4."""
        return min(max(int((width - 2 * PAD) // (self.block_width + 2 * PAD)), 1), 4)

    @property
    def width(self) -> float:
        """Width of the picture."""
        return self.ncols * self.block_width + (self.ncols - 1) * 2 * PAD + 2 * PAD

    def shapes(self) -> tuple[list[Shape], float]:
        """The shapes of titles and blocks, and their height."""
        found = self._titles()
        top = PAD + (_TITLE_ROW if any(self.titles) else 0.0)
        for start in range(0, len(self.blocks), self.ncols):
            row = self.blocks[start : start + self.ncols]
            found.append(Rule(PAD, top, self.width - PAD, top, "#d0d4d9"))
            captions = max(block.head_height(self.block_width) for block in row)
            body = max(block.panel_height for block in row)
            below = max(block.bar_height(self.widths, self.block_width) for block in row)
            for i, block in enumerate(row):
                left = PAD + i * (self.block_width + 2 * PAD)
                found += head(block.caption, left, top + 4, self.block_width)[0]
                found += self._body(block, left, top + 6 + captions, body)
            top += captions + body + below + 16
        return found, top

    def _titles(self) -> list[Shape]:
        found: list[Shape] = []
        n_blocks = self.ncols if len(self.titles) > 1 else 1
        for i in range(n_blocks):
            left = PAD + i * (self.block_width + 2 * PAD)
            for width, title in zip(self.widths, self.titles, strict=True):
                place = (left + width / 2, PAD + 17)
                if len(self.titles) == 1:  # of all the molecules below
                    place, width = (self.width / 2, PAD + 17), self.width - 2 * PAD
                shown = shorten(title, _TITLE, width)
                found.append(Text(*place, shown, _TITLE, color=colors.INK, kind="title"))
                left += width + PAD
        return found

    def _body(self, block: Block, left: float, top: float, height: float) -> list[Shape]:
        """The panels of a block, centred in its row, and the colour bars below."""
        found: list[Shape] = []
        each = len(block.bars) == len(block.panels)
        if block.bars and not each:
            found += block.bars[0].bar(left + self.block_width / 2, top + height, self.block_width)
        for i, (panel, width) in enumerate(zip(block.panels, self.widths, strict=True)):
            found += panel.shapes(left, top + (height - panel.size[1]) / 2, width)
            if block.bars and each:
                found += block.bars[i].bar(left + width / 2, top + height, width)
            left += width + PAD
        return found


def by_column(scales: Mapping[str, Scale], sheet: Sheet, top: float) -> tuple[list[Shape], float]:
    """The colour bars of columns that have scales of their own, below them, and their height."""
    if sheet.ncols > 1:
        return foot(list(scales.values()), (), PAD, top, sheet.width - 2 * PAD)
    found: list[Shape] = []
    left, high = PAD, 0.0
    for width, scale in zip(sheet.widths, scales.values(), strict=True):
        found += scale.bar(left + width / 2, top, width)
        high = max(high, scale.bar_height(width))
        left += width + PAD
    return found, high
