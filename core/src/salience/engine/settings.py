"""The settings of an explainer: what is explained, and on which devices."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import torch

from salience.data.domain import Domain
from salience.errors import InputError, brief
from salience.model.outputs import Output
from salience.model.speedups import SPEEDUPS
from salience.shown import ShortRepr


@dataclass(frozen=True, kw_only=True)
class Settings(ShortRepr):
    """The arguments of :class:`salience.Explainer`, made and checked.

    Args:
        model: The user's model.
        domain: The domain.
        target: The target variable(s), as the user named them.
        output: The output variable.
        max_rows: Largest number of rows in one forward pass, or ``"auto"``.
        devices: Devices to run on; ``None`` among them for the model's own.
        precision: ``"full"`` or ``"bf16"``.
        speedups: Names of the speed-ups that may be used.
    """

    model: Any
    domain: Domain
    target: Any
    output: Output
    max_rows: int | str = "auto"
    devices: tuple[torch.device | None, ...] = (None,)
    precision: str = "full"
    speedups: Collection[str] = SPEEDUPS


def _device(device: Any) -> torch.device:
    try:
        # torch reports a missing device only when a tensor is made on it.
        number = int(device) if isinstance(device, Integral) else device
        found = torch.empty(0, device=number).device
    except (RuntimeError, AssertionError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"device {brief(device)} cannot be used ({brief(error)}); pass 'cpu', or leave it out"
        ) from error
    if found.type == "meta":
        raise InputError("device 'meta' holds no values; pass 'cpu', or leave it out")
    return found


def devices_of(device: Any) -> tuple[torch.device | None, ...]:
    """The devices to run on, at least one; ``None`` stands for the model's own device.

    Args:
        device: A device, also by its number as in ``torch.device(0)``, a sequence of them, or
            ``None``.

    Raises:
        InputError: A device cannot be used, or the sequence is empty.
    """
    single = isinstance(device, str | torch.device | Integral) and not isinstance(device, bool)
    if device is None or single:
        return (None if device is None else _device(device),)
    if not isinstance(device, Sequence):
        raise InputError(f"device is {brief(device)}; pass a device or a sequence of them")
    devices = tuple(_device(one) for one in device)
    if not devices:
        raise InputError("device is empty; pass a device, some of them, or leave it out")
    return devices
