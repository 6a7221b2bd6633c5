"""Backward passes, and the check that their graph holds the whole forward pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.autograd.graph import disable_saved_tensors_hooks

from salience.errors import InputError, brief
from salience.support.notices import tell
from salience.support.raised import is_to_be_worded


class NoPathError(InputError):
    """Raised where autograd finds no way from the output to any target variable."""


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
    """Refuse forward passes that leave parts of the graph to be recomputed in the backward pass.

    In the backward pass the drawn weights, dropout masks and values of variables inside the model,
    with which the forward pass ran, are gone. torch would recompute with the weights of the model
    itself and without masks, and the result would be the gradient of another function.

    Raises:
        InputError: The model checkpoints its activations.
    """
    try:
        with disable_saved_tensors_hooks(_AGAIN):
            yield
    except RuntimeError as error:
        if is_recomputing(error):
            raise InputError(_AGAIN) from error
        raise


def is_recomputing(error: Exception) -> bool:
    """Whether a forward pass inside :func:`kept_whole` failed since it is to be run again."""
    return _AGAIN in str(error)


def gradients(scalars: Tensor, leaves: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Gradient of the sum of the scalars with respect to each leaf.

    Args:
        scalars: The output variable of each row, shape (R,).
        leaves: Target variable → its values, as leaves of the graph.

    Returns:
        Target variable → gradient of the leaf's shape; 0, which is told, where the scalars depend
        on other leaves only.

    Raises:
        InputError: The scalars depend on no leaf, or the model uses reentrant checkpointing.
    """
    if not scalars.requires_grad:
        raise _no_way(leaves)
    try:
        found = torch.autograd.grad(scalars.sum(), list(leaves.values()), allow_unused=True)
    except Exception as error:
        if "use_reentrant=True" in str(error):
            raise InputError(_REENTRANT) from error
        if not is_to_be_worded(error):
            raise
        raise InputError(
            f"the backward pass of the model failed, {type(error).__name__}: {brief(error)}; look "
            f"at its backward hooks and at operations in place, or use occlusion"
        ) from error
    unused = [name for name, gradient in zip(leaves, found, strict=True) if gradient is None]
    if len(unused) == len(leaves):
        raise _no_way(leaves)
    for name in unused:
        tell(
            f"The output does not depend on target variable {name!r} by autograd, so that its "
            f"gradient is 0."
        )
    return {
        name: torch.zeros_like(leaf) if gradient is None else gradient
        for (name, leaf), gradient in zip(leaves.items(), found, strict=True)
    }


def _no_way(leaves: Mapping[str, Tensor]) -> InputError:
    names = ", ".join(repr(name) for name in leaves)
    return NoPathError(
        f"the output variable does not depend on the target variable {names} by autograd; look "
        f"for detach, rounding, numpy or reentrant checkpointing on the way, or use occlusion"
    )
