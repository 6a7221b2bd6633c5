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
    stream, options = BytesIO(), {}
    if hasattr(figure, "get_size_inches") and hasattr(figure, "dpi"):
        options["dpi"] = min(float(figure.dpi), width / float(figure.get_size_inches()[0]))
    figure.savefig(stream, format=format, **options)
    return stream.getvalue()


def page(head: str, entries: Sequence[tuple[str, str]], picture: str) -> str:
    """A result as HTML without script: a small table, and pictures below it.

    Args:
        head: The first line.
        entries: Name and text of each entry.
        picture: HTML of the pictures.
    """
    rows = "".join(
        f'<tr><th style="text-align:left;padding:1px 12px 1px 0;font-weight:600">'
        f"{html.escape(name)}</th>"
        f'<td style="text-align:left;padding:1px 0">{html.escape(text)}</td></tr>'
        for name, text in entries
        if text
    )
    return (
        f'<div style="font-size:13px;line-height:1.45"><div style="font-weight:600">'
        f"{html.escape(head)}</div><table>{rows}</table>{picture}</div>"
    )


def pictures(renders: Sequence[Callable[[], Any]], words: str) -> str:
    """HTML of the first picture that is small enough; a sentence where there is none.

    Args:
        renders: Each draws a figure; the first is the one that is wanted.
        words: What the picture shows, for readers who do not see it.
    """
    for render in renders:
        try:
            kind, data = _small(render())
        except InputError as error:
            return _remark(html.escape(brief(error, 300)))
        if data:
            encoded = b64encode(data).decode()
            return (
                f'<img alt="{html.escape(words, quote=True)}" style="max-width:100%" '
                f'src="data:image/{kind};base64,{encoded}">'
            )
    return _remark("The picture is too large; see visualize(0).")


def _remark(text: str) -> str:
    return f'<div style="color:{MUTED}">{text}</div>'


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
