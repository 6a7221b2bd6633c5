"""Speed-ups of the passes of one replica: which are possible and which are in use.

A forward may rely on the memory format of its tensors or read a module's state in other ways, and
then fail or return something else. So rows of the first pass with speed-ups are compared with those
of a replica without any, by :mod:`salience.engine.preflight`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from salience.data.batch import Batch
from salience.errors import InputError, brief, nearest
from salience.model.channels_last import ChannelsLast
from salience.model.checks import refusing
from salience.model.folding import Folding
from salience.model.outputs import Output, Tap
from salience.model.passes import Pass
from salience.model.targets import Variable
from salience.model.upstream import Upstream

#: Names of all the speed-ups.
SPEEDUPS = ("upstream", "folding", "channels_last")


class Run(Protocol):
    """Runs the replica."""

    def __call__(self, batch: Batch) -> Pass:
        """Run the replica on rows; return the finished pass."""


class Speedups:
    """The speed-ups of one replica.

    ``"folding"`` includes batch normalisations in convolutions and ``"channels_last"`` lays out
    convolutions with channels last; both change the replica, and are possible where all the target
    variables are arguments. ``"upstream"`` reuses the outputs of modules upstream of the target
    variables from a batch's clean pass; it is possible where all the target variables are inside
    the model and no axis is ragged.

    Args:
        replica: The replica of the model.
        variables: The target variables.
        output: The output variable.
        ragged: Whether arguments have ragged axes.
        weights_vary: Whether passes run with other weights than the model's own, for which none of
            the speed-ups is possible.
        names: Names of the speed-ups that may be used, among :data:`SPEEDUPS`.

    Raises:
        InputError: A name is unknown.
    """

    def __init__(
        self,
        replica: Any,
        variables: tuple[Variable, ...],
        output: Output,
        *,
        ragged: bool,
        weights_vary: bool,
        names: Collection[str] = SPEEDUPS,
    ) -> None:
        check_speedups(names)
        self._upstream: Upstream | None = None
        self._folding: Folding | None = None
        self._channels_last: ChannelsLast | None = None
        self._in_use: list[str] = []
        inner = {v.target.module for v in variables if v.target is not None}
        if weights_vary:
            names = ()
        if all(v.target is not None for v in variables) and not ragged and "upstream" in names:
            tapped = {output.module} if isinstance(output, Tap) else set()
            self._upstream = Upstream(replica, inner | tapped)
        if isinstance(replica, nn.Module) and not inner:
            layout = ChannelsLast(replica)
            if layout.has_convolutions and "folding" in names:
                self._folding = Folding(replica)
            if layout.has_convolutions and "channels_last" in names:
                self._channels_last = layout
        self._settled = self._folding is None and self._channels_last is None

    @property
    def settled(self) -> bool:
        """Whether it is settled if folding and channels-last are in use."""
        return self._settled

    @property
    def in_use(self) -> tuple[str, ...]:
        """Names of the speed-ups that the next pass uses."""
        kept = self._upstream is not None and self._upstream.holds_outputs
        return (*(("upstream",) if kept else ()), *self._in_use)

    def use(self, names: Collection[str], row: Batch, run: Run) -> None:
        """Use folding and channels-last where they are named and possible.

        Args:
            names: Names of speed-ups; that of another has no effect.
            row: A batch of a single item, with all arguments, which shows what can be folded.
            run: Runs the replica.

        Raises:
            InputError: A name is unknown, or the model cannot be run on the row.
        """
        check_speedups(names)
        self._settled = True
        new = set(names) - set(self._in_use)
        if "folding" in new and self._folding is not None:
            with refusing(row), torch.no_grad(), self._folding.watching():
                run(row)
            if self._folding.fold():
                self._in_use.append("folding")
        if "channels_last" in new and self._channels_last is not None:
            self._channels_last.apply()
            self._in_use.append("channels_last")

    def guarding(self, returned: Callable[[], Any]) -> AbstractContextManager[None]:
        """Check that the pass inside the context reads what folding leaves as it was.

        Args:
            returned: The model's output, asked for after the pass.

        Raises:
            NotExactError: The pass reads what a folded convolution returns.
        """
        if self._folding is None or "folding" not in self._in_use:
            return nullcontext()
        return self._folding.guarding(returned)

    def keeping(self, n_items: int, wanted: bool) -> AbstractContextManager[None]:
        """Discard kept module outputs, and keep those of the pass inside the context if wanted.

        Args:
            n_items: Number of items of the pass.
            wanted: Whether to keep outputs.
        """
        return nullcontext() if self._upstream is None else self._upstream.keeping(n_items, wanted)

    def giving(self, items: Tensor | None) -> AbstractContextManager[None]:
        """Reuse kept module outputs in the pass inside the context.

        Args:
            items: Index in the kept batch of the item of each row, int64 of shape (R,); where
                ``None``, nothing is reused.
        """
        if self._upstream is None or items is None:
            return nullcontext()
        return self._upstream.giving(items)

    def reached(self) -> None:
        """Say that the pass has reached a target variable, on which later outputs may depend."""
        if self._upstream is not None:
            self._upstream.meet()

    def copied(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Copy the model's arguments, which it may modify in place."""
        copy = Tensor.clone if self._channels_last is None else self._channels_last.copy
        return {k: copy(v) if isinstance(v, Tensor) else v for k, v in arguments.items()}


def check_speedups(names: Collection[str]) -> None:
    """Raise InputError where a name is not among :data:`SPEEDUPS`."""
    one = isinstance(names, str | bytes) or getattr(names, "ndim", 1) != 1
    if one or not isinstance(names, Collection):
        raise InputError(f"speedups is {brief(names)}; pass a sequence of names, or () for none")
    for name in names:
        if not isinstance(name, str) or name not in SPEEDUPS:
            raise InputError(f"unknown speed-up {brief(name)}; {nearest(name, SPEEDUPS)}")


def forget_graphs(replica: Any) -> None:
    """Switch off, in a replica, what modules keep of the graph that they saw first.

    The convolutions of PyTorch Geometric that take ``cached=True`` keep a normalised graph, or
    features, in attributes whose names begin with ``_cached``; these fit no other batch.

    Args:
        replica: The replica of the model.
    """
    if not isinstance(replica, nn.Module):
        return
    for module in replica.modules():
        own = vars(module)
        kept = [name for name in own if name.startswith("_cached")]
        if own.get("cached") is True and kept:
            for name in kept:
                setattr(module, name, None)
            own["cached"] = False
