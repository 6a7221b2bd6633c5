"""What ``salience doctor`` prints: what is installed, where it runs, and what changes that."""

from __future__ import annotations

import importlib
import json
import os
import platform
import time
from collections.abc import Mapping
from importlib import metadata
from typing import Any

import click
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from salience.errors import InputError, brief
from salience.hookspecs import GROUP
from salience.plugins import host

#: Variables that change what salience, torch and matplotlib do. No other is printed.
VARIABLES = (
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_LAUNCH_BLOCKING",
    "CUDA_VISIBLE_DEVICES",
    "KMP_AFFINITY",
    "LD_PRELOAD",
    "MALLOC_ARENA_MAX",
    "MKL_NUM_THREADS",
    "MPLBACKEND",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "PYTHONHASHSEED",
    "PYTORCH_CUDA_ALLOC_CONF",
    "PYTORCH_ENABLE_MPS_FALLBACK",
    "SALIENCE_PLUGINS",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
    "TORCH_NUM_THREADS",
)


def examine(*, as_json: bool) -> None:
    """Print what a report of a fault needs; the argument is the command's option."""
    found = {
        "system": _system(),
        "plugins": _plugins(),
        "seconds to import": {name: _seconds(name) for name in ("torch", "salience.explainer")},
        "torch": _torch(),
        "versions": _versions(),
        "environment": {name: os.environ[name] for name in VARIABLES if name in os.environ},
    }
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for head, entries in found.items():
        click.echo(click.style(head, bold=True))
        width = max(map(len, entries), default=0)
        for name, value in entries.items():
            click.echo(f"  {name:{width}}  {value}")


def _system() -> dict[str, Any]:
    affinity = getattr(os, "sched_getaffinity", None)
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": platform.platform(),
        "cores": len(affinity(0)) if affinity else os.cpu_count(),
    }


def _plugins() -> dict[str, str]:
    try:
        records = host().records
    except InputError as error:
        return {"none is loaded": str(error)}
    return {
        record.name: f"{record.distribution} {record.version}  {record.error or record.status}"
        f"  {1000 * record.seconds:.1f} ms"
        for record in records
    }


def _seconds(module: str) -> float | str:
    """Time that importing a module takes here, after those before it; or why it cannot be."""
    began = time.perf_counter()
    try:
        importlib.import_module(module)
    except Exception as error:  # a broken installation is what a report may be about
        return f"cannot be imported: {type(error).__name__}: {brief(error)}"
    return round(time.perf_counter() - began, 3)


def _torch() -> dict[str, Any]:
    try:
        import torch
    except Exception as error:
        return {"error": f"{type(error).__name__}: {brief(error)}"}
    cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    devices = ["cpu", *(f"cuda:{i} {torch.cuda.get_device_name(i)}" for i in range(cuda))]
    if torch.backends.mps.is_available():
        devices.append("mps")
    cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
    return {
        "threads": torch.get_num_threads(),
        "threads between operations": torch.get_num_interop_threads(),
        "devices": ", ".join(devices),
        "cuda": torch.version.cuda or "not built in",
        "cudnn": str(cudnn or "not built in"),
        "default dtype": str(torch.get_default_dtype()),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "tf32": f"matmul {torch.backends.cuda.matmul.allow_tf32}, "
        f"cudnn {torch.backends.cudnn.allow_tf32}",
    }


def _versions() -> Mapping[str, str]:
    """Versions of salience, of its plugins, and of what they ask for, where it is installed."""
    installed = {canonicalize_name(dist.name): dist.version for dist in metadata.distributions()}
    plugins = (point.dist for point in metadata.entry_points(group=GROUP))
    own = {
        canonicalize_name("salience"),
        *(canonicalize_name(dist.name) for dist in plugins if dist is not None),
    }
    own |= {name for name in installed if name.startswith("salience-")}
    lines = [line for name in own for line in metadata.requires(name) or ()]
    asked = own | {canonicalize_name(Requirement(line).name) for line in lines}
    return {name: installed.get(name, "not installed") for name in sorted(asked)}
