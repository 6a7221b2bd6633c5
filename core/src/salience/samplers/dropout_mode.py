"""A function mode of torch that computes dropout with masks keyed by seed, item and draw.

A function mode intercepts the calls of torch functions on one thread.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from salience.data.layout import ITEM
from salience.data.views import RowView
from salience.errors import InputError
from salience.samplers.base import CannotPackError, ModelDraw
from salience.samplers.dropout_calls import (
    DROPOUTS,
    IN_PLACE,
    RECURRENT,
    attention,
    dropout_rate,
    recurrent_rate,
    undropped,
)
from salience.samplers.keyed import Numbers
from salience.support.hooks import removing

# The limit of SELU at −∞, −λα (Klambauer et al., 2017). Alpha dropout sets dropped units to it.
_SATURATION = -1.7580993408473766


@dataclass(frozen=True)
class DropoutShapes:
    """Shapes of the dropout masks in a forward pass of a single row.

    Args:
        shapes: Shape of the mask of each dropout call, in the order of the calls.
        rates: The model's own rate of each call.
        counts: Element axis → number of elements of that row.
    """

    shapes: tuple[tuple[int, ...], ...]
    rates: tuple[float, ...]
    counts: Mapping[str, int]


class DropoutMode(TorchFunctionMode):
    """Computes the dropout calls of one forward pass with masks that the rows' keys determine.

    Args:
        draw: Keys and rows of the forward pass.
        rate: Dropout rate that replaces the model's own; ``None`` keeps the model's.
        paths: Paths of the modules inside which dropout is on; ``None`` for the whole model.
        single: Shapes of the masks in a pass of a single row. Where ``None``, the mode cannot tell
            which axis of a mask counts rows, and serves only passes of a single row.
    """

    def __init__(
        self,
        draw: ModelDraw,
        rate: float | None,
        paths: tuple[str, ...] | None,
        single: DropoutShapes | None = None,
    ) -> None:
        super().__init__()
        #: Shape of the mask of each dropout call so far.
        self.shapes: list[tuple[int, ...]] = []
        #: The model's own rate of each dropout call so far.
        self.rates: list[float] = []
        self._draw = draw
        self._rate = rate
        self._paths = paths
        self._single = single
        #: Number of the chosen modules whose forward is running.
        self._inside = 0

    @contextmanager
    def on(self) -> Iterator[DropoutMode]:
        """Switch the mode on for this thread; hooks count how many of the modules are running."""
        with removing() as add:
            for path in self._paths or ():
                module = self._draw.model.get_submodule(path)
                # A shallow copy of the module shares its hooks, so that the caller is asked.
                into, out = self._stepping(module, 1), self._stepping(module, -1)
                add(module.register_forward_pre_hook(into))
                add(module.register_forward_hook(out, always_call=True))
            with self:
                yield self

    def _stepping(self, module: nn.Module, by: int) -> Callable[..., None]:
        def step(caller: nn.Module, *_: Any) -> None:
            if caller is module:
                self._inside += by

        return step

    def _rate_of(self, own: float) -> float:
        """Dropout rate of a call whose own rate is ``own``; 0 where its dropout stays off."""
        if own <= 0 or (self._paths is not None and not self._inside):
            return 0.0
        return own if self._rate is None else self._rate

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in DROPOUTS:
            return self._dropout(func, *args, **kwargs)
        if func is F.multi_head_attention_forward:
            with self:
                return attention(*args, **(kwargs | {"training": True}))
        recurrent = getattr(func, "__name__", "") in RECURRENT
        if recurrent and self._rate_of(recurrent_rate(args)) > 0:
            raise InputError(
                "mc_dropout cannot draw the dropout inside nn.LSTM, nn.GRU or nn.RNN, which runs "
                "unseen; build them with dropout=0 and put nn.Dropout between single layers"
            )
        if func is F.scaled_dot_product_attention and dropout_rate(args, kwargs) > 0:
            if self._rate_of(dropout_rate(args, kwargs)) > 0:
                return self._attend(*args, **kwargs)
            return undropped(*args, **kwargs)
        return func(*args, **kwargs)

    def _dropout(
        self,
        func: Any,
        input: Tensor,
        p: float = 0.5,
        training: bool = True,
        inplace: bool = False,
        train: bool = True,
    ) -> Tensor:
        """Compute the dropout function ``func`` as in training mode, with a keyed mask."""
        own, p = p, self._rate_of(p)
        if p <= 0:
            return input
        self.rates.append(own)
        with_items, alpha = DROPOUTS[func]
        shape = tuple(input.shape)
        if with_items is not None:
            # Of shape (C, …), without an item axis, whole positions of the first axis are dropped.
            own_axes = 1 if input.ndim < with_items else 2
            shape = shape[:own_axes] + (1,) * (input.ndim - own_axes)
        numbers = self._numbers(shape or (1,))
        if p >= 1:
            dropped = torch.zeros_like(input)
        elif alpha:
            kept: Tensor = torch.where(numbers.keep(1 - p).reshape(shape), input, _SATURATION)
            a = 1 / math.sqrt((1 - p) * (1 + p * _SATURATION**2))
            dropped = (kept - p * _SATURATION) * a
        else:
            # The mask includes the scale, so that forward and backward multiply only once.
            dropped = input * numbers.keep(1 - p).reshape(shape).to(input.dtype).mul_(1 / (1 - p))
        return input.copy_(dropped) if inplace or func in IN_PLACE else dropped

    def _attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        """Compute dropout(softmax(q kᵀ · scale + mask)) v in steps, with a keyed mask.

        The arguments are those of ``torch.nn.functional.scaled_dot_product_attention``.
        """
        if enable_gqa:
            groups = query.shape[-3] // key.shape[-3]
            key = key.repeat_interleave(groups, -3)
            value = value.repeat_interleave(groups, -3)
        factor = scale if scale is not None else 1 / math.sqrt(query.shape[-1])
        logits = query @ key.transpose(-2, -1) * factor
        if is_causal:
            attn_mask = torch.ones(logits.shape[-2:], dtype=torch.bool, device=logits.device).tril()
        if attn_mask is not None:
            if attn_mask.dtype == torch.bool:
                logits = logits.masked_fill(~attn_mask, -torch.inf)
            else:
                logits = logits + attn_mask
        return self._dropout(F.dropout, logits.softmax(-1), dropout_p) @ value

    def _numbers(self, shape: tuple[int, ...]) -> Numbers:
        """Random numbers for the next dropout call's mask; ``shape`` is added to :attr:`shapes`."""
        rows, keys = self._draw.rows, self._draw.keys
        self.shapes.append(shape)
        # In a pass of a single row all positions belong to that row, so any axis may count rows.
        axis, name = (0, ITEM) if len(rows) == 1 else self._row_axis(shape)
        axes = tuple(name if i == axis else f"axis{i}" for i in range(len(shape)))
        kind = _Blocks if name == ITEM and shape[axis] != len(rows) else Numbers
        return kind(keys, RowView(rows, axes), shape, stream=len(self.shapes))

    def _row_axis(self, shape: tuple[int, ...]) -> tuple[int, str]:
        """Find the axis of a mask that counts rows, by comparison with the shape for a single row.

        Returns:
            Position of the axis, and its name: ``"item"`` where each row has one position or one
            block of equally many positions, otherwise the name of an element axis.

        Raises:
            CannotPackError: No axis fits, several axes fit, or several names of one axis fit that
                assign its positions to rows differently.
        """
        rows, call = self._draw.rows, len(self.shapes) - 1
        if self._single is None or call >= len(self._single.shapes):
            raise CannotPackError
        single = self._single.shapes[call]
        # On ragged data, an axis with several positions for each row may count elements of any
        # kind, such as bonds, so that blocks are assumed on dense data only.
        dense = not rows.source.layout.elements
        found: dict[int, list[tuple[int, str]]] = {}
        for axis in range(len(shape) if len(shape) == len(single) else 0):
            # Other axes may differ because of padding; of the candidates, those are kept that leave
            # the fewest other axes with a difference.
            others = sum(shape[i] != single[i] for i in range(len(shape)) if i != axis)
            if shape[axis] == single[axis] * len(rows) and (single[axis] == 1 or dense):
                found.setdefault(others, []).append((axis, ITEM))
            for name, count in self._single.counts.items():
                if shape[axis] == len(rows.owner(name)) and single[axis] == count:
                    found.setdefault(others, []).append((axis, name))
        if not found:
            raise CannotPackError
        (axis, name), *more = found[min(found)]
        for other_axis, other in more:
            if other_axis != axis or not self._alike(name, other, single[axis]):
                raise CannotPackError
        return axis, name

    def _alike(self, one: str, other: str, block: int) -> bool:
        """Whether two candidate names of an axis give each row the same number of positions.

        Args:
            one: ``"item"`` or an element axis.
            other: ``"item"`` or an element axis.
            block: Number of positions of each row along ``"item"``.
        """
        counts = self._draw.rows.counts
        blocks = torch.full_like(self._draw.keys, block)
        return torch.equal(counts.get(one, blocks), counts.get(other, blocks))


@dataclass(frozen=True)
class _Blocks(Numbers):
    """Random numbers of a tensor whose item axis has a block of positions for each row.

    An example is an axis of length items × heads.
    """

    def place(self) -> tuple[int, Tensor, Tensor]:
        """Position of the item axis; for each index along it, its row and index in the block."""
        axis = self.view.row_axis
        block = max(1, self.shape[axis] // len(self.keys))
        number = torch.arange(self.shape[axis], device=self.keys.device)
        return axis, number // block, number % block
