"""A lever on Linux: let the C library keep the memory that a forward pass frees."""

from __future__ import annotations

import ctypes
import platform

# From glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_GIB = 1 << 30


def tune_allocator() -> bool:
    """Stop glibc from handing large blocks back to the system after every forward pass.

    On a CPU each pass otherwise pays for new pages. Measured on 2 cores, 32 gradients of
    EfficientNet-Lite0 in passes of 8 took 0.70 of the time (page faults fell from 315 000 to
    under 1 000). The price: memory once used by the process stays with it, up to its peak.

    It holds for the whole process, so a library does not do it for you; the command line does.
    Calling it again changes nothing.

    Returns:
        Whether it was done: ``False`` where the C library is not glibc.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_M_MMAP_THRESHOLD, _GIB)) and bool(
        mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1)
    )
