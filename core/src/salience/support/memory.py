"""How long a pass took, and whether it did not fit into memory."""

from __future__ import annotations

import time

import torch

from salience.errors import InputError


def elapsed(began: float, device: torch.device) -> float:
    """Seconds since ``time.perf_counter()`` was ``began``, with the work of the device done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a pass did not fit; the CPU allocator's is a RuntimeError."""
    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )


def too_large(size: int) -> InputError:
    """The error for a single item that does not fit."""
    return InputError(
        f"a single item of size {size} does not fit into memory; "
        f"use a device with more memory or a smaller item"
    )
