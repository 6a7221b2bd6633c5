"""The regions of a map: where saliency is large, with box, share and error of the share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects, label

from salience import Explanation, InputError, Samples
from salience.errors import brief, nearest

Pixels = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Region:
    """A connected region of large saliency.

    Args:
        box: Top, left, bottom and right (the last two exclusive), in places of the map.
        n_places: Number of places in the region.
        area: Share of the places of the map that lie in it.
        share: Share of the magnitudes of the map, Σ |s| in the region over Σ |s|.
        std_error: Standard error of the share over independent draws; NaN where draws were not
            kept, or there is only one.
    """

    box: tuple[int, int, int, int]
    n_places: int
    area: float
    share: float
    std_error: float


def regions(
    result: Explanation | Samples,
    item: int | str = 0,
    k: int = 5,
    *,
    top: float = 0.1,
    variable: str | None = None,
) -> list[Region]:
    """The k regions with the largest share of an item's saliency, largest first.

    A region is a set of neighbouring places (sides or corners touch) among the ``top`` share of
    the places by magnitude; places whose magnitude is 0 are in none. Where the draws were kept, by
    ``compute``, regions are those of the mean magnitude over draws and a share is a ratio of sums,
    R = Σ_m A_m / Σ_m B_m, of the magnitude A_m in the region and B_m in the map of draw m. Its
    standard error is that of the ratio of two means over M independent draws (antithetic or nested
    draws averaged before), √(Σ_m (A_m − R B_m)² / (M (M − 1))) / mean(B) (Cochran, "Sampling
    Techniques", 1977, section 6.3), for regions as they are found: their choice from the same draws
    is not in it. An explanation holds no draws, so that its shares have no error.

    Errors of the values are no way to it: places vary together, so that errors of sums come from
    sums of draws.

    The list makes a table: ``pandas.DataFrame(regions(samples, 0))``.

    Args:
        result: What :meth:`salience.Explainer.compute` returned, for shares with errors; or an
            explanation.
        item: Position of the item, or its id, where that is a string.
        k: The largest number of regions.
        top: Share of the places of the map from which regions are made.
        variable: Name of the target variable; may be omitted where only one was explained.

    Raises:
        InputError: The map has other axes than height and width, there is no such item or variable,
            or ``k`` or ``top`` is out of range.
    """
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise InputError(f"k is {brief(k)}; pass the largest number of regions, 1 or more")
    if isinstance(top, bool) or not isinstance(top, int | float) or not 0 < top <= 1:
        raise InputError(f"top is {brief(top)}; pass a share of places above 0 and up to 1")
    draws = _draws(result, item, variable)
    values = draws.mean(0)
    total = float(values.sum())
    if not math.isfinite(total):
        raise InputError("the map holds NaN or infinity; regions are made of finite saliency")
    found, _ = label(_top(values, float(top)), structure=np.ones((3, 3)))
    made = []
    for number, (rows, columns) in enumerate(find_objects(found), start=1):
        inside = found == number
        share, error = _ratio(draws[:, inside].sum(1), draws.sum((1, 2)))
        n_places = int(inside.sum())
        box = (int(rows.start), int(columns.start), int(rows.stop), int(columns.stop))
        made.append(Region(box, n_places, n_places / values.size, share, error))
    return sorted(made, key=lambda region: (-region.share, region.box))[:k]


def _top(values: Pixels, top: float) -> NDArray[np.bool_]:
    """The ⌈top · n⌉ largest places, those as large as the last of them, and none that is 0."""
    least_in = np.sort(values, axis=None)[-math.ceil(top * values.size)]
    return np.asarray((values >= least_in) & (values > 0))


def _ratio(inside: Pixels, every: Pixels) -> tuple[float, float]:
    """Ratio of the means over draws, and its standard error; NaN for a single draw."""
    count, share = len(inside), float(inside.sum() / every.sum())
    if count < 2:
        return share, math.nan
    off = inside - share * every
    error = math.sqrt(float((off**2).sum()) / (count * (count - 1))) / float(every.mean())
    return share, error


def _draws(result: Any, item: int | str, variable: str | None) -> Pixels:
    """Magnitudes of the independent draws of an item, of shape (M, height, width)."""
    if isinstance(result, Explanation):
        _check_aggregator(result)
        one = result.item(item)
        saliency = one.only if variable is None else one[variable]
        values = saliency.values[0].detach().cpu().double().numpy()[None]
    elif isinstance(result, Samples):
        values = _kept(result, item, variable)
    else:
        raise InputError(f"{brief(result, 60)} has no maps; pass an explanation or samples")
    if values.ndim != 3:
        raise InputError(
            f"regions are made of a map (height, width), but an item has the shape "
            f"{values.shape[1:]}; pick a target variable with these axes"
        )
    return np.asarray(np.abs(values))


def _check_aggregator(explanation: Explanation) -> None:
    record = explanation.provenance.get("aggregator")
    name = record.get("name") if isinstance(record, dict) else None
    if name in ("top_share", "sign"):
        raise InputError(
            f"the aggregator {name!r} counts draws, so that a sum of its values is no share of "
            f"saliency; make regions of samples, or of the aggregator 'abs' or 'raw'"
        )


def _kept(samples: Samples, item: int | str, variable: str | None) -> Pixels:
    """Magnitudes of the independent draws of an item of samples, summed over colours."""
    if variable is None and len(samples.draws) > 1:
        raise InputError(
            f"the samples have several target variables; {nearest('', samples.draws)}, as variable="
        )
    name = next(iter(samples.draws)) if variable is None else variable
    if name not in samples.draws:
        raise InputError(
            f"no target variable {brief(name)} was explained; {nearest(str(name), samples.draws)}"
        )
    if samples.groups is not None or samples.counts[name] is not None:
        raise InputError(
            "regions are made of samples whose items have one shape and are not pooled; pass the "
            "samples before pool, or an explanation"
        )
    layout = samples.domain.layout
    summed = {*layout.reduce, *layout.components}
    axes = tuple(i for i, axis in enumerate(samples.axes[name], start=1) if axis in summed)
    draws = samples.draws[name][:, _position(samples, item)].detach().cpu().double().abs()
    maps = draws.sum(axes) if axes else draws
    # Draws that depend on each other count as one.
    grouped = maps.reshape(-1, samples.design.group, *maps.shape[1:]).mean(1)
    return np.asarray(grouped)


def _position(samples: Samples, item: int | str) -> int:
    """Position of an item, given by position or id."""
    ids = samples.items.ids
    if isinstance(item, str):
        at = [i for i, own in enumerate(ids) if own == item]
        if len(at) != 1:
            raise InputError(
                f"{len(at)} items have the id {brief(item)}; pass the position of one, from 0 to "
                f"{len(ids) - 1}"
            )
        return at[0]
    if isinstance(item, bool) or not isinstance(item, int) or not -len(ids) <= item < len(ids):
        raise InputError(
            f"item is {brief(item)}; pass a position from 0 to {len(ids) - 1}, or an id"
        )
    return item
