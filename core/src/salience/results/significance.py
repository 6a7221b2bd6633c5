"""Uncertainty of saliency: confidence intervals, p-values, significance and certainty.

The functions take a :class:`Saliency` and, where the test needs it, ``n_independent``, the number
of independent draws of each item, int64 of shape (B,). They return tensors of the shape of
``saliency.flat``.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from salience.errors import InputError, brief
from salience.intake import real
from salience.results.saliency import Saliency


def confidence_interval(
    saliency: Saliency, n_independent: Tensor, level: float
) -> tuple[Tensor, Tensor]:
    """Student's t interval of the mean over draws; see :meth:`Explanation.confidence_interval`.

    Raises:
        InputError: The level is not between 0 and 1, or an item has fewer than two independent
            draws.
    """
    level = real(level, "level")
    if not 0 < level < 1:
        raise InputError(f"level={brief(level)}; pass a share between 0 and 1, such as 0.95")
    number = _per_value(saliency, n_independent)
    reach = torch.from_numpy(stats.t.ppf((1 + level) / 2, number.numpy() - 1))
    half = saliency.flat_error * reach.to(saliency.flat.dtype)
    return saliency.flat - half, saliency.flat + half


def p_values(saliency: Saliency, n_independent: Tensor, samples_parameters: bool) -> Tensor:
    """Two-sided p-values of "the saliency is 0"; see :meth:`Explanation.p_values`.

    Args:
        saliency: Signed saliency.
        n_independent: Independent draws of each item.
        samples_parameters: Whether parameters of the model were drawn; the test is then about a
            further draw of the parameters instead of the mean over draws.

    Raises:
        InputError: An item has fewer than two independent draws.
    """
    number = _per_value(saliency, n_independent).double()
    errors = saliency.flat_error.double()
    if samples_parameters:
        # The difference between a further draw and the mean has the variance number · error² +
        # error², the sum of the variances of both.
        errors = errors * (number + 1).sqrt()
    ratio = (saliency.flat.double().abs() / errors).numpy()
    p = 2 * stats.t.sf(ratio, number.numpy() - 1)
    # The ratio is 0 / 0 where a value is 0 in every draw; such a value does not differ from 0. It
    # is NaN, too, for items for which nothing was drawn; these were not tested.
    return torch.from_numpy(np.where(np.isnan(ratio), 1.0, p))


def significant(
    saliency: Saliency, n_independent: Tensor, samples_parameters: bool, level: float
) -> Tensor:
    """Which values differ significantly from 0, bool; see :meth:`Explanation.significant`.

    Raises:
        InputError: As :func:`p_values`, or the level is not between 0 and 1.
    """
    level = real(level, "level")
    if not 0 < level < 1:
        raise InputError(f"level={brief(level)}; pass a share between 0 and 1, such as 0.05")
    p = p_values(saliency, n_independent, samples_parameters)
    counts = saliency.counts
    sizes = [1] * len(p) if counts is None else counts.tolist()
    adjusted = [
        torch.from_numpy(stats.false_discovery_control(item.flatten().numpy())).reshape(item.shape)
        if item.numel()
        else item
        for item in torch.split(p, sizes)
    ]
    return torch.cat(adjusted) <= level


def certainty_of_sign(
    saliency: Saliency, n_independent: Tensor, samples_parameters: bool
) -> Tensor:
    """1 − p-value for signed saliency; all NaN where an item has a single independent draw."""
    if int(n_independent.min()) < 2:
        return torch.full_like(saliency.flat, torch.nan)
    return (1 - p_values(saliency, n_independent, samples_parameters)).to(saliency.flat.dtype)


def certainty_of_magnitude(saliency: Saliency) -> Tensor:
    """1 − standard error / |saliency|, at least 0, for unsigned saliency; NaN for a single draw."""
    relative = saliency.flat_error / saliency.flat.abs()
    certainty = (1 - relative.nan_to_num(0.0)).clamp(0, 1)
    return certainty.masked_fill(saliency.flat_error.isnan(), torch.nan)


def _per_value(saliency: Saliency, n_independent: Tensor) -> Tensor:
    """Number of independent draws behind each value, broadcastable against ``saliency.flat``.

    Raises:
        InputError: An item has fewer than two independent draws.
    """
    if int(n_independent.min()) < 2:
        raise InputError(
            "a single draw says nothing of its error; pass a sampler and n_samples of 2 or more"
        )
    return saliency.per_value(n_independent)
