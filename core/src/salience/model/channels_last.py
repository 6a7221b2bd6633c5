"""Convolution weights and images with channels last in memory, for cheaper passes on CPUs."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ChannelsLast:
    """The memory format of a replica's convolution weights and of its 4-dimensional arguments.

    Args:
        root: The replica. Its convolutions get new weights, which hold the same numbers; the user's
            weights are not written to.
    """

    def __init__(self, root: nn.Module) -> None:
        # A reparametrised weight is no parameter: it is computed anew in each pass.
        self._convolutions = [
            m for m in root.modules() if isinstance(m, nn.Conv2d) and "weight" in m._parameters
        ]
        self._applied = False

    @property
    def has_convolutions(self) -> bool:
        """Whether there is a convolution whose weight can be laid out."""
        return bool(self._convolutions)

    def apply(self) -> None:
        """Lay out the weights, and from now on the arguments, with channels last."""
        self._applied = True
        for module in self._convolutions:
            weight = module.weight.detach().contiguous(memory_format=torch.channels_last)
            module.weight = nn.Parameter(weight, requires_grad=False)

    def copy(self, tensor: Tensor) -> Tensor:
        """Copy an argument of the model, with channels last where these are applied."""
        if self._applied and tensor.ndim == 4:
            return tensor.clone(memory_format=torch.channels_last)
        return tensor.clone()
