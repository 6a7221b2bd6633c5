"""Hooks on modules that are removed again, whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch.utils.hooks import RemovableHandle


@contextmanager
def removing() -> Iterator[Callable[[RemovableHandle], None]]:
    """Yield a function that takes the handle of a hook; remove all these hooks at the end."""
    handles: list[RemovableHandle] = []
    try:
        yield handles.append
    finally:
        for handle in handles:
            handle.remove()
