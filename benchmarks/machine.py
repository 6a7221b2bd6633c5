"""The machine that figures are measured on, and its memory allocator."""

from __future__ import annotations

import ctypes
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

import salience

# Of glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_PACKAGES = ("salience", "torch", "captum", "torch_geometric", "numpy")


def tune_allocator() -> bool:
    """Keep freed memory in this process, instead of handing it back to the system and taking anew.

    By salience's own call where it has one, else by the same settings of glibc.

    Returns:
        Whether the allocator has these settings now; it has none where there is no glibc.
    """
    own = getattr(salience, "tune_allocator", None)
    if own is not None:
        return own() is not False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    # Blocks of up to 1 GiB come from the heap, and the heap never shrinks.
    return bool(mallopt(_M_MMAP_THRESHOLD, 2**30)) and bool(mallopt(_M_TRIM_THRESHOLD, 2**31 - 1))


def facts() -> list[str]:
    """Processor, cores, threads, memory and versions, a line each; no names of hosts or folders."""
    known = {name: _version(name) for name in _PACKAGES}
    busy = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return [
        f"Processor: {_processor()}, {cores} cores, {torch.get_num_threads()} threads of torch, "
        f"vectors by {torch.backends.cpu.get_cpu_capability()}",
        f"Memory: {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        f"System: {platform.system()}, {' '.join(platform.libc_ver())}, "
        f"Python {platform.python_version()}",
        "Versions: " + ", ".join(f"{name} {number}" for name, number in known.items()),
        f"Load before the start, over 1, 5 and 15 minutes: {busy}",
    ]


def available_memory() -> float:
    """Memory that can be had without swapping, in MB; infinite where it is not known."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return float("inf")
    found = {line.split(":")[0]: line.split()[1] for line in lines}
    return int(found["MemAvailable"]) / 1024


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
