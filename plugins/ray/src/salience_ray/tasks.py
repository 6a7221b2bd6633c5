"""What runs in the processes of Ray: one function, which keeps the worker that it has built.

The worker, the units and the results are pickled here and not by Ray, which would pickle classes
and functions of the user's script by value: a worker has its parts by name only.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Sequence
from typing import Any

import ray
import torch

from salience import InputError, outcome_of, tune_allocator
from salience.errors import brief

# Key of the worker that this process has built, and the worker. There is at most one.
_built: dict[str, Any] = {}


def explain(key: str, packed: Sequence[Any], on_gpu: bool, unit: bytes) -> bytes:
    """Explain a unit.

    Args:
        key: Tells the worker apart from others.
        packed: A reference to what :func:`pack` made, in a sequence, so that Ray does not fetch it
            where the worker is built already.
        on_gpu: Whether to use the first GPU that Ray lets this process see.
        unit: The unit, pickled.

    Returns:
        The result or the error, as :func:`salience.outcome_of` packs it.
    """
    return outcome_of(_explained, key, packed, on_gpu, unit)


def _explained(key: str, packed: Sequence[Any], on_gpu: bool, unit: bytes) -> Any:
    if key not in _built:
        _built.clear()
        tune_allocator()
        _built[key] = _unpacked(ray.get(packed[0]), on_gpu)
    return _built[key].explain(pickle.loads(unit))


def pack(worker: Any) -> bytes:
    """A worker, and the folders in which its modules are found, as bytes.

    Raises:
        Exception: The worker does not pickle.
    """
    return pickle.dumps((sys.path, pickle.dumps(worker)))


def _unpacked(packed: bytes, on_gpu: bool) -> Any:
    """The worker, built in this process.

    Raises:
        InputError: It cannot be built here.
    """
    path, worker = pickle.loads(packed)
    sys.path.extend(folder for folder in path if folder not in sys.path)
    try:
        built = pickle.loads(worker)
    except (AttributeError, ImportError) as error:
        raise InputError(
            f"the parts of the computation cannot be made in a process of Ray ({brief(error)}); "
            f"define classes and functions in a module that each node can import, not in the script"
        ) from error
    return built.on(torch.device("cuda", 0)) if on_gpu else built
