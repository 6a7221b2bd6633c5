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
from salience_vision.pictures.smoothing import Smoothing, spread

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
    *,
    hatches: bool,
    smoothing: Smoothing | None = None,
) -> Map:
    """Read the map of one item, or the mean map over all items.

    Values are smoothed, clipped at the percentile and then scaled. The map is signed where any
    scaled value is negative. It is also signed where any value of the explanation is negative,
    unless the scaler shifts values, so that all items of the explanation have the same colours.
    Signs are tested where ``hatches`` is true, the aggregator keeps them and there are several
    draws; not those of smoothed maps, whose errors are unknown.

    Args:
        explanation: The explanation.
        item: Index of the item; ``None`` for the mean over all items.
        variable: Name of the target variable; ``None`` where there is only one.
        scaler: The scaler of the values.
        percentile: The percentile of the magnitudes to which larger magnitudes are clipped.
        hatches: Whether places whose sign is uncertain are marked.
        smoothing: How the map is smoothed; ``None`` for not at all.

    Raises:
        InputError: The saliency has other axes than (item, height, width), or shares of draws are
            to be smoothed.
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
    is_share, notes = is_top_share(explanation), _notes(explanation)
    if smoothing is not None:
        if is_share:
            raise InputError(
                "shares of draws are not smoothed, since a sum of shares is no share; leave out "
                "smooth, or aggregate by 'abs'"
            )
        values, notes = smoothing(values), (*notes, smoothing.words)
    if is_share:  # a share has its own range, from 0 to 1
        clipped, scaled, signed = False, values, False
    else:
        values, clipped = _clip(values, percentile)
        scaling = scaler(values)
        scaled = scaling(values)
        signed = bool(scaled.min() < 0) or (scaling.offset == 0 and bool((flat < 0).any()))
    peak = 1.0 if is_share else float(np.abs(scaled).max())
    photo, uncertain = photo_of(explanation, item), None
    if item is not None and hatches and not is_share and smoothing is None:
        uncertain, tested = uncertain_places(explanation, item, variable)
        notes = (*tested, *notes)
    if photo is not None and scaled.shape != photo.shape[:2]:
        shape = photo.shape[:2]
        enlarged = _Enlarged.of(explanation, scaled.shape, shape)
        if not enlarged.has_edges:
            notes = (*notes, f"upsampled from {scaled.shape[0]} × {scaled.shape[1]} places")
        smooth = smoothing is None or smoothing.kind == "gaussian"
        scaled = enlarged(scaled, smooth=smooth)
        if uncertain is not None:
            uncertain = enlarged(uncertain.astype(float), smooth=False) > 0.5
    elif item is None and blocks_of(explanation) and explanation.annotations:
        first = photo_of(explanation, 0)  # blocks are as wide as those of items
        if first is not None:
            scaled = _Enlarged.of(explanation, scaled.shape, first.shape[:2])(scaled, smooth=False)
    return Map(scaled, photo, signed, clipped, peak, uncertain, notes, is_share)


def _notes(explanation: Explanation) -> tuple[str, ...]:
    """What is said of the positions of a map, where these are blocks."""
    size = blocks_of(explanation)
    return () if not size else (f"sums of blocks of {size[0]} × {size[-1]} places",)


def blocks_of(explanation: Explanation) -> tuple[int, ...]:
    """Length of the blocks that were pooled along each axis, or one for all; empty for none."""
    pool = explanation.provenance.get("pool")
    size = pool.get("blocks", ()) if isinstance(pool, Mapping) else ()
    return (int(size),) if isinstance(size, int) else tuple(int(side) for side in size)


def is_top_share(explanation: Explanation) -> bool:
    """Whether values are the shares of draws of the aggregator ``top_share``."""
    aggregator = explanation.provenance.get("aggregator")
    return isinstance(aggregator, dict) and aggregator.get("name") == "top_share"


def _clip(values: Pixels, percentile: float) -> tuple[Pixels, bool]:
    size = np.abs(values)
    bound = float(np.percentile(size, percentile))
    # A map that is 0 nearly everywhere has a percentile of 0; clipping there would erase it.
    if bound == 0 or bound >= float(size.max()):
        return values, False
    return np.clip(values, -bound, bound), True


def photo_of(explanation: Explanation, item: int | None) -> NDArray[np.uint8] | None:
    """The photo of an item, uint8 of shape (height, width, 3); ``None`` where it has none."""
    if item is None or not explanation.annotations:
        return None
    image = explanation.annotations[item].get("image")
    return None if image is None else np.asarray(image, dtype=np.uint8)


def uncertain_places(
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


@dataclass(frozen=True)
class _Enlarged:
    """How a map is brought to the size of its photo.

    Args:
        shape: Height and width of the photo.
        blocks: Height and width of the blocks whose sums the map holds; ``None`` where each value
            of the map has an equal part of the photo.
        has_edges: Whether the values are those of blocks, which have edges. The values of a layer
            lie at the middle of what it saw.
    """

    shape: tuple[int, int]
    blocks: tuple[int, int] | None
    has_edges: bool

    @staticmethod
    def of(explanation: Explanation, small: tuple[int, ...], shape: tuple[int, int]) -> _Enlarged:
        """How a map of the shape ``small`` is brought to ``shape``."""
        sides = blocks_of(explanation)
        if not sides:
            return _Enlarged(shape, None, has_edges=False)
        blocks = sides[0], sides[-1]
        # Of the photo's own places, where the numbers of blocks say so, or of a layer's.
        own = all(n == -(-s // b) for n, s, b in zip(small, shape, blocks, strict=True))
        return _Enlarged(shape, blocks if own else None, has_edges=True)

    def __call__(self, values: Pixels, *, smooth: bool) -> Pixels:
        """Enlarge a map, bilinearly where ``smooth`` is true and values have no edges."""
        if self.blocks is not None:
            return spread(values, self.blocks, self.shape)
        kind = Image.Resampling
        kept = kind.BILINEAR if smooth and not self.has_edges else kind.NEAREST
        small = Image.fromarray(values.astype(np.float32))
        return np.asarray(small.resize(self.shape[::-1], kept))
