"""Drawing of explanations: choice of the visualizer, and grids of several explanations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salience.data.domain import Domain
from salience.errors import InputError, brief, shortened
from salience.naming import listed, path_of
from salience.plugins.faults import Asked
from salience.plugins.parts import make
from salience.results.items import ItemTable
from salience.results.selection import position_of
from salience.results.summary import page_of
from salience.visualize.alternative import attach
from salience.visualize.display import pictures
from salience.visualize.given import check_axes, filling
from salience.visualize.visualizer import Visualizer, save_figure

if TYPE_CHECKING:
    from salience.results.explanation import Explanation


# Elements of the largest ragged item that a notebook shows unasked: flattening takes their cube.
_ELEMENTS = 500


def visualize(
    explanation: Explanation,
    item: int | str | None,
    visualizer: str | Visualizer | None,
    options: Mapping[str, Any],
    *,
    path: str | Path | None,
    ax: Any,
    figure: Any,
) -> Any:
    """Draw one item or the mean; see :meth:`salience.Explanation.visualize`."""
    renderer = visualizer_of(explanation, visualizer, options)
    if path is not None and (suffix := path_of(path).suffix[1:]):
        renderer.check_format(suffix)
    position = None if item is None else position_of(explanation.ids, item)
    if ax is not None:
        if figure is not None:
            raise InputError("both ax and figure are given; pass the one that is to be drawn into")
        check_axes(ax, renderer)
        _ask(renderer, "draw", explanation, ax, explanation, position)
        figure = ax.figure
    else:
        with filling(renderer, figure) as filler:
            if position is None:
                figure = _figure(filler, "mean", explanation)
            else:
                figure = _figure(filler, "item", explanation, position)
        if filler is renderer:
            attach(figure, explanation, position)
    return _written(figure, path)


def _ask(
    renderer: Visualizer,
    method: str,
    of: Explanation | Mapping[str, Explanation],
    *arguments: Any,
) -> Any:
    """What a method of a visualizer returns, after it was asked what it refuses to draw.

    Raises:
        InputError: It refuses an explanation, or raised an error.
    """
    refusal = Asked("visualizers", renderer, "refusal")
    for explanation in of.values() if isinstance(of, Mapping) else (of,):
        if reason := refusal(explanation):
            raise InputError(reason)
    return Asked("visualizers", renderer, method)(*arguments)


def _figure(
    renderer: Visualizer,
    method: str,
    of: Explanation | Mapping[str, Explanation],
    *arguments: Any,
) -> Any:
    """The figure that a method of a visualizer draws of one or several explanations.

    Raises:
        InputError: As for :func:`_ask`; or the method returned no figure.
    """
    figure = _ask(renderer, method, of, of, *arguments)
    writes = hasattr(getattr(figure, "figure", None) or figure, "savefig")
    asked = Asked("visualizers", renderer, method)
    asked.expect(writes, figure, "a figure, which has a method savefig")
    return figure


def _written(figure: Any, path: str | Path | None) -> Any:
    """The figure that is returned, after it was written: that which holds a subfigure."""
    figure = getattr(figure, "figure", None) or figure
    if path is not None:
        save_figure(figure, path)
    return figure


def grid(
    explanations: Mapping[str, Explanation],
    items: Sequence[int | str] | str | None = None,
    *,
    path: str | Path | None = None,
    visualizer: str | Visualizer | None = None,
    figure: Any = None,
    **options: Any,
) -> Any:
    """Render a figure of items (rows) × explanations (columns with their titles).

    Args:
        explanations: Title → explanation, all of the same items.
        items: Positions of the items, from 0, or their ids, where these are strings; all items
            where ``None``. ``"mean"`` draws the means over the items, side by side; the
            explanations may then be of different items.
        path: File to which the picture is also written; the suffix sets the format.
        visualizer: Name or object of a visualizer; that of the first explanation's domain where
            ``None``.
        figure: Empty figure or subfigure of matplotlib to draw into, for visualizers that can; it
            keeps its size.
        **options: Parameters of the named visualizer.

    Returns:
        The figure; that which holds a subfigure.

    Raises:
        InputError: There is nothing to draw, the explanations are of different items, an item or
            the visualizer does not exist, there are more panels than can be read, or the figure
            cannot be written in the format of the suffix.
    """
    if not isinstance(explanations, Mapping) or not explanations:
        raise InputError("a grid needs at least one explanation; pass {title: explanation, ...}")
    if isinstance(items, str) and items == "mean":
        first = next(iter(explanations.values()))
        renderer = visualizer_of(first, visualizer, options)
        _check_panels(renderer, len(explanations), "means")
        with filling(renderer, figure) as filler:
            drawn = _figure(filler, "mean_grid", explanations)
    else:
        chosen = _chosen(explanations, items)
        first = next(iter(explanations.values()))
        renderer = visualizer_of(first, visualizer, options)
        n_panels = len(chosen) * len(explanations)
        what = f"panels, {len(chosen)} items × {len(explanations)} explanations"
        _check_panels(renderer, n_panels, what)
        with filling(renderer, figure) as filler:
            drawn = _figure(filler, "grid", explanations, chosen)
    if filler is renderer:
        attach(drawn, first, None)
    return _written(drawn, path)


def _check_panels(renderer: Visualizer, n_panels: int, what: str) -> None:
    limit = renderer.max_panels
    if limit is not None and n_panels > limit:
        raise InputError(
            f"a grid of {n_panels} {what}, is more than the {limit} that can be read; choose items "
            f"by items=[...], or draw several grids"
        )


def _chosen(
    explanations: Mapping[str, Explanation], items: Sequence[int | str] | str | None
) -> list[int]:
    """Positions of the items of a grid.

    Raises:
        InputError: The explanations are of different items, or there are no such items.
    """
    if not isinstance(explanations, Mapping) or not explanations:
        raise InputError(
            f"explanations is {brief(explanations, 60)}; pass a mapping title → explanation, such "
            f"as {{'gradient': explanation}}"
        )
    for title, explanation in explanations.items():
        if not isinstance(explanation, ItemTable):
            raise InputError(
                f"{brief(title, 40)} is {brief(explanation, 60)}, which is no explanation; pass "
                f"what explain, aggregate or from_arrays returned"
            )
    sizes = {title: len(explanation) for title, explanation in explanations.items()}
    if len(set(sizes.values())) != 1:
        raise InputError(
            f"a grid needs explanations of the same items, got numbers {brief(sizes)}; choose the "
            f"same by .iloc[[...]]"
        )
    first = next(iter(explanations.values()))
    for title, explanation in explanations.items():
        _check_ids(first.ids, explanation.ids, title)
    given = range(len(first)) if items is None else listed(items, "items", "a list of positions")
    chosen = [position_of(first.ids, item) for item in given]
    if not chosen:
        raise InputError("items names no item; pass positions or ids, or leave it out for all")
    return chosen


def html_of(explanation: Explanation, head: str, entries: Sequence[tuple[str, str]]) -> str:
    """An explanation as HTML: its summary, and pictures of its first three items in one figure.

    Where that would be too large, as of tables of many features, the first item is drawn.

    Args:
        explanation: The explanation.
        head: The first line.
        entries: Name and text of each entry.
    """
    choices = []
    for number in (3, 1):  # one item alone where three take too much room
        items = range(min(number, len(explanation)))
        named = ", ".join(shortened(str(explanation.ids[item]), 40) for item in items)
        choices.append((f"Saliency of {named}", partial(_first, explanation, items)))
    return page_of(entries, head, pictures(choices))


def _first(explanation: Explanation, items: Sequence[int]) -> Any:
    """The figure of some items; that of the first where the visualizer draws no grids.

    Raises:
        InputError: The items cannot be drawn, or not in the time of a glance.
    """
    renderer = visualizer_of(explanation, None, {})
    for saliency in explanation.saliency.values():
        if saliency.counts is not None and int(saliency.counts[list(items)].max()) > _ELEMENTS:
            raise InputError(f"items of more than {_ELEMENTS} elements are drawn by visualize(0)")
    try:
        return _figure(renderer, "grid", {"saliency": explanation}, items)
    except InputError:
        return _figure(renderer, "item", explanation, 0)


def _check_ids(first: Sequence[int | str], ids: Sequence[int | str], title: str) -> None:
    """Raise InputError where items of a row of a grid have different ids.

    Items without names are called by their positions, which fit any names; positions of a selection
    are no names.
    """
    one, other, positions = list(first), list(ids), list(range(len(ids)))
    named = any(isinstance(name, str) for name in (*one, *other))
    if one == other or (named and positions in (one, other)):
        return
    at = next(i for i, pair in enumerate(zip(one, other, strict=True)) if pair[0] != pair[1])
    raise InputError(
        f"a grid needs explanations of the same items in the same order, but item {at} is "
        f"{brief(one[at], 40)} in the first and {brief(other[at], 40)} in {brief(title, 40)}; "
        f"choose the same by .loc[[...]]"
    )


def visualizer_of(
    explanation: Explanation, visualizer: str | Visualizer | None, options: Mapping[str, Any]
) -> Visualizer:
    """Make the visualizer for an explanation.

    Args:
        explanation: The explanation to draw.
        visualizer: Name or object of a visualizer; that of the explanation's domain where ``None``.
        options: Parameters of the named visualizer.

    Raises:
        InputError: There is no such visualizer or option, or the domain is not installed or has no
            visualizer of its own.
    """
    if visualizer is None:
        if not isinstance(explanation.domain, Domain):
            raise InputError(
                f"the domain {explanation.domain.get('name')!r} that made this explanation is not "
                f"installed, so nothing can draw it; install its plugin or pass a visualizer"
            )
        visualizer = getattr(explanation.domain, "visualizer", "")
        if not visualizer:
            raise InputError(
                f"the domain {type(explanation.domain).__name__} has no visualizer of its own; "
                f"pass visualizer=..., a name or an object"
            )
    made = make("visualizers", visualizer, options)
    if not isinstance(made, Visualizer):
        raise InputError(f"visualizer is {brief(made)}; pass a visualizer's name or object")
    return made
