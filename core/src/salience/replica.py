"""A private copy of a model's structure over the same weights.

Everything that explaining needs to change (training flags, ``requires_grad``, hooks, whatever a
forward writes to ``self``) is changed on the copy, which is thrown away. So there is nothing to
restore after an exception, and threads that explain one model do not meet.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from salience.errors import InputError, brief


def replicate(model: Any, device: torch.device | None = None) -> Any:
    """A copy of the model in eval mode whose parameters do not require grad.

    Parameters share the memory of the user's (unless moved to another device) and are only read.
    Buffers are copied, since a forward may write to them. A callable that is no module is returned
    as it is.

    Args:
        model: The user's model.
        device: Where the copy is to live; where the model is if ``None``.

    Raises:
        InputError: The model has lazy parameters that were never run, or cannot be copied.
    """
    if not isinstance(model, nn.Module):
        if isinstance(model, type):
            raise InputError(f"{model.__name__} is a class; pass an object, {model.__name__}(...)")
        if not callable(model):
            raise InputError(
                f"the model is a {type(model).__name__}; pass a torch.nn.Module or a function"
            )
        return model
    memo: dict[int, Any] = {}
    for name, parameter in model.named_parameters():
        if isinstance(parameter, nn.parameter.UninitializedParameter):
            raise InputError(f"parameter {name!r} of the model is lazy; run the model once before")
        # What was made in inference mode takes part in autograd only as a copy.
        values = parameter.clone() if parameter.is_inference() else parameter.detach()
        memo[id(parameter)] = nn.Parameter(values, requires_grad=False)
    try:
        with _Detaching():
            replica = copy.deepcopy(model, memo)
    except Exception as error:
        raise InputError(
            f"the model {type(model).__name__} cannot be copied ({type(error).__name__}: "
            f"{brief(error)}); "
            f"take what cannot be copied (locks, open files) out of it or give it a __deepcopy__"
        ) from error
    replica.eval()
    return replica if device is None else replica.to(device)


class _Detaching(TorchFunctionMode):
    """Lets deepcopy take tensors inside a graph, such as an activation that a forward has kept."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func is Tensor.__deepcopy__ and args[0].grad_fn is not None:
            tensor, memo = args
            return memo.setdefault(id(tensor), tensor.detach().clone())
        return func(*args, **(kwargs or {}))


def home(model: Any) -> tuple[torch.device, torch.dtype | None]:
    """Device of the model, and the dtype of its floating-point parameters if it has any."""
    if isinstance(model, nn.Module):
        for tensor in [*model.parameters(), *model.buffers()]:
            if tensor.is_floating_point():
                return tensor.device, tensor.dtype
    return torch.device("cpu"), None
