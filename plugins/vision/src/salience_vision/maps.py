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
        certainty: Certainty of each value, from 0 to 1, in the shape of ``values``; ``None`` where
            nothing fades.
        cause: The reason why pixels are uncertain, as text for the figure.
    """

    values: Pixels
    photo: NDArray[np.uint8] | None
    signed: bool
    clipped: bool
    peak: float
    certainty: Pixels | None
    cause: str

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
    fades: bool,
) -> Map:
    """Read the map of one item, or the mean map over all items.

    Values are clipped at the percentile and then scaled. The map is signed where any scaled value
    is negative. It is also signed where any value of the explanation is negative, unless the scaler
    shifts values, so that all items of the explanation have the same colours. Certainty is read
    where ``fades`` is true, the map has a photo and there are several draws.

    Args:
        explanation: The explanation.
        item: Index of the item; ``None`` for the mean over all items.
        variable: Name of the target variable; ``None`` where there is only one.
        scaler: The scaler of the values.
        percentile: The percentile of the magnitudes to which larger magnitudes are clipped.
        fades: Whether uncertain pixels fade into the photo.

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
    values, clipped = _clip(values, percentile)
    scaling = scaler(values)
    scaled = scaling(values)
    signed = bool(scaled.min() < 0) or (scaling.offset == 0 and bool((flat < 0).any()))
    peak = float(np.abs(scaled).max())
    photo = _photo(explanation, item)
    certainty, block = None, _block(explanation)
    if item is not None and photo is not None:
        scaled = _as_large_as(photo, scaled, block)
        sure = _certainty(explanation, item, variable) if fades else None
        certainty = None if sure is None else _as_large_as(photo, sure, block)
    elif block is not None and (first := _photo(explanation, 0)) is not None:
        scaled = _as_large_as(first, scaled, block)  # blocks are as wide as those of items
    cause = "large standard error"
    if explanation.signed:
        cause = f"0 is likely for {explanation.interval_about}"
    return Map(scaled, photo, signed, clipped, peak, certainty, cause)


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


def _certainty(explanation: Explanation, item: int, variable: str | None) -> Pixels | None:
    """Certainty of each value of an item, from 0 to 1; ``None`` for a single draw."""
    # Of this item only: a grid would otherwise recompute all items' p-values for each picture.
    certainty = explanation.item(item).certainty(variable)[0].detach().cpu().double().numpy()
    return None if np.isnan(certainty).any() else np.asarray(certainty)


def _block(explanation: Explanation) -> tuple[int, int] | None:
    """Height and width of the blocks of pixels that were pooled; ``None`` where none were."""
    pool = explanation.provenance.get("pool")
    size = pool.get("blocks") if isinstance(pool, Mapping) else None
    if size is None:
        return None
    height, width = (size, size) if isinstance(size, int) else size
    return int(height), int(width)


def _as_large_as(
    photo: NDArray[np.uint8], values: Pixels, block: tuple[int, int] | None = None
) -> Pixels:
    """Values at the pixels of a photo: of blocks, whose last ones may be smaller; else stretched.

    Args:
        photo: The photo.
        values: The map.
        block: Height and width of the blocks whose values these are, or ``None``.
    """
    height, width = photo.shape[:2]
    if values.shape == (height, width):
        return values
    if block is not None and values.shape == (-(-height // block[0]), -(-width // block[1])):
        return values.repeat(block[0], 0).repeat(block[1], 1)[:height, :width]
    small = Image.fromarray(values.astype(np.float32))
    return np.asarray(small.resize((width, height), Image.Resampling.BILINEAR))
