"""Temporary hooks on modules: removed in any case, also after an exception."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch.utils.hooks import RemovableHandle


@contextmanager
def removing() -> Iterator[Callable[[RemovableHandle], None]]:
    """Yield a function that registers a hook's handle; remove all registered hooks at the end."""
    handles: list[RemovableHandle] = []
    try:
        yield handles.append
    finally:
        for handle in handles:
            handle.remove()
