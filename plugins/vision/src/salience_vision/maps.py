"""One saliency map, ready to draw: clipped, scaled and as large as its photo."""

from __future__ import annotations

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
    """What is drawn in one picture.

    Args:
        values: Scaled saliency of shape (height, width), as large as the photo.
        photo: uint8 of shape (height, width, 3), or ``None`` for a mean over items.
        signed: Whether negative saliency has to be told from positive.
        clipped: Whether magnitudes above the percentile were cut.
        peak: The largest magnitude, before a small map is upsampled.
        certainty: From 0 to 1, of the shape of the values; ``None`` where nothing fades.
        cause: What makes a pixel uncertain, in words.
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
    """The map of an item, or the mean over all of them where ``item`` is ``None``.

    The scaler sees the clipped values. Signs count where anything in the explanation is negative,
    so that all its items are drawn in the same colours. Certainty is read where the map ``fades``
    into a photo and several draws tell of it.

    Raises:
        InputError: The saliency has other axes than (item, height, width).
    """
    saliency = explanation.only if variable is None else explanation[variable]
    flat = saliency.flat
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
    certainty = None
    if item is not None and photo is not None:
        scaled = _as_large_as(photo, scaled)
        sure = _certainty(explanation, item, variable) if fades else None
        certainty = None if sure is None else _as_large_as(photo, sure)
    cause = "sign uncertain" if explanation.signed else "large standard error"
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
    """How sure each value of an item is, from 0 to 1; ``None`` for a single draw."""
    # Of this item alone: p-values of all the items would be made anew for each picture of a grid.
    certainty = explanation.item(item).certainty(variable)[0].detach().cpu().double().numpy()
    return None if np.isnan(certainty).any() else np.asarray(certainty)


def _as_large_as(photo: NDArray[np.uint8], values: Pixels) -> Pixels:
    if values.shape == photo.shape[:2]:
        return values
    small = Image.fromarray(values.astype(np.float32))
    size = photo.shape[1], photo.shape[0]
    return np.asarray(small.resize(size, Image.Resampling.BILINEAR))
