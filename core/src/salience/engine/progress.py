"""The progress bar of a computation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm.auto import tqdm

from salience.intake import boolean


@contextmanager
def progress_bar(total: int, shown: bool | None) -> Iterator[Callable[[int], object]]:
    """Show a progress bar after the first second; yield the function that moves it on.

    Args:
        total: Number of items × draws.
        shown: Whether to show the bar; only in a terminal where ``None``.
    """
    hidden = None if shown is None else not boolean(shown, "progress")
    with tqdm(
        total=total, desc="salience", unit="draw", disable=hidden, delay=1.0, leave=False
    ) as shown_bar:
        yield shown_bar.update
