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
    """

    values: Pixels
    photo: NDArray[np.uint8] | None
    signed: bool
    clipped: bool
    peak: float

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
) -> Map:
    """The map of an item, or the mean over all of them where ``item`` is ``None``.

    The scaler sees the clipped values. Signs count where anything in the explanation is negative,
    so that all its items are drawn in the same colours.

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
    if photo is not None and scaled.shape != photo.shape[:2]:
        small = Image.fromarray(scaled.astype(np.float32))
        size = photo.shape[1], photo.shape[0]
        scaled = np.asarray(small.resize(size, Image.Resampling.BILINEAR))
    return Map(scaled, photo, signed, clipped, peak)


def opacity(values: Pixels, limit: float) -> Pixels:
    """From 0 where saliency is 0 to 1 at the limit; the power lets weak saliency show."""
    fraction: Pixels = np.clip(np.abs(values) / limit, 0, 1) ** 0.75
    return fraction


def tone(photo: NDArray[np.uint8], backdrop: str) -> NDArray[np.uint8]:
    """The photo behind the map: in colour, dim with a trace of colour, or as a light grey."""
    if backdrop == "colour":
        return photo
    grey = (photo @ np.array([0.299, 0.587, 0.114]))[..., None]
    if backdrop == "dark":
        toned = 0.65 * (0.65 * grey + 0.35 * photo)
    else:
        # No colour here: red and blue parts of the photo would pass for saliency.
        toned = np.broadcast_to(0.45 * 255 + 0.55 * grey, photo.shape)
    return np.asarray(np.rint(toned), dtype=np.uint8)


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
