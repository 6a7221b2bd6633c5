"""What noise samplers that add to the target variable have in common."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from salience.errors import InputError
from salience.samplers.base import VariableDraw


def check_noise(scale: Any, mode: str, only: Any) -> None:
    """Refuse settings that no data can serve.

    Raises:
        InputError: The scale is negative or no number, the mode is unknown, or ``only`` is no
            mask.
    """
    if mode not in ("relative", "absolute"):
        raise InputError(f"mode={mode!r} is neither 'relative' nor 'absolute'")
    values = _tensor(scale, "scale")
    if values.dtype == torch.bool or not ((values >= 0) & values.isfinite()).all():
        raise InputError(f"scale={scale!r}; pass a number from 0, or one for each feature")
    if only is not None and _tensor(only, "only").dtype != torch.bool:
        raise InputError(f"only={only!r}; pass True where noise is to be added and False elsewhere")


def added(x: Tensor, noise: Tensor, draw: VariableDraw, scale: Any, mode: str, only: Any) -> Tensor:
    """X + scale · noise at real positions.

    Args:
        x: The target variable.
        noise: Of unit scale, shape of ``x``.
        draw: Tells of rows and padding.
        scale: A number, or numbers that broadcast against ``x`` without its item or element axis.
        mode: ``"absolute"``, or ``"relative"`` to the range of each item.
        only: A mask of positions that get noise, which broadcasts as ``scale`` does, or ``None``.

    Raises:
        InputError: The scale or the mask does not broadcast.
    """
    noise = noise.to(x.dtype) * _spread(scale, "scale", x, draw).to(x.dtype)
    if mode == "relative":
        noise *= draw.range(x)
    if only is not None:
        noise *= _spread(only, "only", x, draw)
    if draw.mask is not None:
        noise *= draw.mask
    return x + noise


def _spread(value: Any, name: str, x: Tensor, draw: VariableDraw) -> Tensor:
    """The value, made to broadcast against ``x``, whose rows it does not know."""
    made = _tensor(value, name).to(x.device)
    if made.ndim == 0:
        return made
    lead = draw.numbers.rows.source.layout.lead(draw.numbers.axes)
    assert lead is not None
    inner = tuple(length for i, length in enumerate(x.shape) if i != lead[0])
    try:
        return made.expand(inner).unsqueeze(lead[0])
    except RuntimeError as error:
        raise InputError(
            f"{name} of the noise has shape {tuple(made.shape)}, expected a number or what "
            f"broadcasts against {inner}, the shape of a target variable without its {lead[1]} axis"
        ) from error


def _tensor(value: Any, name: str) -> Tensor:
    try:
        # By numpy, which keeps the digits of a plain number.
        return value if isinstance(value, Tensor) else torch.from_numpy(np.asarray(value))
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{name}={value!r} of the noise is no number and no array") from error
