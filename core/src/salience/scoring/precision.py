"""The precision in which the model gets its data."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from salience.data.batch import Batch
from salience.model.probe import Probe
from salience.model.reach import refusing_strangers
from salience.support.notices import tell

# Rounding by a larger share of the range of a number over the items is told.
_SHARE = 0.01


def placed(batch: Batch, probe: Probe) -> Batch:
    """A batch on the device of a probe, its floating-point arguments in the dtype of the model.

    The dtype of the model is that of its first parameter. One of 16 bits would round what has more,
    so the arguments stay as they are where the model takes them so: it may convert them itself,
    after it has subtracted a mean, or it may have no more than an embedding in 16 bits. Where
    rounding leaves little of how items differ, that is told.

    Args:
        batch: The items.
        probe: Runs the model; it is asked once.
    """
    rounded = _rounded(batch, probe.dtype)
    if rounded and probe.rounds is None:
        row = batch.select(torch.zeros(1, dtype=torch.int64)).batch()
        probe.rounds = probe.dtype == torch.float32 or not _takes(probe, row)
        if probe.rounds:
            _tell_rounding(batch, rounded, probe.dtype)
    return batch.to(probe.device, None if rounded and not probe.rounds else probe.dtype)


def _rounded(batch: Batch, dtype: torch.dtype | None) -> dict[str, Tensor]:
    """The arguments that have more bits than a dtype of floating-point numbers, by name."""
    if dtype is None:
        return {}
    return {
        name: value
        for name, value in batch.arguments.items()
        if isinstance(value, Tensor)
        and value.is_floating_point()
        and value.dtype.itemsize > dtype.itemsize
    }


def _takes(probe: Probe, batch: Batch) -> bool:
    """Whether the model runs on a batch whose precision is left as it is."""
    try:
        with torch.no_grad(), refusing_strangers(probe.model):
            probe.run(batch.to(probe.device, None))
    except Exception:  # the pass of the data in the model's dtype says what else is wrong
        return False
    return True


def _tell_rounding(
    batch: Batch, arguments: Mapping[str, Tensor], dtype: torch.dtype | None
) -> None:
    """Tell of arguments whose items differ hardly more than rounding moves them."""
    for name, value in arguments.items():
        axes = batch.layout.fields[name].axes
        if not batch.layout.has_rows(axes) or batch.n_items < 2:
            continue
        axis = batch.layout.row_axis(axes)[0]
        moved = (value - value.to(dtype)).abs().amax(axis)
        spread = value.amax(axis) - value.amin(axis)
        if bool(((moved > _SHARE * spread) & (spread > 0)).any()):
            short = str(dtype).removeprefix("torch.")
            tell(
                f"the model's precision, {short}, rounds numbers of argument {name!r} by more than "
                f"{_SHARE:.0%} of the range in which they lie, such as time stamps; subtract an "
                f"offset before, or pass the model in double precision"
            )
