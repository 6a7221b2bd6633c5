"""What lies upstream of target variables inside the model: run once a batch, not once a draw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import Tensor, nn

from salience.support.numerics import close

#: A module by its path, and which of its calls.
_Call = tuple[str, int]


class Upstream:
    """Outputs of the modules that are run before the first target variable is met.

    Nothing there depends on the values that take the variable's place. So these modules of a
    replica return, for rows picked from a batch, the rows of what they returned for the batch. That
    holds where the outputs count items along their first axis, which a pass of two equal rows
    shows once.

    Args:
        root: The replica; the forwards of its modules are wrapped.
        watched: Paths of modules whose every call must be seen, those of target variables first of
            all. What holds one of them is not wrapped.
    """

    def __init__(self, root: nn.Module, watched: set[str]) -> None:
        self._kept: dict[_Call, Tensor] = {}
        self._counts_items: dict[_Call, bool] = {}
        self._calls: Counter[str] = Counter()
        self._rows: Tensor | None = None
        self._mode = ""
        self._depth = 0
        seen = [root.get_submodule(path) for path in watched]
        for path, module in root.named_modules():
            inside = list(module.modules())[1:]
            if path and not any(one is other for one in seen for other in inside):
                with suppress(AttributeError, RuntimeError):  # scripted modules cannot be wrapped
                    module.forward = self._wrapped(path, module.forward)

    @contextmanager
    def keeping(self, wanted: bool = True) -> Iterator[None]:
        """Keep what the modules return in the forward pass of a batch, in place of what was kept.

        Args:
            wanted: Whether anything is to be kept of this batch.
        """
        self._kept = {}
        with self._as("keep" if wanted else ""):
            yield

    @contextmanager
    def trying(self) -> Iterator[None]:
        """Find, in a pass of the batch's first item twice, which outputs count items."""
        with self._as("try"):
            yield
        self._counts_items |= {call: self._counts_items.get(call, False) for call in self._kept}
        self._kept = {call: v for call, v in self._kept.items() if self._counts_items[call]}

    @contextmanager
    def giving(self, rows: Tensor) -> Iterator[None]:
        """Have the modules return the kept outputs of these items, int64 of shape (R,)."""
        with self._as("give", rows):
            yield

    def meet(self) -> None:
        """A target variable is met: what comes now may depend on it."""
        self._mode = ""

    @property
    def is_to_be_tried(self) -> bool:
        """Whether there are outputs of which it is not known what they count."""
        return any(call not in self._counts_items for call in self._kept)

    @contextmanager
    def _as(self, mode: str, rows: Tensor | None = None) -> Iterator[None]:
        self._mode, self._rows, self._calls, self._depth = mode, rows, Counter(), 0
        try:
            yield
        finally:
            self._mode, self._rows = "", None

    def _wrapped(self, path: str, forward: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            # Only the outermost module counts; what is inside it is not run when it is not.
            if not self._mode or self._depth:
                return forward(*args, **kwargs)
            call = path, self._calls[path]
            self._calls[path] += 1
            if self._mode == "give" and call in self._kept:
                assert self._rows is not None
                return self._kept[call].index_select(0, self._rows)
            self._depth += 1
            try:
                output = forward(*args, **kwargs)
            finally:
                self._depth = max(0, self._depth - 1)
            if self._mode == "try" and call in self._kept:
                self._counts_items[call] = _is_twice(output, self._kept[call])
            hopeful = (
                isinstance(output, Tensor) and output.ndim and self._counts_items.get(call, True)
            )
            if self._mode == "keep" and hopeful:
                # A copy, since the next module may work on it in place.
                self._kept[call] = output.detach().clone()
            return output

        return run


def _is_twice(output: Any, kept: Tensor) -> bool:
    """Whether the output of two rows is the first item's, twice."""
    if not isinstance(output, Tensor) or output.shape != (2, *kept.shape[1:]):
        return False
    first = kept[:1].expand_as(output)
    if not output.is_floating_point():
        return torch.equal(output, first)
    return close(output, first)
