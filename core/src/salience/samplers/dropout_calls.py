"""The torch functions that draw dropout, and a mode in which they draw nothing."""

from __future__ import annotations

from collections.abc import Mapping
from types import FunctionType
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


def recurrent_rate(args: tuple[Any, ...]) -> float:
    """Dropout rate among the arguments of ``torch.lstm``, ``torch.gru`` and the like.

    The rate follows ``num_layers``, the first integer of the arguments. Dropout acts between layers
    only, so the rate returned is 0 for a single layer.
    """
    layers = [i for i, a in enumerate(args) if isinstance(a, int) and not isinstance(a, bool)]
    return float(args[layers[0] + 1]) if layers and args[layers[0]] > 1 else 0.0


def dropout_rate(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> float:
    """Dropout rate among the arguments of scaled dot-product attention."""
    return float(args[4] if len(args) > 4 else kwargs.get("dropout_p", 0.0))


# torch switches a function mode off while the mode handles a call. To see the dropout calls inside
# multi-head attention, the mode runs a copy of that function with the mode switched on again. In
# the copy, has_torch_function returns False; otherwise the copy would pass its call to the mode.
attention = FunctionType(
    F.multi_head_attention_forward.__code__,
    {**F.multi_head_attention_forward.__globals__, "has_torch_function": lambda _: False},
    argdefs=F.multi_head_attention_forward.__defaults__,
)


RECURRENT = ("lstm", "gru", "rnn_tanh", "rnn_relu")

# Dropout function → (number of axes of a tensor with an item axis, so that torch takes one of fewer
# axes to have none, 0 where it always has one and ``None`` where no whole channels are dropped;
# whether it is alpha dropout).
DROPOUTS: dict[Any, tuple[int | None, bool]] = {
    F.dropout: (None, False),
    F.dropout1d: (3, False),
    F.dropout2d: (0, False),
    F.dropout3d: (5, False),
    F.alpha_dropout: (None, True),
    F.feature_alpha_dropout: (0, True),
    torch.dropout: (None, False),
    torch.dropout_: (None, False),
    torch.feature_dropout: (0, False),
    torch.feature_dropout_: (0, False),
    torch.alpha_dropout: (None, True),
    torch.alpha_dropout_: (None, True),
    torch.feature_alpha_dropout: (0, True),
    torch.feature_alpha_dropout_: (0, True),
}
#: Dropout functions that write their result into what they are given.
IN_PLACE = {
    torch.dropout_,
    torch.feature_dropout_,
    torch.alpha_dropout_,
    torch.feature_alpha_dropout_,
}


def is_dropout(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """Whether a call of a torch function is one of dropout, of a rate above 0."""
    if function in DROPOUTS:
        return float(args[1] if len(args) > 1 else kwargs.get("p", 0.5)) > 0
    if function is F.multi_head_attention_forward:
        return float(args[10] if len(args) > 10 else kwargs.get("dropout_p", 0.0)) > 0
    return function is F.scaled_dot_product_attention and dropout_rate(args, kwargs) > 0


def undropped(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    **others: Any,
) -> Tensor:
    """Attention without dropout, whatever its rate."""
    return F.scaled_dot_product_attention(query, key, value, attn_mask, 0.0, is_causal, **others)


class NoDropout(TorchFunctionMode):
    """Makes the dropout calls of a forward pass return what they are given."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in DROPOUTS:
            return args[0] if args else kwargs["input"]
        if func is F.multi_head_attention_forward:
            with self:
                return attention(*args, **(kwargs | {"training": False}))
        if func is F.scaled_dot_product_attention and dropout_rate(args, kwargs) > 0:
            return undropped(*args, **kwargs)
        return func(*args, **kwargs)
