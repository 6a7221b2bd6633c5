"""Speed-ups of the passes of one replica: which are possible, which hold, which are in use.

A forward may rely on the memory format of its tensors or read a module's state in other ways, and
then fail or return something else. So each speed-up is tested on rows, and undone where the model's
output changes by more than rounding.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from salience.data.batch import Batch
from salience.errors import InputError, nearest
from salience.model.channels_last import ChannelsLast
from salience.model.checks import refusing
from salience.model.folding import Folding
from salience.model.outputs import Output, Tap
from salience.model.passes import Pass
from salience.model.targets import Variable
from salience.model.upstream import Upstream
from salience.support.numerics import close

#: Names of all the speed-ups.
SPEEDUPS = ("upstream", "folding", "channels_last")


class Run(Protocol):
    """Runs the replica."""

    def __call__(
        self, batch: Batch, values: Mapping[str, Tensor] | None = None, *, exact: bool = False
    ) -> Pass:
        """Run the replica on rows, in full precision where ``exact``; return the finished pass."""


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
        self._axes = {v.name: v.axes for v in variables}
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

    def try_on(self, row: Batch, run: Run) -> tuple[str, ...]:
        """Try folding and channels-last, unless that is settled, and undo what does not hold.

        Args:
            row: A batch of a single item, with all arguments.
            run: Runs the replica.

        Returns:
            Names of the speed-ups that are in use afterwards, without ``"upstream"``.

        Raises:
            InputError: The model cannot be run on the row.
        """
        if not self._settled:
            self._settled = True
            before = self._watched(row, run)
            self._try_folding(before, row, run)
            self._try_channels_last(before, row, run)
        return tuple(self._in_use)

    def use(self, names: Collection[str], row: Batch, run: Run) -> None:
        """Use folding and channels-last without trying them; names of others have no effect.

        Args:
            names: Names of speed-ups that are known to hold for this model.
            row: A batch of a single item, with all arguments, which shows what can be folded.
            run: Runs the replica.

        Raises:
            InputError: A name is unknown, or the model cannot be run on the row.
        """
        check_speedups(names)
        self._settled = True
        new = set(names) - set(self._in_use)
        if "folding" in new and self._folding is not None:
            self._watched(row, run)
            if self._folding.fold():
                self._in_use.append("folding")
        if "channels_last" in new and self._channels_last is not None:
            self._channels_last.apply()
            self._in_use.append("channels_last")

    def try_upstream(self, batch: Batch, values: Mapping[str, Tensor], run: Run) -> None:
        """Test module outputs that were kept and are not yet tested; reuse none if one is wrong.

        Args:
            batch: The batch whose clean pass kept the outputs.
            values: Target variable → its values in that pass.
            run: Runs the replica.
        """
        if self._upstream is None or not self._upstream.is_to_be_tried:
            return
        first = torch.zeros(3, dtype=torch.int64, device=batch.device)
        two, three = batch.select(first[:2]), batch.select(first)
        at = {name: three.take(value, self._axes[name]) for name, value in values.items()}
        with torch.no_grad():
            with self._upstream.trying():
                before = run(two.batch()).output
            try:
                # Three rows, so that outputs left over from the pass of two rows do not fit.
                with self._upstream.giving(first):
                    after = run(three.batch(), at).output
                same = _close(tree_map(_first_two, after), before)
            except Exception:  # the user's forward may raise anything where modules are skipped
                same = False
        if not same:
            self._upstream = None

    def keeping(self, wanted: bool) -> AbstractContextManager[None]:
        """Discard kept module outputs, and keep those of the pass inside the context if wanted."""
        return nullcontext() if self._upstream is None else self._upstream.keeping(wanted)

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

    def _watched(self, row: Batch, run: Run) -> Any:
        """Run the model on the row and find what can be folded; return the output."""
        watching = nullcontext() if self._folding is None else self._folding.watching()
        with refusing(row), torch.no_grad(), watching:
            return run(row, exact=True).output

    def _try_folding(self, before: Any, row: Batch, run: Run) -> None:
        folding = self._folding
        if folding is None:
            return
        with folding.hiding():
            hidden_unread = _comes_out_as(before, row, run)
        if not hidden_unread or not folding.fold():
            return
        if _comes_out_as(before, row, run):
            self._in_use.append("folding")
        else:
            folding.undo()

    def _try_channels_last(self, before: Any, row: Batch, run: Run) -> None:
        if self._channels_last is None:
            return
        self._channels_last.apply()
        if _comes_out_as(before, row, run):
            self._in_use.append("channels_last")
        else:
            self._channels_last.undo()


def check_speedups(names: Collection[str]) -> None:
    """Raise InputError where a name is not among :data:`SPEEDUPS`."""
    for name in names:
        if name not in SPEEDUPS:
            raise InputError(f"unknown speed-up {name!r}; {nearest(name, SPEEDUPS)}")


def _comes_out_as(before: Any, row: Batch, run: Run) -> bool:
    """Whether the model's output for the row equals ``before``, except for rounding."""
    try:
        with torch.no_grad():
            return _close(run(row, exact=True).output, before)
    except Exception:  # the user's forward may raise anything on the changed replica
        return False


def _close(one: Any, other: Any) -> bool:
    """Whether two outputs of the model differ by no more than rounding.

    Only floating-point and complex tensors are compared; False where the outputs hold none.
    """
    pairs = list(zip(tree_leaves(one), tree_leaves(other), strict=True))
    numbers = [(a, b) for a, b in pairs if isinstance(a, Tensor) and _is_continuous(a)]
    return bool(numbers) and all(close(a, b) for a, b in numbers)


def _is_continuous(value: Tensor) -> bool:
    return value.is_floating_point() or value.is_complex()


def _first_two(value: Any) -> Any:
    return value[:2] if isinstance(value, Tensor) and value.ndim else value
