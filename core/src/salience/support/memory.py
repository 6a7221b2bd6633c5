"""Duration of a pass, and recognising and reporting that a pass did not fit into memory."""

from __future__ import annotations

import functools
import os
import time

import torch

from salience.errors import InputError


def elapsed(began: float, device: torch.device) -> float:
    """Wait for the device's work; return the seconds since ``perf_counter()`` gave ``began``."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out; the CPU allocator raises a plain RuntimeError."""
    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )


@functools.cache
def physical() -> float:
    """Bytes of the machine's memory; infinite where the system does not say."""
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):  # not on this system
        return float("inf")


def too_large(size: int) -> InputError:
    """The error for a single item of this size that does not fit into memory."""
    return InputError(
        f"a single item of size {size} does not fit into memory; "
        f"use a device with more memory or a smaller item"
    )
