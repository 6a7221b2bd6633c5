"""Base class of noise that is added to the target variable."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from salience.errors import InputError, brief
from salience.intake import array
from salience.samplers.base import LARGEST_SCALE, NoiseSampler, VariableDraw
from salience.samplers.keyed import Numbers
from salience.support.notices import tell
from salience.support.numerics import at_least_float32

# A column is judged by so many rows, and if so many of them differ from the one before.
_LOOKED_AT, _FEWEST = 64, 8


@dataclass(frozen=True)
class AdditiveNoise(NoiseSampler):
    """Adds noise to the target variable: x' = x + scale · ε at real positions.

    ε comes from :meth:`unit`, which subclasses define.

    Args:
        scale: A number, or an array that broadcasts against the target variable without its item
            or element axis.
        mode: ``"absolute"`` for the equation above, or ``"relative"``, where ``scale`` is
            multiplied by max − min of the item over its real positions and all axes.
        only: Positions that get noise, a boolean array that broadcasts as ``scale`` does; all
            where ``None``.
        antithetic: Draws come in pairs, x + n and x − n (Hammersley and Morton, "A new Monte Carlo
            technique: antithetic variates", 1956). The part of the saliency that is linear in the
            noise cancels in the mean of a pair. Standard errors are computed from the means of
            pairs, which are independent.

    Raises:
        InputError: The scale is negative, the mode unknown, or ``only`` not boolean.
    """

    scale: Any = 0.15
    mode: str = "relative"
    only: Any = None
    antithetic: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mode not in ("relative", "absolute"):
            raise InputError(f"mode={brief(self.mode)} is neither 'relative' nor 'absolute'")
        values = array(self.scale, "scale of the noise")
        if values.dtype == torch.bool or not ((values >= 0) & (values < LARGEST_SCALE)).all():
            raise InputError(
                f"scale={brief(self.scale)}; pass a number from 0 to {LARGEST_SCALE:g}, or one for "
                f"each feature"
            )
        if self.only is not None and array(self.only, "only of the noise").dtype != torch.bool:
            raise InputError(
                f"only={brief(self.only)}; pass True where noise is to be added and False elsewhere"
            )

    @abstractmethod
    def unit(self, numbers: Numbers) -> Tensor:
        """Random ε of unit scale for every position, of shape ``numbers.shape``."""

    def __call__(self, x: Tensor, draw: VariableDraw) -> Tensor:
        """Add noise to the real positions of ``x``; ε depends only on the draw, not on ``x``."""
        # The range of 16-bit numbers may be none of them.
        values = at_least_float32(x)
        scale = _spread(self.scale, "scale", x, draw).to(values.dtype)
        noise = self.unit(draw.numbers).to(values.dtype) * scale
        if self.mode == "relative":
            # An item without any real position has the range −∞.
            extent = draw.view.range(values).clamp(min=0)
            noise *= draw.view.spread(extent)
            _tell_of_ranges(values, scale, extent, draw)
        if self.only is not None:
            noise *= _spread(self.only, "only", x, draw)
        if draw.view.mask is not None:
            noise *= draw.view.mask
        if draw.sign is not None:
            noise *= draw.sign
        return (values + noise).to(x.dtype)


def _tell_of_ranges(x: Tensor, scale: Tensor, extent: Tensor, draw: VariableDraw) -> None:
    """Tell where noise relative to the range of an item is none, or drowns one of its columns.

    Args:
        x: The values before noise.
        scale: The noise's scale, which broadcasts against ``x``.
        extent: Range of each row.
        draw: The rows.
    """
    if bool((extent == 0).any()):
        tell(
            "noise relative to the range of an item is none where all its values are equal: its "
            "draws are the same and say nothing of certainty; pass mode='absolute' with a scale in "
            "the units of the data"
        )
    if x.ndim != 2 or draw.view.mask is not None or draw.view.ragged is not None:
        return
    columns = x[:_LOOKED_AT].sort(0).values
    varied = (columns.diff(dim=0) != 0).sum(0) >= _FEWEST
    if bool(((scale * extent).mean(0) > columns[-1] - columns[0])[varied].any()):
        tell(
            "noise relative to the range of an item is larger than the whole range of one of its "
            "columns, which it drowns; standardise the columns, or pass mode='absolute' and a "
            "scale for each column"
        )


def _spread(value: Any, name: str, x: Tensor, draw: VariableDraw) -> Tensor:
    """Convert a setting, which has no row axis, to a tensor that broadcasts against ``x``.

    Raises:
        InputError: The setting is no number and no array, or its shape does not fit ``x``.
    """
    made = array(value, f"{name} of the noise").to(x.device)
    if made.ndim == 0:
        return made
    inner = draw.view.without_rows(x.shape)
    try:
        return made.expand(inner).unsqueeze(draw.view.row_axis)
    except RuntimeError as error:
        axis = draw.view.ragged or "item"
        raise InputError(
            f"{name} of the noise has shape {tuple(made.shape)}, expected a number or what "
            f"broadcasts against {inner}, the shape of a target variable without its {axis} axis"
        ) from error
