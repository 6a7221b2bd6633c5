"""Uncertainty of saliency: confidence intervals, p-values, significance and certainty.

The functions take a :class:`Saliency` and, where the test needs it, ``n_independent``, the number
of independent draws of each item, int64 of shape (B,). They return tensors of the shape of
``saliency.flat``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from salience.errors import InputError, brief
from salience.intake import real
from salience.results.saliency import Saliency


def interval(
    saliency: Saliency, n_independent: Tensor, level: float, of: str
) -> tuple[Tensor, Tensor]:
    """Student's t interval of the mean over draws or of a further draw.

    See :meth:`salience.Explanation.interval`.

    Args:
        saliency: The saliency.
        n_independent: Independent draws of each item.
        level: Share of such intervals that contain what they are of.
        of: ``"mean"`` or ``"draw"``.

    Raises:
        InputError: The level is not between 0 and 1, or an item has too few independent draws.
    """
    level = share(level, 0.95)
    number = _per_value(saliency, n_independent, of)
    half = _spread(saliency, number, of) * quantile(level, number)
    # Rounding to the precision of the saliency keeps the signs of the bounds, so that the interval
    # leaves out 0 exactly where the p-value is below 1 - level.
    values, dtype = saliency.flat.double(), saliency.flat.dtype
    return (values - half).to(dtype), (values + half).to(dtype)


def share(level: float, example: float) -> float:
    """A level between 0 and 1.

    Raises:
        InputError: It is none.
    """
    level = real(level, "level")
    if not 0 < level < 1:
        raise InputError(f"level={brief(level)}; pass a share between 0 and 1, such as {example}")
    return level


def quantile(level: float, number: Tensor) -> Tensor:
    """Half the width of a two-sided interval, in errors; float64 of the shape of ``number``.

    Args:
        level: Level of the interval.
        number: Independent draws, a few distinct numbers; 0 where unknown, which counts as many.
    """
    known, place = torch.unique(number, return_inverse=True)
    return torch.from_numpy(stats.t.ppf((1 + level) / 2, _freedom(known)))[place]


def p_values(saliency: Saliency, n_independent: Tensor, of: str) -> Tensor:
    """Two-sided p-values of "the saliency is 0"; see :meth:`Explanation.p_values`.

    Args:
        saliency: Signed saliency.
        n_independent: Independent draws of each item.
        of: ``"draw"`` for a test about a further draw, ``"mean"`` for one about the mean over
            draws.

    Raises:
        InputError: An item has too few independent draws.
    """
    number = _per_value(saliency, n_independent, of)
    ratio = (saliency.flat.double().abs() / _spread(saliency, number, of)).numpy()
    p = 2 * stats.t.sf(ratio, _freedom(number))
    # The ratio is 0 / 0 where a value is 0 in every draw; such a value does not differ from 0. It
    # is NaN, too, for items for which nothing was drawn; these were not tested.
    return torch.from_numpy(np.where(np.isnan(ratio), 1.0, p))


def significant(saliency: Saliency, n_independent: Tensor, of: str, level: float) -> Tensor:
    """Which values differ significantly from 0, bool; see :meth:`Explanation.significant`.

    Raises:
        InputError: As :func:`p_values`, or the level is not between 0 and 1.
    """
    level = share(level, 0.05)
    p = p_values(saliency, n_independent, of)
    counts = saliency.counts
    sizes = torch.ones(len(p), dtype=torch.int64, device="cpu") if counts is None else counts
    item = np.repeat(np.arange(len(sizes)), (sizes * p[:1].numel()).numpy())
    return torch.from_numpy(_discoveries(p.flatten().numpy(), item, level)).reshape(p.shape)


def _discoveries(
    p: NDArray[np.float64], item: NDArray[np.int64], level: float
) -> NDArray[np.bool_]:
    """The procedure of Benjamini and Hochberg, for each item by itself and all items at once.

    Of the n values of an item, sorted by p, those up to the last with p · n / rank ≤ level are
    found.

    Args:
        p: p-value of each value, those of each item side by side.
        item: Number of the item of each value, ascending.
        level: The false discovery rate.
    """
    if not len(p):
        return np.zeros(0, bool)
    order = np.lexsort((p, item))
    _, first, owner, counts = np.unique(
        item, return_index=True, return_inverse=True, return_counts=True
    )
    rank = np.arange(len(p)) - first[owner] + 1
    fits = p[order] * (counts[owner] / rank) <= level
    last = np.maximum.reduceat(np.where(fits, rank, 0), first)
    found = np.empty(len(p), bool)
    found[order] = rank <= last[owner]
    return found


def certainty_of_sign(saliency: Saliency, n_independent: Tensor, of: str) -> Tensor:
    """1 − p-value for signed saliency; all NaN where an item has a single independent draw."""
    if bool((n_independent == 1).any()):
        return torch.full_like(saliency.flat, torch.nan)
    return (1 - p_values(saliency, n_independent, of)).to(saliency.flat.dtype)


def certainty_of_magnitude(saliency: Saliency) -> Tensor:
    """1 − standard error / |saliency|, at least 0, for unsigned saliency; NaN for a single draw."""
    relative = saliency.flat_error / saliency.flat.abs()
    certainty = (1 - relative.nan_to_num(0.0)).clamp(0, 1)
    return certainty.masked_fill(saliency.flat_error.isnan(), torch.nan)


def _per_value(saliency: Saliency, n_independent: Tensor, of: str) -> Tensor:
    """Number of independent draws behind each value, broadcastable against ``saliency.flat``.

    Raises:
        InputError: An item has a single independent draw, or their number is unknown but needed.
    """
    if bool((n_independent == 1).any()):
        raise InputError(
            "a single draw says nothing of its error; pass a sampler and n_samples of 2 or more"
        )
    if of == "draw" and bool((n_independent == 0).any()):
        raise InputError(
            "how a further draw spreads follows from the standard error and the number of draws, "
            "which is unknown; pass n_samples to from_arrays, or ask for of='mean'"
        )
    return saliency.per_value(n_independent)


def _spread(saliency: Saliency, number: Tensor, of: str) -> Tensor:
    """Standard error of the mean or, for a further draw, of its difference from the mean.

    That difference has the variance number · error² + error², the sum of the variances of both.
    """
    errors = saliency.flat_error.double()
    return errors if of == "mean" else errors * (number.double() + 1).sqrt()


def _freedom(number: Tensor) -> Any:
    """Degrees of freedom of the errors of so many independent draws; 0 draws are unknown many."""
    return np.where(number.numpy() == 0, np.inf, number.numpy() - 1.0)
