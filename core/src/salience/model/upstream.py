"""Modules upstream of the target variables inside the model: run once per batch, not per draw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from torch import Tensor, nn

#: Path of a module, and the index of its call in one forward pass.
_Call = tuple[str, int]


class Upstream:
    """Kept outputs of the modules that run before the first target variable is reached.

    These outputs do not depend on the values that replace the target variables. So in later passes,
    over rows selected from a batch, the forwards of these modules do not run: the modules return
    the rows of the outputs kept from the batch's clean pass. This is correct for outputs whose
    first axis counts items: those are kept whose first axis has the length of the batch, in every
    batch so far.

    Args:
        root: The replica; the forwards of its modules are wrapped.
        watched: Paths of the modules whose hooks must see every call: those of target variables
            and of a tap. Modules that contain one of them are not wrapped.
    """

    def __init__(self, root: nn.Module, watched: set[str]) -> None:
        self._kept: dict[_Call, Tensor] = {}
        self._counts_items: dict[_Call, bool] = {}
        self._n_items = 0
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
    def keeping(self, n_items: int, wanted: bool = True) -> Iterator[None]:
        """Keep module outputs in the forward pass inside the context; discard earlier ones.

        Args:
            n_items: Number of items of the batch.
            wanted: Whether to keep outputs of this batch; if not, earlier ones are only discarded.
        """
        self._kept, self._n_items = {}, n_items
        with self._as("keep" if wanted else ""):
            yield

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
    def holds_outputs(self) -> bool:
        """Whether outputs of the last batch are kept."""
        return bool(self._kept)

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
            if self._mode == "keep" and self._may_count_items(call, output):
                # A copy, since the next module may modify the output in place.
                self._kept[call] = output.detach().clone()
            return output

        return run

    def _may_count_items(self, call: _Call, output: Any) -> bool:
        fits = isinstance(output, Tensor) and output.shape[:1] == (self._n_items,)
        self._counts_items[call] = fits and self._counts_items.get(call, True)
        return self._counts_items[call]
