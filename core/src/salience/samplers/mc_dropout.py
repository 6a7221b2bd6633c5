"""BayesGrad by Monte Carlo dropout: draws of the model's parameters."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from salience.errors import InputError
from salience.keyed import Numbers
from salience.layout import ITEM
from salience.samplers.base import ModelDraw, ParameterSampler

# Negative saturation value of SELU, −λα (Klambauer et al., 2017), which alpha dropout sets.
_SATURATION = -1.7580993408473766


@dataclass(frozen=True)
class MCDropout(ParameterSampler):
    """Dropout stays on while explaining, one mask a draw (Gal and Ghahramani, 2016).

    Draws of saliency under it are draws of the Bayesian saliency p(saliency | data) (Akita et al.,
    "BayesGrad", 2018). The model stays in eval mode: calls of ``torch.nn.functional.dropout`` and
    its kin, which every ``nn.Dropout`` makes, are answered with masks that depend on (seed, item,
    draw) alone, so that all path points of one draw share them. Batch norm, stochastic depth and
    whatever else has a training mode stay as they are in eval mode.

    The rows of a dropped tensor must come first, as items or elements, or as items times heads.
    """

    def active(self, draw: ModelDraw) -> AbstractContextManager[Any]:
        """Answer dropout calls with the masks of these rows."""
        return _Dropping(draw)

    def trial(self, draw: ModelDraw, forward: Callable[[], object]) -> None:
        """Refuse a model without dropout."""
        with _Dropping(draw) as dropping:
            forward()
        if dropping.calls == 0:
            raise InputError(
                "mc_dropout needs a model with dropout of a rate above 0, but this forward pass "
                "calls none; add dropout to the model or use another sampler"
            )


class _Dropping(TorchFunctionMode):
    """Answers every dropout call of one forward pass."""

    def __init__(self, draw: ModelDraw) -> None:
        super().__init__()
        self.calls = 0
        self._draw = draw

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _DROPOUTS:
            return self._dropout(func, *args, **kwargs)
        if func is F.multi_head_attention_forward:
            with self:
                return _attention(*args, **(kwargs | {"training": True}))
        if func is F.scaled_dot_product_attention and _rate(args, kwargs) > 0:
            return self._attend(*args, **kwargs)
        return func(*args, **kwargs)

    def _dropout(
        self,
        func: Any,
        input: Tensor,
        p: float = 0.5,
        training: bool = True,
        inplace: bool = False,
    ) -> Tensor:
        if p <= 0:
            return input
        whole_channels, alpha = _DROPOUTS[func]
        shape = tuple(input.shape)
        if whole_channels:
            # Unbatched (C, ...) input is a matter of the model's; items always come first here.
            shape = shape[:2] + (1,) * (input.ndim - 2)
        if p >= 1:
            keep = torch.zeros(shape, dtype=torch.bool, device=input.device)
        else:
            keep = self._numbers(shape).keep(1 - p)
        if not alpha:
            return input * keep.to(input.dtype) * (1 / (1 - p) if p < 1 else 0.0)
        if p >= 1:
            return torch.zeros_like(input)
        a = 1 / math.sqrt((1 - p) * (1 + p * _SATURATION**2))
        return (torch.where(keep, input, _SATURATION) - p * _SATURATION) * a

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
        """Numbers for the next dropout call, whose first axis counts rows in some way."""
        rows, keys = self._draw.rows, self._draw.keys
        self.calls += 1
        layout = rows.source.layout
        for axis in (ITEM, *layout.elements):
            size = len(rows) if axis == ITEM else len(rows.owner(axis))
            if shape and shape[0] == size:
                axes = (axis, *(f"axis{i}" for i in range(1, len(shape))))
                return Numbers(keys, rows, axes, shape, self.calls)
        if shape and shape[0] % len(rows) == 0:
            # Items times heads (or times positions): a block of the first axis for each row.
            return _Blocks(keys, rows, (ITEM,), shape, self.calls)
        raise InputError(
            f"dropout is called on a tensor of shape {shape} whose first axis counts neither the "
            f"{len(rows)} items nor their elements, so that its mask cannot follow the items; put "
            f"the item axis first"
        )


@dataclass(frozen=True)
class _Blocks(Numbers):
    def bits(self) -> Tensor:
        shape = len(self.keys), self.shape[0] // len(self.keys), *self.shape[1:]
        axes = (ITEM, *(f"axis{i}" for i in range(1, len(shape))))
        return Numbers(self.keys, self.rows, axes, shape, self.stream).bits().reshape(self.shape)


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
