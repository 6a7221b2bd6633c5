"""The marks of atoms and bonds: filled where their sign is certain, dashed where it is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import hypot, pi

from PIL import Image, ImageDraw

from salience import colors
from salience_molgraph.pictures.palette import Color, to_hex
from salience_molgraph.pictures.shapes import smoothly

#: Radius of an atom's disc and width of a bond's band, in ångström of the 2-D coordinates.
RADIUS, BAND = 0.4, 0.44
#: Lengths of dashes and of the gaps between them, and width of their line, in SVG units.
_DASH, _GAP, _LINE = 3.2, 2.4, 1.5
_EDGE = 0.9
#: Smallest radius of a disc, in SVG units: less is hidden by its letter.
_SMALLEST = 8.0
#: Half the usual length of a bond in ångström, beyond which discs would overlap.
_ROOM = 0.7

Point = tuple[float, float]


@dataclass(frozen=True)
class Marks:
    """What is marked on a molecule, by atom and bond index.

    Args:
        atoms: Colour of the disc of each filled atom.
        bonds: Colour of the band of each filled bond.
        uncertain_atoms: Atoms that get a dashed ring, since their sign is uncertain.
        uncertain_bonds: Bonds that get a dashed outline.
        shared_atoms: Atoms of several groups, which have no one colour and get a plain ring.
        edged: Whether discs get a thin edge, so that a small value that is certain is
            told from an atom without a mark.
    """

    atoms: Mapping[int, Color] = field(default_factory=dict)
    bonds: Mapping[int, Color] = field(default_factory=dict)
    uncertain_atoms: frozenset[int] = frozenset()
    uncertain_bonds: frozenset[int] = frozenset()
    shared_atoms: frozenset[int] = frozenset()
    edged: bool = False


@dataclass(frozen=True)
class Disc:
    """A disc in a colour, a dashed ring where ``color`` is ``None``, or a plain ring.

    Args:
        x: Centre.
        y: Centre.
        radius: Outer radius.
        color: Colour of the disc; ``None`` for a ring.
        kind: Class of the SVG element.
        dashed: Whether a ring is dashed.
        edged: Whether a disc has a thin edge.
    """

    x: float
    y: float
    radius: float
    color: str | None
    kind: str
    dashed: bool = True
    edged: bool = False

    def svg(self) -> str:
        """Return an ``ellipse`` element; rings have the further class ``hollow`` or ``shared``."""
        line = _LINE if self.color is None else _EDGE if self.edged else 0.0
        radius, edge = f"{self.radius - line / 2:.2f}", colors.LINE
        kind, fill, dashes = self.kind, self.color, ""
        if fill is None:
            fill, edge = colors.GROUND, colors.UNCERTAIN
            kind = f"{kind} hollow" if self.dashed else f"{kind} shared"
            dashes = f"stroke-dasharray:{_fitted(2 * pi * self.radius)};" if self.dashed else ""
        return (
            f"<ellipse cx='{self.x:.1f}' cy='{self.y:.1f}' rx='{radius}' ry='{radius}' "
            f"class='{kind}' style='fill:{fill};stroke:{edge};stroke-width:{line:.2f}px;{dashes}"
            f"' />\n"
        )

    def paint(self, image: Image.Image, scale: float) -> None:
        """Draw the disc into an image, where it is a shape by itself."""
        x, y, radius = self.x, self.y, self.radius

        def draw(pen: ImageDraw.ImageDraw, fine: float, left: float, top: float) -> None:
            replace(self, x=x - left, y=y - top).draw(pen, fine)

        smoothly(image, (x - radius, y - radius, x + radius, y + radius), scale, draw)

    def draw(self, image: ImageDraw.ImageDraw, scale: float) -> None:
        """Draw the disc with ``scale`` pixels a unit."""
        x, y, radius = (scale * value for value in (self.x, self.y, self.radius))
        box = (x - radius, y - radius, x + radius, y + radius)
        if self.color is not None:
            edge = colors.LINE if self.edged else None
            image.ellipse(box, fill=self.color, outline=edge, width=round(_EDGE * scale))
            return
        width = max(1, round(_LINE * scale))
        image.ellipse(box, fill=colors.GROUND)
        if not self.dashed:
            image.ellipse(box, outline=colors.UNCERTAIN, width=width)
            return
        number = _number(2 * pi * self.radius)
        for i in range(number):
            start = 360 * i / number
            part = 360 / number * _DASH / (_DASH + _GAP)
            image.arc(box, start, start + part, fill=colors.UNCERTAIN, width=width)


@dataclass(frozen=True)
class Band:
    """A band along a bond, filled with a colour, or a dashed outline where it is ``None``."""

    start: Point
    end: Point
    width: float
    color: str | None
    kind: str

    def svg(self) -> str:
        """Return a closed ``path``; outlines have the further class ``hollow``."""
        corners = " L ".join(f"{x:.1f},{y:.1f}" for x, y in self._corners())
        if self.color is not None:
            style = f"fill:{self.color};stroke:none"
            return f"<path class='{self.kind}' d='M {corners} Z' style='{style}' />\n"
        style = (
            f"fill:none;stroke:{colors.UNCERTAIN};stroke-width:{_LINE}px;"
            f"stroke-dasharray:{_DASH} {_GAP}"
        )
        return f"<path class='{self.kind} hollow' d='M {corners} Z' style='{style}' />\n"

    def draw(self, image: ImageDraw.ImageDraw, scale: float) -> None:
        """Draw the band with ``scale`` pixels a unit."""
        corners = [(x * scale, y * scale) for x, y in self._corners()]
        if self.color is not None:
            image.polygon(corners, fill=self.color)
            return
        for one, two in zip(corners, [*corners[1:], corners[0]], strict=True):
            _dashed(image, one, two, scale)

    def _corners(self) -> list[Point]:
        (x1, y1), (x2, y2) = self.start, self.end
        length = hypot(x2 - x1, y2 - y1) or 1.0
        right, down = -(y2 - y1) / length * self.width / 2, (x2 - x1) / length * self.width / 2
        ends = ((x1, y1, 1), (x2, y2, 1), (x2, y2, -1), (x1, y1, -1))
        return [(x + side * right, y + side * down) for x, y, side in ends]


def _dashed(image: ImageDraw.ImageDraw, one: Point, two: Point, scale: float) -> None:
    """Draw a dashed line; positions are in pixels."""
    length = hypot(two[0] - one[0], two[1] - one[1])
    number = _number(length / scale)
    step = _DASH / (_DASH + _GAP)
    for i in range(number):
        ends = [(at / number) for at in (i, i + step)]
        line = [tuple(a + (b - a) * at for a, b in zip(one, two, strict=True)) for at in ends]
        image.line(line, fill=colors.UNCERTAIN, width=max(1, round(_LINE * scale)))


def _number(length: float) -> int:
    """How many dashes fit a length."""
    return max(3, round(length / (_DASH + _GAP)))


def _fitted(length: float) -> str:
    """Lengths of dashes and gaps of which a whole number fits the outline."""
    step = length / _number(length)
    dash = step * _DASH / (_DASH + _GAP)
    return f"{dash:.2f} {step - dash:.2f}"


def shapes(
    marks: Marks, places: Mapping[int, Point], ends: Mapping[int, tuple[int, int]], unit: float
) -> list[Disc | Band]:
    """The marks as shapes, from back to front.

    Args:
        marks: What is marked.
        places: Position of each atom in SVG units.
        ends: The two atoms of each bond.
        unit: SVG units an ångström.
    """
    found: list[Disc | Band] = []
    for bond, (first, second) in ends.items():
        if bond in marks.bonds or bond in marks.uncertain_bonds:
            fill = to_hex(marks.bonds[bond]) if bond in marks.bonds else None
            kind = f"bond-{bond} atom-{first} atom-{second}"
            both = places[first], places[second]
            # Where atoms are marked, their discs cover the ends of a band.
            if not (marks.atoms or marks.uncertain_atoms):
                both = _shortened(*both, 0.12)
            elif fill is None:
                both = _shortened(*both, 0.3)
            found.append(Band(*both, BAND * unit, fill, kind))
    radius = max(RADIUS * unit, min(_SMALLEST, _ROOM * unit))
    for atom, (x, y) in places.items():
        kind = f"atom-{atom}"
        if atom in marks.atoms:
            found.append(Disc(x, y, radius, to_hex(marks.atoms[atom]), kind, edged=marks.edged))
        elif atom in marks.uncertain_atoms or atom in marks.shared_atoms:
            dashed = atom in marks.uncertain_atoms
            found.append(Disc(x, y, radius, None, kind, dashed=dashed))
    return found


def _shortened(start: Point, end: Point, share: float) -> tuple[Point, Point]:
    """A line whose ends are moved inwards by a share of its length."""
    (x1, y1), (x2, y2) = start, end
    right, down = share * (x2 - x1), share * (y2 - y1)
    return (x1 + right, y1 + down), (x2 - right, y2 - down)
