"""Where the parts of a picture lie: panels with captions, colour bars, the key and the notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from rdkit import Chem

from salience import colors
from salience_molgraph.pictures.cell import Part
from salience_molgraph.pictures.marks import Disc, Marks
from salience_molgraph.pictures.scale import Scale
from salience_molgraph.pictures.shapes import Shape, Text, shorten, text_width, wrapped
from salience_molgraph.pictures.strip import Strip
from salience_molgraph.pictures.structure import BOND_SCALE, Structure, extent

#: Space between parts, and around the picture, in SVG units.
PAD = 12.0
#: Widest box of a structure, by itself and in a grid, and its smallest height and width.
WIDEST, COLUMN, _SMALLEST = 860.0, 290.0, 56.0
#: A structure in a grid gets a wider box where it would be drawn at fewer units an ångström.
_READABLE = 15.0
_KEY = 22.0
_NOTE, _LINE = 11.5, 16.0
_RADIUS = 6.5


@dataclass(frozen=True)
class Panel:
    """A structure, and the strip of its values beside it or below.

    Args:
        mol: The molecule, flattened.
        marks: What is marked on it.
        box: Width and height of the structure.
        scale: SVG units an ångström.
        strip: The rows of values; ``None`` for none.
        notes: Text beside an atom.
        data: Index of the molecule, and title of the column, for the SVG.
        said: A line below, which the caption does not say for all panels of a row.
        room: Width that the structure has beside a strip, in which it is centred.
    """

    mol: Chem.Mol
    marks: Marks
    box: tuple[float, float]
    scale: float
    strip: Strip | None = None
    notes: Mapping[int, str] = field(default_factory=dict)
    data: tuple[int, str] = (0, "")
    said: str = ""
    room: float = 0.0

    @cached_property
    def size(self) -> tuple[float, float]:
        """Width and height in SVG units."""
        width, height = self.box
        if self.strip is not None:
            across, high = self.strip.size
            if self._is_stacked:
                width, height = max(width, across), height + PAD + high
            else:
                width, height = max(width, self.room) + PAD + across, max(height, high)
        return width, height + (_LINE if self.said else 0.0)

    def shapes(self, x: float, y: float, room: float) -> list[Shape]:
        """The shapes, centred in the available width, from (x, y) on."""
        width, height = self.size
        x += (room - width) / 2
        found: list[Shape] = []
        if self.said:
            height -= _LINE
            said = shorten(self.said, _NOTE, room)
            place = x + width / 2, y + height + 12
            found.append(Text(*place, said, _NOTE, color=colors.MUTED, kind="said"))
        left, top = x, y + (height - self.box[1]) / 2
        if self.strip is not None:
            across, high = self.strip.size
            if self._is_stacked:
                left, top = x + (width - self.box[0]) / 2, y
                found += self.strip.shapes(x + (width - across) / 2, y + self.box[1] + PAD)
            else:
                room = max(self.box[0], self.room)
                left += (room - self.box[0]) / 2
                found += self.strip.shapes(x + room + PAD, y + (height - high) / 2)
        item, column = self.data
        return [
            Structure(
                left,
                top,
                self.box,
                self.mol,
                marks=self.marks,
                scale=self.scale,
                item=item,
                column=column,
                notes=self.notes,
            ),
            *found,
        ]

    @property
    def _is_stacked(self) -> bool:
        assert self.strip is not None
        return max(self.box[0], self.room) + PAD + self.strip.size[0] > WIDEST


def box_of(
    mol: Chem.Mol, size: tuple[float, float] | None, widest: float
) -> tuple[tuple[float, float], float]:
    """Width and height of a structure's box, and the SVG units an ångström in it.

    Args:
        mol: The molecule, flattened.
        size: Width and height that the user asks for; ``None`` to fit the molecule.
        widest: Width beyond which a structure is drawn smaller, as long as it can be read.
    """
    if size is not None:
        return (float(size[0]), float(size[1])), BOND_SCALE
    width, height = extent(mol)
    scale = min(BOND_SCALE, max(widest / width, _READABLE))
    scale = min(scale, WIDEST / width, 1.5 * WIDEST / height)
    return (max(width * scale, _SMALLEST), max(height * scale, _SMALLEST)), scale


def head(lines: Sequence[str], x: float, y: float, room: float) -> tuple[list[Shape], float]:
    """The shapes of a caption, from (x, y) on, and its height; both lines in one where they fit."""
    name, *rest = [line for line in lines if line] or [""]
    if not name:
        return [], 0.0
    found: list[Shape] = [Text(x, y + 15, shorten(name, 14, room), 14, "start", kind="legend")]
    said = rest[0] if rest else ""
    if not said:
        return found, 22.0
    used = text_width(name, 14) + 14
    if used + text_width(said, 12) <= room:
        return [*found, Text(x + used, y + 15, said, 12, "start", colors.MUTED, "said")], 22.0
    shown = wrapped(said, 12, room)[:3]
    for i, line in enumerate(shown):
        found.append(Text(x, y + 32 + _LINE * i, line, 12, "start", colors.MUTED, "said"))
    return found, 22.0 + _LINE * len(shown)


def foot(
    scales: Sequence[Scale], notes: Sequence[str], x: float, y: float, room: float
) -> tuple[list[Shape], float]:
    """The shapes below the panels, and their height: colour bars side by side, and the notes.

    Args:
        scales: The scales whose bars are shown.
        notes: Sentences, each on lines of its own.
        x: Left edge.
        y: Upper edge.
        room: Available width.
    """
    found: list[Shape] = []
    top = y
    if scales:
        each = room / len(scales)
        for i, scale in enumerate(scales):
            found += scale.bar(x + each * (i + 0.5), top, each - PAD)
        top += max(scale.bar_height(each - PAD) for scale in scales)
    for sentence in notes:
        for line in wrapped(sentence, _NOTE, room):
            top += _LINE
            place = x + room / 2, top
            found.append(Text(*place, line, _NOTE, color=colors.MUTED, kind="note"))
    return found, top - y + (6.0 if notes else 0.0)


def key(x: float, y: float, room: float) -> tuple[list[Shape], float]:
    """The key of filled and dashed marks, from (x, y) on, and its height."""
    words, size = ("sign certain", "sign uncertain"), 12.0
    start, gap = 2 * _RADIUS + 6, 22.0
    widths = [start + text_width(word, size) for word in words]
    # The two entries are stacked where there is no room for them side by side.
    rows = [[0, 1]] if sum(widths) + gap <= room else [[0], [1]]
    width = max(sum(widths[i] for i in row) + gap * (len(row) - 1) for row in rows)
    found: list[Shape] = []
    top = y
    for row in rows:
        left = x + (room - min(width, room)) / 2
        for i in row:
            fill = None if i else colors.MUTED
            found.append(Disc(left + _RADIUS, top + 11, _RADIUS, fill, "key"))
            word = shorten(words[i], size, room - start)
            found.append(Text(left + start, top + 15, word, size, anchor="start", kind="key"))
            left += widths[i] + gap
        top += _KEY
    return found, top - y


def numbered(mol: Chem.Mol, part: Part) -> dict[int, str]:
    """Numbers of the groups, each beside the atom in the middle of its group, or a free one near.

    Groups without atoms have no number in the structure.

    Args:
        mol: The molecule, flattened.
        part: Its groups.
    """
    found: dict[int, str] = {}
    places = mol.GetConformer().GetPositions()
    for i, atoms in enumerate(part.atoms):
        if not atoms:
            continue
        own = list(atoms)
        distances = ((places[own] - places[own].mean(0)) ** 2).sum(1)
        near = [own[at] for at in distances.argsort(kind="stable")]
        middle = next((atom for atom in near if atom not in found), near[0])
        found[middle] = f"{found[middle]},{i + 1}" if middle in found else str(i + 1)
    return found
