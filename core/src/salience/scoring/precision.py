"""The precision in which the model gets its data."""

from __future__ import annotations

import torch
from torch import Tensor

from salience.data.batch import Batch
from salience.model.probe import Probe
from salience.model.reach import refusing_strangers


def placed(batch: Batch, probe: Probe) -> Batch:
    """A batch on the device of a probe, its floating-point arguments in the dtype of the model.

    The dtype of the model is that of its first parameter. One of 16 bits would round what has more,
    so the arguments stay as they are where the model takes them so: it may convert them itself,
    after it has subtracted a mean, or it may have no more than an embedding in 16 bits.

    Args:
        batch: The items.
        probe: Runs the model; it is asked once.
    """
    if probe.dtype not in (torch.float16, torch.bfloat16) or not any(map(_is_wide, _own(batch))):
        return batch.to(probe.device, probe.dtype)
    if probe.rounds is None:
        probe.rounds = not _takes(probe, batch.select(torch.zeros(1, dtype=torch.int64)).batch())
    return batch.to(probe.device, probe.dtype if probe.rounds else None)


def _own(batch: Batch) -> list[Tensor]:
    return [value for value in batch.arguments.values() if isinstance(value, Tensor)]


def _is_wide(value: Tensor) -> bool:
    return value.is_floating_point() and value.dtype.itemsize > 2


def _takes(probe: Probe, batch: Batch) -> bool:
    """Whether the model runs on a batch whose precision is left as it is."""
    try:
        with torch.no_grad(), refusing_strangers(probe.model):
            probe.run(batch.to(probe.device, None))
    except Exception:  # the pass of the data in the model's dtype says what else is wrong
        return False
    return True
