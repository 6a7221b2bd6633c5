"""How sure a saliency is: intervals, p-values, and what is significant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from salience.errors import InputError

if TYPE_CHECKING:
    from salience.results.explanation import Explanation
from salience.results.saliency import Saliency


def confidence_interval(
    explanation: Explanation, saliency: Saliency, level: float
) -> tuple[Tensor, Tensor]:
    """Student's interval of the mean over draws, flat; see :meth:`Explanation.confidence_interval`.

    Raises:
        InputError: The level is not between 0 and 1, or there is one draw only.
    """
    if not 0 < level < 1:
        raise InputError(f"level={level!r}; pass a share between 0 and 1, such as 0.95")
    units = _units(explanation, saliency)
    reach = torch.from_numpy(stats.t.ppf((1 + level) / 2, units.numpy() - 1))
    half = saliency.flat_error * reach.to(saliency.flat.dtype)
    return saliency.flat - half, saliency.flat + half


def p_values(explanation: Explanation, saliency: Saliency) -> Tensor:
    """Two-sided p-values of "the saliency is 0", flat; see :meth:`Explanation.p_values`.

    Raises:
        InputError: There is one draw only, or the aggregator makes no mean of signed saliency.
    """
    units = _units(explanation, saliency).double()
    if not explanation.signed:
        name = explanation.provenance["aggregator"]["name"]
        raise InputError(
            f"the aggregator {name!r} makes no mean of signed saliency, which alone is 0 where "
            f"nothing matters; aggregate by 'raw' to test it"
        )
    errors = saliency.flat_error.double()
    if explanation.samples_parameters:
        # Of a further draw: its own spread, std² = units · error², and that of the mean, error².
        errors = errors * (units + 1).sqrt()
    ratio = (saliency.flat.double().abs() / errors).numpy()
    p = 2 * stats.t.sf(ratio, units.numpy() - 1)
    # 0 / 0: what is 0 in all the draws is nothing but 0.
    return torch.from_numpy(np.where(np.isnan(ratio), 1.0, p))


def significant(explanation: Explanation, saliency: Saliency, level: float) -> Tensor:
    """Positions that are not 0, flat; see :meth:`Explanation.significant`.

    Raises:
        InputError: As :func:`p_values`, or the level is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise InputError(f"level={level!r}; pass a share between 0 and 1, such as 0.05")
    p = p_values(explanation, saliency)
    counts = saliency.counts
    sizes = [1] * len(p) if counts is None else counts.tolist()
    adjusted = [
        torch.from_numpy(stats.false_discovery_control(item.flatten().numpy())).reshape(item.shape)
        if item.numel()
        else item
        for item in torch.split(p, sizes)
    ]
    return torch.cat(adjusted) <= level


def certainty(explanation: Explanation, saliency: Saliency) -> Tensor:
    """Between 0 and 1, flat; see :meth:`Explanation.certainty`."""
    if not explanation.signed:
        relative = saliency.flat_error / saliency.flat.abs()
        return (
            (1 - relative.nan_to_num(0.0))
            .clamp(0, 1)
            .masked_fill(saliency.flat_error.isnan(), torch.nan)
        )
    if int(explanation.units.min()) < 2:
        return torch.full_like(saliency.flat, torch.nan)
    return (1 - p_values(explanation, saliency)).to(saliency.flat.dtype)


def _units(explanation: Explanation, saliency: Saliency) -> Tensor:
    """Independent draws of each value's item, broadcastable against the flat values."""
    if int(explanation.units.min()) < 2:
        raise InputError(
            "a single draw says nothing of its error; pass a sampler and n_samples of 2 or more"
        )
    units = explanation.units
    if saliency.counts is not None:
        units = torch.repeat_interleave(units, saliency.counts)
    return units.reshape(-1, *[1] * (saliency.flat.ndim - 1))
