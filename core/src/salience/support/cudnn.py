"""Recurrent networks on CUDA, run without cuDNN, which has no backward pass in eval mode."""

from __future__ import annotations

import threading
from typing import Any

import torch
from torch import nn

from salience.support.notices import tell

_lock = threading.Lock()
_inside = 0  # number of recurrent modules that run, in all threads
_enabled = True  # the user's setting, kept while they run


def run_without_cudnn(module: nn.Module) -> None:
    """Run a recurrent module without cuDNN, where it would use it; the user is told.

    Args:
        module: A module of a replica; hooks are registered on it where it is recurrent and on CUDA.
    """
    if isinstance(module, nn.RNNBase) and on_cuda(module):
        calls: list[None] = []  # those that have begun: another hook may raise before

        def enter(module: nn.Module, args: Any) -> None:
            calls.append(None)
            _enter()

        def leave(module: nn.Module, args: Any, result: Any) -> None:
            if calls:
                calls.pop()
                _leave()

        module.register_forward_pre_hook(enter)
        module.register_forward_hook(leave, always_call=True)
        tell(
            "cuDNN has no backward pass of recurrent networks in eval mode, so that the model's "
            "recurrent layers run without cuDNN, with the same numbers up to rounding and slower"
        )


def on_cuda(module: nn.Module) -> bool:
    """Whether the parameters of a module lie on a CUDA device."""
    return any(parameter.is_cuda for parameter in module.parameters())


def _enter() -> None:
    global _inside, _enabled
    with _lock:
        if _inside == 0:
            _enabled = torch.backends.cudnn.enabled
            torch.backends.cudnn.enabled = False
        _inside += 1


def _leave() -> None:
    global _inside
    with _lock:
        _inside -= 1
        if _inside == 0:
            torch.backends.cudnn.enabled = _enabled
