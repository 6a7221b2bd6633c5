"""Axes and figures of the user's, into which pictures are drawn."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from salience.colors import INK, contrast
from salience.errors import InputError, brief
from salience.plugins import host
from salience.visualize.visualizer import Visualizer


@contextmanager
def filling(renderer: Visualizer, figure: Any) -> Iterator[Visualizer]:
    """The visualizer, drawing into a figure of the user's, which is left empty where it fails.

    Core does not import matplotlib; whoever has a figure has imported it.
    """
    if figure is None:
        yield renderer
        return
    matplotlib = sys.modules.get("matplotlib.figure")
    if matplotlib is None or not isinstance(figure, matplotlib.FigureBase):
        raise InputError(
            f"figure={brief(figure, 60)} is no figure of matplotlib; pass one, as in figure = "
            f"pyplot.figure(), or one of its subfigures"
        )
    if not renderer.draws_into_figures:
        raise InputError(
            f"{type(renderer).__name__} makes figures of its own; leave figure out and use the "
            f"one that is returned"
        )
    if figure.axes or figure.subfigs:
        raise InputError(
            "the figure holds axes already, which would be drawn over; pass an empty figure or "
            "subfigure, or axes by ax="
        )
    _check_ground(figure)
    try:
        yield renderer.into(figure)
    except BaseException:
        figure.clear()
        raise


def check_axes(ax: Any, renderer: Visualizer) -> None:
    """Raise InputError where ``ax`` is not axes of matplotlib, or the visualizer draws into none.

    Core does not import matplotlib; whoever has axes has imported it.
    """
    matplotlib = sys.modules.get("matplotlib.axes")
    if matplotlib is None or not isinstance(ax, matplotlib.Axes):
        raise InputError(
            f"ax={brief(ax, 60)} is not axes of matplotlib; pass one, as in figure, ax = "
            f"pyplot.subplots()"
        )
    if not renderer.draws_into_axes and renderer.draws_into_figures:
        raise InputError(
            f"{type(renderer).__name__} draws several panels, which one ax does not hold; pass an "
            f"empty figure or subfigure by figure="
        )
    if not renderer.draws_into_axes:
        known = ", ".join(_into_axes())
        raise InputError(
            f"{type(renderer).__name__} draws figures of its own, not into ax=; leave ax out and "
            f"use the figure that is returned, or pass visualizer=... of those that do: {known}"
        )
    if ax.name != "rectilinear":
        raise InputError(
            f"ax has the projection {ax.name!r}, but pictures are drawn in plain axes of x and y; "
            f"pass axes without a projection, as in figure, ax = pyplot.subplots()"
        )
    _check_ground(ax.figure)


def _check_ground(figure: Any) -> None:
    """Raise InputError where texts, which are dark, cannot be read on a figure of the user's.

    A ground that is partly transparent may stand on anything, and passes.
    """
    from matplotlib.colors import to_hex, to_rgba  # the figure is of matplotlib

    ground = figure.get_facecolor()
    if to_rgba(ground)[3] < 1 or contrast(INK, to_hex(ground)) >= 4.5:
        return
    raise InputError(
        f"the figure has the ground {to_hex(ground)}, on which the dark texts of pictures cannot "
        f"be read; pass a light one, as in pyplot.subplots(facecolor='white')"
    )


def _into_axes() -> list[str]:
    """Names of the visualizers that draw into axes."""
    found = []
    for name in host().names("visualizers"):
        try:
            cls: Any = host().get("visualizers", name)
        except InputError:  # a plugin that is broken is told of elsewhere
            continue
        found += [name] if getattr(cls, "draws_into_axes", False) else []
    return found
