"""Models that take the item axis off a single row, as ``.squeeze()`` at their end does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_leaves, tree_unflatten


class SingleRow:
    """Puts the item axis back on the output for a single row, where the model takes it off.

    Whether it does is seen once: the output for that row twice then has the axis.
    """

    def __init__(self) -> None:
        self._lost: tuple[bool, ...] | None = None

    def restored(self, output: Any, run_twice: Callable[[], Any]) -> Any:
        """The output for a single row, with its item axis.

        Args:
            output: The model's output, or that of a tap's module.
            run_twice: Gives the output for two rows like this one.
        """
        leaves, form = tree_flatten(output)
        if all(not isinstance(leaf, Tensor) or leaf.shape[:1] == (1,) for leaf in leaves):
            return output
        if self._lost is None:
            self._lost = _lost(leaves, run_twice)
        if len(self._lost) != len(leaves):
            return output
        parts = zip(leaves, self._lost, strict=True)
        return tree_unflatten([leaf[None] if lost else leaf for leaf, lost in parts], form)


def _lost(leaves: list[Any], run_twice: Callable[[], Any]) -> tuple[bool, ...]:
    """Which of the outputs for a single row lack the item axis that those for two rows have."""
    try:
        with torch.no_grad():
            twice = tree_leaves(run_twice())
    except Exception:  # the user's forward may raise anything
        return ()
    if len(twice) != len(leaves):
        return ()
    return tuple(
        isinstance(one, Tensor) and isinstance(two, Tensor) and two.shape == (2, *one.shape)
        for one, two in zip(leaves, twice, strict=True)
    )
