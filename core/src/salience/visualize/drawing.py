"""From explanations to pictures: which visualizer draws, and grids of several explanations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salience.data.domain import Domain
from salience.errors import InputError, brief
from salience.plugins.parts import make
from salience.visualize.visualizer import Visualizer, save_figure

if TYPE_CHECKING:
    from salience.results.explanation import Explanation


def grid(
    explanations: Mapping[str, Explanation],
    items: Sequence[int] | None = None,
    *,
    path: str | Path | None = None,
    visualizer: str | Visualizer | None = None,
    **options: Any,
) -> Any:
    """One figure of items (rows) × explanations (columns, titled by their names).

    Args:
        explanations: Title → explanation, all of the same items.
        items: Positions of the items; all where ``None``.
        path: Where to write the picture as well; the suffix names the format.
        visualizer: Name or object; the domain's own where ``None``.
        **options: Parameters of the named visualizer.

    Raises:
        InputError: Nothing to draw, or explanations of different numbers of items.
    """
    sizes = {title: len(explanation) for title, explanation in explanations.items()}
    if not sizes or len(set(sizes.values())) != 1:
        raise InputError(f"a grid needs explanations of the same items, got numbers {sizes}")
    first = next(iter(explanations.values()))
    chosen = list(range(len(first))) if items is None else list(items)
    if not chosen or not all(0 <= item < len(first) for item in chosen):
        raise InputError(f"items {chosen} are not among items 0 to {len(first) - 1}")
    figure = visualizer_of(first, visualizer, options).grid(explanations, chosen)
    if path is not None:
        save_figure(figure, path)
    return figure


def visualizer_of(
    explanation: Explanation, visualizer: str | Visualizer | None, options: Mapping[str, Any]
) -> Visualizer:
    """The visualizer of that name, or the object; the domain's own where ``None``."""
    if visualizer is None:
        if not isinstance(explanation.domain, Domain):
            raise InputError(
                f"the domain {explanation.domain.get('name')!r} that made this explanation is not "
                f"installed, so nothing can draw it; install its plugin or pass a visualizer"
            )
        visualizer = explanation.domain.visualizer
        if not visualizer:
            raise InputError(
                f"the domain {type(explanation.domain).__name__} has no visualizer of its own; "
                f"pass visualizer=..., a name or an object"
            )
    made = make("visualizers", visualizer, options)
    if not isinstance(made, Visualizer):
        raise InputError(f"visualizer is {brief(made)}; pass a visualizer's name or object")
    return made
