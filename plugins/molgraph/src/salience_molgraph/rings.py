"""The rings that mark atoms as not significant, in place of filled circles, and their key."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import ceil, floor

from PIL import Image, ImageDraw

from salience_molgraph.shapes import Shape, Text, shorten, text_width

#: Width of a ring's line as a share of its radius.
LINE = 0.3
_GREY = "#6E6E6E"
_SMOOTH = 4
_RADIUS = 6.5
_ROW = 20.0
_CIRCLE = re.compile(
    r"<ellipse cx='(?P<x>[^']+)' cy='(?P<y>[^']+)' rx='(?P<radius>[^']+)' ry='[^']+' "
    r"class='atom-(?P<atom>\d+)' +style='fill:(?P<color>#\w+);[^']*' */>"
)


@dataclass(frozen=True)
class Circle:
    """A circle, filled or hollow; a hollow circle has the same outer radius and is white inside."""

    x: float
    y: float
    radius: float
    color: str
    hollow: bool
    kind: str

    def svg(self) -> str:
        """Return an ``ellipse`` element, like RDKit's highlights."""
        line = LINE * self.radius if self.hollow else 0.0
        radius = f"{self.radius - line / 2:.2f}"
        kind, fill = (f"{self.kind} hollow", "#FFFFFF") if self.hollow else (self.kind, self.color)
        return (
            f"<ellipse cx='{self.x:.1f}' cy='{self.y:.1f}' rx='{radius}' ry='{radius}' "
            f"class='{kind}' style='fill:{fill};stroke:{self.color};stroke-width:{line:.2f}px' />\n"
        )

    def paint(self, image: Image.Image, scale: float) -> None:
        """Paint a disc at ``scale`` pixels a unit, and a white disc inside a hollow circle."""
        x, y, radius = self.x * scale, self.y * scale, self.radius * scale
        left, top, side = floor(x - radius) - 1, floor(y - radius) - 1, ceil(2 * radius) + 3
        for color, share in ((self.color, 1.0), ("#FFFFFF", 1 - LINE))[: 1 + self.hollow]:
            mask = discs((side, side), [(x - left, y - top)], radius * share)
            image.paste(color, (left, top), mask)


def rings(body: str, atoms: Collection[int]) -> str:
    """Replace the highlights of these atoms in RDKit's SVG by rings, of class ``atom-i hollow``.

    Raises:
        RuntimeError: The highlight of one of the atoms is not found.
    """

    def ring(match: re.Match[str]) -> str:
        atom, color = match["atom"], match["color"]
        if int(atom) not in atoms:
            return match[0]
        place = float(match["x"]), float(match["y"]), float(match["radius"])
        drawn.add(int(atom))
        return Circle(*place, color, True, f"atom-{atom}").svg().rstrip()

    drawn: set[int] = set()
    text = _CIRCLE.sub(ring, body)
    # A filled circle would claim significance of an atom that is not significant.
    if drawn != set(atoms):
        raise RuntimeError(
            "RDKit's circles were not found in its SVG, so that none can be made rings; "
            "pass level=None to fill all of them"
        )
    return text


def discs(
    size: tuple[int, int], places: Sequence[tuple[float, float]], radius: float
) -> Image.Image:
    """Draw white discs with smooth edges on black, an image of mode L.

    Args:
        size: Width and height of the image in pixels.
        places: Centre (x, y) of each disc in pixels.
        radius: Radius of the discs in pixels.
    """
    fine = Image.new("L", (size[0] * _SMOOTH, size[1] * _SMOOTH))
    draw = ImageDraw.Draw(fine)
    for x, y in places:
        draw.ellipse(
            tuple(_SMOOTH * value for value in (x - radius, y - radius, x + radius, y + radius)),
            fill=255,
        )
    return fine.reduce(_SMOOTH)


def key(
    middle: float, top: float, room: float, level: float, untested: Sequence[str]
) -> tuple[list[Shape], float]:
    """Make the key that explains filled circles and rings; lengths are in SVG units.

    Args:
        middle: Horizontal position of the key's centre.
        top: Vertical position of the key's upper edge.
        room: Available width.
        level: The false discovery rate.
        untested: Titles of the explanations whose atoms were not tested and are therefore filled.

    Returns:
        The shapes of the key, and its height.
    """
    words, size = ("significant", "not significant"), 12
    start, gap = 2 * _RADIUS + 6, 22
    widths = [start + text_width(word, size) for word in words]
    # The two entries are stacked where there is no room for them side by side.
    rows = [[0, 1]] if sum(widths) + gap <= room else [[0], [1]]
    width = max(sum(widths[i] for i in row) + gap * (len(row) - 1) for row in rows)
    shapes: list[Shape] = []
    for row in rows:
        left = middle - min(width, room) / 2
        for i in row:
            shapes.append(Circle(left + _RADIUS, top + 10, _RADIUS, _GREY, bool(i), "key"))
            word = shorten(words[i], size, room - start)
            shapes.append(Text(left + start, top + 14, word, size, anchor="start", kind="key"))
            left += widths[i] + gap
        top += _ROW
    shown = f"false discovery rate {100 * level:.3g} %"
    if untested:
        shown += f"; not tested: {', '.join(untested)}"
    shapes.append(Text(middle, top + 14, shorten(shown, size, room), size, kind="key"))
    return shapes, _ROW * (len(rows) + 1) + 4
