"""Modules upstream of the target variables inside the model: run once per batch, not per draw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import Tensor, nn

from salience.support.numerics import close

#: Path of a module, and the index of its call in one forward pass.
_Call = tuple[str, int]


class Upstream:
    """Kept outputs of the modules that run before the first target variable is reached.

    These outputs do not depend on the values that replace the target variables. So in later passes,
    over rows selected from a batch, the forwards of these modules do not run: the modules return
    the rows of the outputs kept from the batch's clean pass. This is correct for outputs whose
    first axis counts items, which a pass of two equal rows tests once for each module call.

    Args:
        root: The replica; the forwards of its modules are wrapped.
        watched: Paths of the modules whose hooks must see every call: those of target variables
            and of a tap. Modules that contain one of them are not wrapped.
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
        """Keep module outputs in the forward pass inside the context; discard earlier ones.

        Args:
            wanted: Whether to keep outputs of this batch; if not, earlier ones are only discarded.
        """
        self._kept = {}
        with self._as("keep" if wanted else ""):
            yield

    @contextmanager
    def trying(self) -> Iterator[None]:
        """Find which kept outputs have items along their first axis; discard the others.

        The pass inside the context must run the batch's first item twice.
        """
        with self._as("try"):
            yield
        self._counts_items |= {call: self._counts_items.get(call, False) for call in self._kept}
        self._kept = {call: v for call, v in self._kept.items() if self._counts_items[call]}

    @contextmanager
    def giving(self, rows: Tensor) -> Iterator[None]:
        """Let modules return their kept outputs instead of running, in the pass inside the context.

        Args:
            rows: Index in the kept batch of the item of each row, int64 of shape (R,).
        """
        with self._as("give", rows):
            yield

    def meet(self) -> None:
        """Stop keeping and reuse in this pass: outputs after a target variable may depend on it."""
        self._mode = ""

    @property
    def is_to_be_tried(self) -> bool:
        """Whether a kept output has not yet been tested for items along its first axis."""
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
            # Only outermost modules are kept: where one is skipped, the modules inside it are too.
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
                # A copy, since the next module may modify the output in place.
                self._kept[call] = output.detach().clone()
            return output

        return run


def _is_twice(output: Any, kept: Tensor) -> bool:
    """Whether a module's output counts items along its first axis, as a pass of two rows shows.

    The output of two rows of the first item must then be the first entry of ``kept``, twice, but
    for rounding.

    Args:
        output: What the module returned for two rows of the first item.
        kept: What the module returned for the batch.
    """
    if not isinstance(output, Tensor) or output.shape != (2, *kept.shape[1:]):
        return False
    first = kept[:1].expand_as(output)
    if not output.is_floating_point():
        return torch.equal(output, first)
    return close(output, first)
