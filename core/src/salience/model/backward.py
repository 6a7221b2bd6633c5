"""Backward passes, and the graphs that they need whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.autograd.graph import disable_saved_tensors_hooks

from salience.errors import InputError

_AGAIN = (
    "the model runs parts of its forward again in the backward pass (torch.utils.checkpoint), "
    "where drawn parameters and variables inside the model would be missed; turn checkpointing off "
    "in the model, or use occlusion"
)
_REENTRANT = (
    "the model checkpoints with use_reentrant=True, which gives no gradient of an input; turn "
    "checkpointing off in the model, or use occlusion"
)


@contextmanager
def kept_whole() -> Iterator[None]:
    """Refuse forward passes whose graph forgets parts, to be run again in the backward pass.

    By then what the forward ran with, drawn weights, dropout masks or a variable inside the model,
    is gone: torch would go on with the model's own, and the gradient would be another function's.

    Raises:
        InputError: The model checkpoints its activations.
    """
    try:
        with disable_saved_tensors_hooks(_AGAIN):
            yield
    except RuntimeError as error:
        if _AGAIN in str(error):
            raise InputError(_AGAIN) from error
        raise


def gradients(scalars: Tensor, leaves: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Gradient of the sum of the scalars with respect to each leaf; 0 where it plays no part.

    Raises:
        InputError: Autograd finds no way from the scalars to any leaf.
    """
    if not scalars.requires_grad:
        names = ", ".join(repr(name) for name in leaves)
        raise InputError(
            f"the output variable does not depend on the target variable {names} by autograd; look "
            f"for detach, rounding, numpy or reentrant checkpointing on the way, or use occlusion"
        )
    try:
        found = torch.autograd.grad(scalars.sum(), list(leaves.values()), allow_unused=True)
    except RuntimeError as error:
        if "use_reentrant=True" in str(error):
            raise InputError(_REENTRANT) from error
        raise
    return {
        name: torch.zeros_like(leaf) if gradient is None else gradient
        for (name, leaf), gradient in zip(leaves.items(), found, strict=True)
    }
