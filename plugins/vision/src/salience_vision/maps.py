"""The saliency map of a picture, ready to draw: clipped, scaled and as large as its photo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from salience import Explanation, InputError
from salience.scalers import Scaler

Pixels = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Map:
    """One saliency map, with its photo and its certainty, ready to draw.

    Args:
        values: Scaled saliency of shape (height, width), as large as the photo.
        photo: uint8 of shape (height, width, 3), or ``None`` for a mean over items.
        signed: Whether the colours must distinguish negative from positive saliency.
        clipped: Whether magnitudes above the percentile were clipped to it.
        peak: The largest magnitude of the scaled saliency, before a small map is upsampled.
        uncertain: Places whose sign is uncertain (p ≥ .05), bool of the shape of ``values``;
            ``None`` where signs are not tested.
        notes: What the map and its hatching say, in words.
        is_share: Whether values are the shares of draws of the aggregator ``top_share``.
    """

    values: Pixels
    photo: NDArray[np.uint8] | None
    signed: bool
    clipped: bool
    peak: float
    uncertain: NDArray[np.bool_] | None
    notes: tuple[str, ...] = ()
    is_share: bool = False

    @property
    def ratio(self) -> float:
        """Width over height."""
        return float(self.values.shape[1] / self.values.shape[0])


def read_map(
    explanation: Explanation,
    item: int | None,
    variable: str | None,
    scaler: Scaler,
    percentile: float,
    hatches: bool,
) -> Map:
    """Read the map of one item, or the mean map over all items.

    Values are clipped at the percentile and then scaled. The map is signed where any scaled value
    is negative. It is also signed where any value of the explanation is negative, unless the scaler
    shifts values, so that all items of the explanation have the same colours. Signs are tested
    where ``hatches`` is true, the aggregator keeps them and there are several draws.

    Args:
        explanation: The explanation.
        item: Index of the item; ``None`` for the mean over all items.
        variable: Name of the target variable; ``None`` where there is only one.
        scaler: The scaler of the values.
        percentile: The percentile of the magnitudes to which larger magnitudes are clipped.
        hatches: Whether places whose sign is uncertain are marked.

    Raises:
        InputError: The saliency has other axes than (item, height, width).
    """
    saliency = explanation.only if variable is None else explanation[variable]
    flat = saliency.flat
    if saliency.names is not None:
        raise InputError(
            "an overlay draws maps, and not sums of groups; pool by salience.Blocks(16), whose "
            "sums are a map, or read the groups in to_dataframe()"
        )
    if saliency.counts is not None or flat.ndim != 3:
        raise InputError(
            f"an overlay draws saliency of shape (item, height, width), but got "
            f"{tuple(flat.shape)}; pick a target variable with the axes height and width"
        )
    values = (flat.mean(0) if item is None else flat[item]).detach().cpu().double().numpy()
    is_share = _is_share(explanation)
    if is_share:  # a share has its own range, from 0 to 1
        clipped, scaled, signed = False, values, False
    else:
        values, clipped = _clip(values, percentile)
        scaling = scaler(values)
        scaled = scaling(values)
        signed = bool(scaled.min() < 0) or (scaling.offset == 0 and bool((flat < 0).any()))
    peak = 1.0 if is_share else float(np.abs(scaled).max())
    photo, uncertain = _photo(explanation, item), None
    notes: tuple[str, ...] = ()
    if item is not None and hatches and not is_share:
        uncertain, notes = _uncertain(explanation, item, variable)
    block = _block(explanation)
    if item is not None and photo is not None:
        scaled = _as_large_as(photo, scaled, block)
        if uncertain is not None:
            uncertain = _as_large_as(photo, uncertain.astype(float), block, smooth=False) > 0.5
    elif block is not None and (first := _photo(explanation, 0)) is not None:
        scaled = _as_large_as(first, scaled, block)  # blocks are as wide as those of items
    return Map(scaled, photo, signed, clipped, peak, uncertain, notes, is_share)


def _is_share(explanation: Explanation) -> bool:
    aggregator = explanation.provenance.get("aggregator")
    return isinstance(aggregator, dict) and aggregator.get("name") == "top_share"


def _clip(values: Pixels, percentile: float) -> tuple[Pixels, bool]:
    size = np.abs(values)
    bound = float(np.percentile(size, percentile))
    # A map that is 0 nearly everywhere has a percentile of 0; clipping there would erase it.
    if bound == 0 or bound >= float(size.max()):
        return values, False
    return np.clip(values, -bound, bound), True


def _photo(explanation: Explanation, item: int | None) -> NDArray[np.uint8] | None:
    if item is None or not explanation.annotations:
        return None
    image = explanation.annotations[item].get("image")
    return None if image is None else np.asarray(image, dtype=np.uint8)


def _uncertain(
    explanation: Explanation, item: int, variable: str | None
) -> tuple[NDArray[np.bool_] | None, tuple[str, ...]]:
    """Places of an item whose sign is uncertain, and what that says; ``None`` if not tested."""
    # Of this item only: a grid would otherwise compute all items' p-values for each picture.
    one = explanation.item(item)
    saliency = one.only if variable is None else one[variable]
    if not one.signed or not bool(saliency.flat_error.isfinite().any()):
        return None, ()
    uncertain = one.p_values(variable)[0].detach().cpu().numpy() >= 0.05
    found = one.significant(0.05, variable)[0]
    notes = (
        f"hatched: the 95 % interval of {one.interval_about} holds 0",
        f"{int(found.sum())} of {found.numel()} places at FDR 5 %",
    )
    return uncertain, notes


def _block(explanation: Explanation) -> tuple[int, int] | None:
    """Height and width of the blocks of pixels that were pooled; ``None`` where none were."""
    pool = explanation.provenance.get("pool")
    size = pool.get("blocks") if isinstance(pool, Mapping) else None
    if size is None:
        return None
    height, width = (size, size) if isinstance(size, int) else size
    return int(height), int(width)


def _as_large_as(
    photo: NDArray[np.uint8],
    values: Pixels,
    block: tuple[int, int] | None = None,
    *,
    smooth: bool = True,
) -> Pixels:
    """Values at the pixels of a photo: of blocks, whose last ones may be smaller; else stretched.

    Args:
        photo: The photo.
        values: The map.
        block: Height and width of the blocks whose values these are, or ``None``.
        smooth: Whether values between those of the map are interpolated.
    """
    height, width = photo.shape[:2]
    if values.shape == (height, width):
        return values
    if block is not None and values.shape == (-(-height // block[0]), -(-width // block[1])):
        return values.repeat(block[0], 0).repeat(block[1], 1)[:height, :width]
    small = Image.fromarray(values.astype(np.float32))
    method = Image.Resampling.BILINEAR if smooth else Image.Resampling.NEAREST
    return np.asarray(small.resize((width, height), method))
