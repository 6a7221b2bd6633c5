"""The shapes of a picture: each one draws itself as SVG text and into a pixel image.

All positions and sizes are in SVG units (1/96 inch); ``scale`` is the number of pixels per unit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from math import ceil, floor
from pathlib import Path
from typing import Protocol
from zlib import crc32

from PIL import Image, ImageDraw, ImageFont
from rdkit.Chem.Draw import rdMolDraw2D

from salience import colors
from salience_molgraph.pictures.palette import Color, to_hex

#: FreeSans comes with RDKit and, unlike RDKit's built-in font, has minus signs, Greek and accents.
FONT = Path(rdMolDraw2D.__file__).with_name("FreeSans.ttf")
_FAMILY = "FreeSans, Helvetica, Arial, sans-serif"
_SMOOTH = 3
#: No text of a picture is measured beyond so many characters.
_LONGEST = 2000
_EDGE = colors.LINE
#: Draws with a pen: fine pixels a unit, and the left and the upper edge in SVG units.
Smooth = Callable[[ImageDraw.ImageDraw, float, float, float], None]


class Shape(Protocol):
    """A shape of a picture."""

    def svg(self) -> str:
        """Return the shape as SVG elements."""

    def paint(self, image: Image.Image, scale: float) -> None:
        """Draw the shape into an RGB image, with ``scale`` pixels per SVG unit."""


@dataclass(frozen=True)
class Text:
    """One line of text: baseline at ``y``, and start, middle or end (``anchor``) at ``x``."""

    x: float
    y: float
    text: str
    size: float = 13.0
    anchor: str = "middle"
    color: str = colors.INK
    kind: str = "legend"

    def svg(self) -> str:
        """Return a ``text`` element, which can be searched and read aloud."""
        return (
            f'<text class="{self.kind}" x="{self.x:.1f}" y="{self.y:.1f}" fill="{self.color}" '
            f'font-family="{_FAMILY}" font-size="{self.size:g}px" '
            f'text-anchor="{self.anchor}">{xml_text(self.text)}</text>\n'
        )

    def paint(self, image: Image.Image, scale: float) -> None:
        """Draw the text in the first font that the SVG names, FreeSans, where it is installed."""
        anchor = {"start": "ls", "middle": "ms", "end": "rs"}[self.anchor]
        ImageDraw.Draw(image).text(
            (self.x * scale, self.y * scale),
            printable(self.text),
            fill=self.color,
            font=_font(self.size * scale),
            anchor=anchor,
        )


@dataclass(frozen=True)
class Rule:
    """A straight line."""

    x1: float
    y1: float
    x2: float
    y2: float
    color: str = "#cccccc"
    width: float = 1.0
    kind: str = "rule"

    def svg(self) -> str:
        """Return a ``line`` element."""
        return (
            f'<line class="{self.kind}" x1="{self.x1:.1f}" y1="{self.y1:.1f}" x2="{self.x2:.1f}" '
            f'y2="{self.y2:.1f}" stroke="{self.color}" stroke-width="{self.width:g}"/>\n'
        )

    def paint(self, image: Image.Image, scale: float) -> None:
        """Draw the line."""
        ends = [value * scale for value in (self.x1, self.y1, self.x2, self.y2)]
        ImageDraw.Draw(image).line(ends, fill=self.color, width=max(1, round(self.width * scale)))


@dataclass(frozen=True)
class Gradient:
    """A box filled with a linear gradient through ``colors``, from left to right."""

    x: float
    y: float
    width: float
    height: float
    colors: tuple[Color, ...]
    edge: str = _EDGE

    def svg(self) -> str:
        """Return a ``rect`` filled with a ``linearGradient``."""
        last = len(self.colors) - 1
        stops = "".join(
            f'<stop offset="{i / last:.4f}" stop-color="{to_hex(color)}"/>'
            for i, color in enumerate(self.colors)
        )
        name = f"colors-{crc32(stops.encode()):08x}"  # ids must not clash on a page
        return (
            f'<defs><linearGradient id="{name}">{stops}</linearGradient></defs>\n'
            f'<rect class="color-bar" x="{self.x:.1f}" y="{self.y:.1f}" width="{self.width:.1f}" '
            f'height="{self.height:.1f}" fill="url(#{name})" stroke="{self.edge}" '
            f'stroke-width="0.6"/>\n'
        )

    def paint(self, image: Image.Image, scale: float) -> None:
        """Draw the gradient as a strip of one pixel per colour, stretched to the box."""
        strip = Image.new("RGB", (len(self.colors), 1))
        strip.putdata([_bytes(color) for color in self.colors])
        left, top = round(self.x * scale), round(self.y * scale)
        size = (round(self.width * scale), round(self.height * scale))
        image.paste(strip.resize(size, Image.Resampling.BILINEAR), (left, top))
        box = (left, top, left + size[0], top + size[1])
        ImageDraw.Draw(image).rectangle(box, outline=self.edge)


@dataclass(frozen=True)
class Dot:
    """A small circle, filled with its colour or, where it is hollow, with white."""

    x: float
    y: float
    radius: float
    color: str
    hollow: bool = False
    kind: str = "dot"

    def svg(self) -> str:
        """Return a ``circle`` element; a hollow one has the further class ``hollow``."""
        kind, fill = (
            (f"{self.kind} hollow", colors.GROUND) if self.hollow else (self.kind, self.color)
        )
        return (
            f'<circle class="{kind}" cx="{self.x:.1f}" cy="{self.y:.1f}" '
            f'r="{self.radius - 0.8:g}" fill="{fill}" stroke="{self.color}" stroke-width="1.6"/>\n'
        )

    def paint(self, image: Image.Image, scale: float) -> None:
        """Draw the circle with smooth edges."""
        box = (
            self.x - self.radius,
            self.y - self.radius,
            self.x + self.radius,
            self.y + self.radius,
        )

        def draw(pen: ImageDraw.ImageDraw, fine: float, left: float, top: float) -> None:
            place = [fine * (v - shift) for v, shift in zip(box, (left, top) * 2, strict=True)]
            fill = colors.GROUND if self.hollow else self.color
            pen.ellipse(place, fill=fill, outline=self.color, width=round(1.6 * fine))

        smoothly(image, box, scale, draw)


def smoothly(
    image: Image.Image, box: tuple[float, float, float, float], scale: float, draw: Smooth
) -> None:
    """Draw into a part of an image, with smooth edges.

    Args:
        image: The image.
        box: Left, upper, right and lower edge of what is drawn, in SVG units.
        scale: Pixels a unit.
        draw: Draws with a pen at so many fine pixels a unit, from a left and an upper edge.
    """
    left, top = floor(box[0] * scale) - 1, floor(box[1] * scale) - 1
    part = image.crop((left, top, ceil(box[2] * scale) + 1, ceil(box[3] * scale) + 1))
    fine = part.resize((part.width * _SMOOTH, part.height * _SMOOTH), Image.Resampling.NEAREST)
    draw(ImageDraw.Draw(fine), scale * _SMOOTH, left / scale, top / scale)
    image.paste(fine.reduce(_SMOOTH), (left, top))


def wrapped(text: str, size: float, width: float) -> list[str]:
    """The lines of a text at a font size, each as wide as there is room; long words are cut."""
    lines: list[str] = []
    for word in printable(text[:_LONGEST]).split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size) <= width:
            lines[-1] = longer
        else:
            lines.append(shorten(word, size, width))
    return lines


@lru_cache(maxsize=4096)
def text_width(text: str, size: float) -> float:
    """Width of a text at a font size, in the units of ``size``."""
    return float(_font(size).getlength(printable(text)))


def shorten(text: str, size: float, width: float) -> str:
    """Cut a text, with an ellipsis, where it is wider than ``width`` at a font size."""
    text = printable(text[:_LONGEST])
    if text_width(text, size) <= width:
        return text
    font = _font(size)
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


def xml_text(text: str) -> str:
    """Escape a text for an SVG element or attribute."""
    return escape(printable(text))


def printable(text: str) -> str:
    """Replace unprintable characters, which fonts do not show and XML may forbid, by blanks."""
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


def _bytes(color: Color) -> tuple[int, ...]:
    return tuple(min(max(round(255 * c), 0), 255) for c in color)


@lru_cache(maxsize=32)
def _font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    if FONT.exists():
        return ImageFont.truetype(str(FONT), size)
    return ImageFont.load_default(size)
