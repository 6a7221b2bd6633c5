"""Figures and results that notebooks show without any setting."""

from __future__ import annotations

import html
from base64 import b64encode
from collections.abc import Callable, Sequence
from functools import partial, wraps
from io import BytesIO
from typing import Any

from salience.colors import MUTED
from salience.errors import InputError, brief

# Not ``_repr_html_``, which figures of matplotlib have, but mostly returns nothing.
_SHOWN_BY = ("_repr_png_", "_repr_svg_", "_repr_jpeg_", "_repr_mimebundle_")
# Pixels of the widest picture in a notebook, of a small one, and bytes of a page's pictures.
_WIDEST, _SMALL, _ROOM = 1600, 900, 70_000
# Height of the tallest picture of several items in a notebook, for a width of 1.
_TALLEST = 1.75


def showing(render: Callable[..., Any]) -> Callable[..., Any]:
    """A method of a visualizer whose figures show themselves in notebooks."""

    @wraps(render)
    def call(self: Any, *arguments: Any, **options: Any) -> Any:
        figure = render(self, *arguments, **options)
        # What the user handed in stays as it is; pyplot may show it already.
        return figure if figure is self.given_figure else shown(figure)

    return call


def shown(figure: Any) -> Any:
    """The figure, which a notebook shows as PNG where it has no display of its own.

    A bare figure of matplotlib has none: only pyplot and notebook magic give it one.
    """
    if not hasattr(figure, "savefig") or any(hasattr(figure, name) for name in _SHOWN_BY):
        return figure
    try:
        figure._repr_png_ = partial(png_of, figure)
    except AttributeError:  # a class of another author may take no attributes
        return figure
    return figure


def png_of(figure: Any, width: int = _WIDEST, format: str = "png") -> bytes:
    """A figure as PNG of at most so many pixels in width.

    Args:
        figure: A figure with a method ``savefig``.
        width: Largest width in pixels; it lowers the resolution of figures of matplotlib.
        format: Another format that the figure can be written in.
    """
    stream, options = BytesIO(), ground_of(figure)
    if hasattr(figure, "get_size_inches") and hasattr(figure, "dpi"):
        options["dpi"] = min(float(figure.dpi), width / float(figure.get_size_inches()[0]))
    figure.savefig(stream, format=format, **options)
    return stream.getvalue()


def ground_of(figure: Any) -> dict[str, Any]:
    """What ``savefig`` is to be given, so that a figure keeps its ground in every style.

    A style of matplotlib, such as a dark one, has a ground of its own for files.
    """
    return {"facecolor": "auto"} if hasattr(figure, "get_facecolor") else {}


def pictures(choices: Sequence[tuple[str, Callable[[], Any]]]) -> str:
    """HTML of the first picture with room on a page; a sentence where there is none.

    Args:
        choices: What each picture shows, for readers who do not see it, and what draws its figure.
    """
    sentence = "The picture is too large for a page; see visualize(0)."
    for number, (words, render) in enumerate(choices, 1):
        try:
            figure = render()
            fits = number == len(choices) or _height(figure) <= _TALLEST
            kind, data = _small(figure) if fits else ("", b"")
        except InputError as error:
            sentence = brief(error, 300)
        except Exception as error:  # a visualizer that fails does not hide the numbers
            sentence = f"The picture cannot be drawn ({brief(error, 200)})."
        else:
            if data:
                return (
                    f'<img alt="{html.escape(words, quote=True)}" style="max-width:100%" '
                    f'src="data:image/{kind};base64,{b64encode(data).decode()}">'
                )
    sentence = f"{sentence[:1].upper()}{sentence[1:].removesuffix('.')}."
    return f'<div style="color:{MUTED}">{html.escape(sentence)}</div>'


def _height(figure: Any) -> float:
    """Height of a figure for a width of 1; 0 where it is unknown."""
    if not hasattr(figure, "get_size_inches"):
        return 0.0
    width, height = figure.get_size_inches()
    return float(height) / float(width)


def _small(figure: Any) -> tuple[str, bytes]:
    """A figure in at most :data:`_ROOM` bytes, and its kind; empty where it has more."""
    for kind in ("png", "jpeg"):
        width = _SMALL
        while width >= _SMALL // 2:
            try:
                data = png_of(figure, width, kind)
            except (ValueError, TypeError):  # no JPEG of this figure
                break
            if len(data) <= _ROOM:
                return kind, data
            # The size goes about by the area; figures that do not scale have one size.
            smaller = int(width * (0.8 * _ROOM / len(data)) ** 0.5)
            width = smaller if hasattr(figure, "get_size_inches") else 0
    return "png", b""
