"""The machine that figures are measured on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

_PACKAGES = ("salience", "torch", "captum", "torch_geometric", "numpy")


def facts() -> list[str]:
    """Processor, cores, threads, memory and versions, a line each; no names of hosts or folders."""
    known = {name: _version(name) for name in _PACKAGES}
    load = os.getloadavg()
    busy = " (other work was going on: figures are rough)" if load[0] > 0.5 else ""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return [
        f"Processor: {_processor()}; cores: {cores}; torch's threads: {torch.get_num_threads()}; "
        f"vectors: {torch.backends.cpu.get_cpu_capability()}",
        f"Memory: {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        f"System: {platform.system()}, {' '.join(platform.libc_ver())}, "
        f"Python {platform.python_version()}",
        "Versions: " + ", ".join(f"{name} {number}" for name, number in known.items()),
        f"Load over 1, 5 and 15 minutes before the start: "
        f"{', '.join(f'{value:.1f}' for value in load)}{busy}",
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
