"""What is looked for in pictures: that they are well-formed, not empty, and run no code."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any
from xml.etree import ElementTree

from salience.results.explanation import Explanation
from salience.testing.comparing import expect
from salience.visualize.visualizer import Visualizer

#: An id that is code in SVG and HTML, and no formula of matplotlib.
HOSTILE = "<script>alert('&\"')</script> $\\nothing{_^$"

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SHAPES = ("path", "text", "image", "use", "rect", "circle", "line", "polyline", "polygon")


def item_of(visualizer: Visualizer, explanation: Explanation, item: int) -> Any:
    """The figure of an item.

    Raises:
        AssertionError: The visualizer refuses the explanation.
    """
    reason = visualizer.refusal(explanation)
    expect(not reason, f"it refuses the explanation of the data that was given: {reason}")
    return visualizer.item(explanation, item)


def written(figure: Any, suffix: str) -> bytes:
    """A figure as bytes, in a format such as ``"png"``."""
    stream = BytesIO()
    figure.savefig(stream, format=suffix)
    return stream.getvalue()


def formats_of(visualizer: Visualizer) -> list[str]:
    """Which of PNG and SVG a visualizer writes."""
    return [
        suffix
        for suffix in ("png", "svg")
        if not visualizer.formats or suffix in visualizer.formats
    ]


def expect_drawn(figure: Any, visualizer: Visualizer, what: str) -> None:
    """Raise AssertionError where a picture is empty, or is not of the format that was asked for."""
    for suffix in formats_of(visualizer):
        picture = written(figure, suffix)
        problem = _png_problem(picture) if suffix == "png" else _svg_problem(picture)
        expect(not problem, f"the {suffix.upper()} of {what} {problem}")


def expect_escaped(figure: Any, visualizer: Visualizer, what: str) -> None:
    """Raise AssertionError where text of the user's is code in an SVG picture."""
    if "svg" not in formats_of(visualizer):
        return
    picture = written(figure, "svg")
    problem = _svg_problem(picture)
    expect(not problem, f"the SVG of {what} {problem}")
    tags = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(picture).iter()}
    expect("script" not in tags, f"the SVG of {what} holds text of the user's as code; escape it")


def _png_problem(picture: bytes) -> str:
    """What is wrong with a PNG file, in words; empty where nothing is."""
    if not picture.startswith(_SIGNATURE):
        return "is no PNG file"
    at, packed = len(_SIGNATURE), b""
    while at + 8 <= len(picture):
        length, kind = struct.unpack(">I4s", picture[at : at + 8])
        packed += picture[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        at += 12 + length
    colours = len(set(zlib.decompress(packed)))
    return "" if colours > 8 else "is empty: one colour fills it"


def _svg_problem(picture: bytes) -> str:
    """What is wrong with an SVG file, in words; empty where nothing is."""
    try:
        root = ElementTree.fromstring(picture)
    except ElementTree.ParseError as error:
        return f"is not well-formed ({error}); escape text of the user's"
    if not root.tag.endswith("svg"):
        return f"begins with <{root.tag}>"
    shapes = sum(element.tag.rpartition("}")[2] in _SHAPES for element in root.iter())
    return "" if shapes > 2 else f"is empty: it holds {shapes} shapes"
