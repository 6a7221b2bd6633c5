"""Dropout calls of a forward pass, answered with masks that depend on the draw alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from salience.data.layout import ITEM
from salience.errors import InputError
from salience.samplers.base import CannotPackError, ModelDraw
from salience.samplers.keyed import Numbers
from salience.support.hooks import removing

# Negative saturation value of SELU, −λα (Klambauer et al., 2017), which alpha dropout sets.
_SATURATION = -1.7580993408473766


@dataclass(frozen=True)
class DropoutShapes:
    """What a forward pass of a single row has shown.

    Args:
        shapes: Shape of the mask of each dropout call.
        counts: Element axis → elements of that row.
    """

    shapes: tuple[tuple[int, ...], ...]
    counts: Mapping[str, int]


class DropoutMode(TorchFunctionMode):
    """Answers the dropout calls of one forward pass.

    Args:
        draw: The draws of the rows of the pass.
        rate: Rate in the place of the model's own; the own one where ``None``.
        modules: Where dropout is on; everywhere where ``None``.
        alone: What a pass of a single row has shown, without which rows cannot be told apart.
    """

    def __init__(
        self,
        draw: ModelDraw,
        rate: float | None,
        modules: tuple[nn.Module, ...] | None,
        single: DropoutShapes | None = None,
    ) -> None:
        super().__init__()
        #: Shape of the mask of each call so far.
        self.shapes: list[tuple[int, ...]] = []
        self._draw = draw
        self._rate = rate
        self._modules = modules
        self._single = single
        #: How many of the chosen modules are running.
        self._inside = 0

    @contextmanager
    def on(self) -> Iterator[DropoutMode]:
        """Answer the calls of this thread, and know which modules they come from."""
        with removing() as add:
            for module in self._modules or ():
                add(module.register_forward_pre_hook(lambda *_: self._step(1)))
                add(module.register_forward_hook(lambda *_: self._step(-1), always_call=True))
            with self:
                yield self

    def _step(self, by: int) -> None:
        self._inside += by

    def _rate_of(self, own: float) -> float:
        """The rate of a call whose own is given; 0 where it is not to be answered."""
        if own <= 0 or (self._modules is not None and not self._inside):
            return 0.0
        return own if self._rate is None else self._rate

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _DROPOUTS:
            return self._dropout(func, *args, **kwargs)
        if func is F.multi_head_attention_forward:
            with self:
                return _attention(*args, **(kwargs | {"training": True}))
        recurrent = getattr(func, "__name__", "") in _RECURRENT
        if recurrent and self._rate_of(_recurrent_rate(args)) > 0:
            raise InputError(
                "mc_dropout cannot draw the dropout inside nn.LSTM, nn.GRU or nn.RNN, which runs "
                "unseen; build them with dropout=0 and put nn.Dropout between single layers"
            )
        if func is F.scaled_dot_product_attention and self._rate_of(_rate(args, kwargs)) > 0:
            return self._attend(*args, **kwargs)
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
        """What the dropout function returns in training mode."""
        p = self._rate_of(p)
        if p <= 0:
            return input
        whole_channels, alpha = _DROPOUTS[func]
        shape = tuple(input.shape)
        if whole_channels:
            # Unbatched (C, ...) input is a matter of the model's; items always come first here.
            shape = shape[:2] + (1,) * (input.ndim - 2)
        numbers = self._numbers(shape or (1,))
        if p >= 1:
            dropped = torch.zeros_like(input)
        elif alpha:
            kept = torch.where(numbers.keep(1 - p).reshape(shape), input, _SATURATION)
            a = 1 / math.sqrt((1 - p) * (1 + p * _SATURATION**2))
            dropped = (kept - p * _SATURATION) * a
        else:
            # The mask carries the scale, so that the gradient takes one multiplication too.
            dropped = input * numbers.keep(1 - p).reshape(shape).to(input.dtype).mul_(1 / (1 - p))
        return input.copy_(dropped) if inplace else dropped

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
        """softmax(q kᵀ · scale + mask), dropped, times v, in the open."""
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
        """Numbers for the next dropout call."""
        rows, keys = self._draw.rows, self._draw.keys
        self.shapes.append(shape)
        # A single row has all positions, along whichever axis.
        axis, name = (0, ITEM) if len(rows) == 1 else self._row_axis(shape)
        axes = tuple(name if i == axis else f"axis{i}" for i in range(len(shape)))
        kind = _Blocks if name == ITEM and shape[axis] != len(rows) else Numbers
        return kind(keys, rows, axes, shape, len(self.shapes))

    def _row_axis(self, shape: tuple[int, ...]) -> tuple[int, str]:
        """Which axis of a mask counts rows, and whether in items (or blocks of them) or elements.

        Raises:
            CannotPackError: The shape of the call for a single row leaves no answer, or several.
        """
        rows, call = self._draw.rows, len(self.shapes) - 1
        if self._single is None or call >= len(self._single.shapes):
            raise CannotPackError
        single = self._single.shapes[call]
        # What holds several numbers a row of ragged items may be anything, such as bonds and atoms.
        dense = not rows.source.layout.elements
        found: dict[int, list[tuple[int, str]]] = {}
        for axis in range(len(shape) if len(shape) == len(single) else 0):
            # Other axes may differ by padding; the fewer do, the better is the answer.
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
        """Whether two ways of counting give each row the same share of an axis."""
        counts = self._draw.rows.counts
        blocks = torch.full_like(self._draw.keys, block)
        return torch.equal(counts.get(one, blocks), counts.get(other, blocks))


@dataclass(frozen=True)
class _Blocks(Numbers):
    """Numbers of a tensor with a block of the item axis for each row: items times heads."""

    def place(self) -> tuple[int, Tensor, Tensor]:
        """The item axis, and the row and the number in its block of each position along it."""
        axis = self.axes.index(ITEM)
        block = max(1, self.shape[axis] // len(self.keys))
        number = torch.arange(self.shape[axis], device=self.keys.device)
        return axis, number // block, number % block


def _recurrent_rate(args: tuple[Any, ...]) -> float:
    """Dropout of a recurrent function: the float behind has_biases and num_layers."""
    layers = [i for i, a in enumerate(args) if isinstance(a, int) and not isinstance(a, bool)]
    return float(args[layers[0] + 1]) if layers and args[layers[0]] > 1 else 0.0


def _rate(args: tuple[Any, ...], kwargs: dict[str, Any]) -> float:
    return float(args[4] if len(args) > 4 else kwargs.get("dropout_p", 0.0))


# A mode is off while it answers a call, and this function asks at its start whether a mode wants
# to answer it. This copy of it does not ask, so that it can run with the mode on, and the dropout
# calls in it come to the mode.
_attention = FunctionType(
    F.multi_head_attention_forward.__code__,
    {**F.multi_head_attention_forward.__globals__, "has_torch_function": lambda _: False},
    argdefs=F.multi_head_attention_forward.__defaults__,
)


_RECURRENT = ("lstm", "gru", "rnn_tanh", "rnn_relu")

# Function → (drops whole channels, is alpha dropout).
_DROPOUTS: dict[Any, tuple[bool, bool]] = {
    F.dropout: (False, False),
    F.dropout1d: (True, False),
    F.dropout2d: (True, False),
    F.dropout3d: (True, False),
    F.alpha_dropout: (False, True),
    F.feature_alpha_dropout: (True, True),
    torch.dropout: (False, False),
}
