"""The saliency map of a picture, with its photo and what is uncertain in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from salience import Explanation, InputError
from salience_vision.pictures.scale import Pixels, Scale
from salience_vision.pictures.smoothing import Smoothing, spread


@dataclass(frozen=True, eq=False)
class Map:
    """One saliency map as computed, with its photo and its certainty.

    Args:
        values: Saliency of shape (height, width), smoothed where that is asked for.
        photo: uint8 of shape (height, width, 3), or ``None`` where there is none.
        signed: Whether any value of the explanation is negative.
        uncertain: Places whose sign is uncertain (p ≥ .05), bool, as large as the photo; ``None``
            where signs are not tested.
        notes: What the map and its hatching say, in words.
        is_share: Whether values are shares of draws, of the aggregator ``top_share``.
        enlarged: How the map is brought to the size of its photo; ``None`` where it has that size.
        smooth: Whether values between places are interpolated then.
        top: Share of the places of a photo that are its top places in a draw, of shares of draws.
    """

    values: Pixels
    photo: NDArray[np.uint8] | None = None
    signed: bool = False
    uncertain: NDArray[np.bool_] | None = None
    notes: tuple[str, ...] = ()
    is_share: bool = False
    enlarged: Enlarged | None = None
    smooth: bool = True
    top: float = 0.1

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the picture."""
        height, width = self.values.shape if self.enlarged is None else self.enlarged.shape
        return height, width

    @property
    def ratio(self) -> float:
        """Width over height of the picture."""
        return self.shape[1] / self.shape[0]

    @property
    def is_contours(self) -> bool:
        """Whether the map is drawn as contours over its photo."""
        return self.is_share and self.photo is not None

    def bare(self) -> Map:
        """Shares of draws as a map without a photo; other maps as they are."""
        return replace(self, photo=None) if self.is_share else self

    def is_faint(self, scale: Scale) -> bool:
        """Whether all places but one in a hundred have less than half of the scale's limit."""
        size = np.abs(scale(self.values))
        return 0 < float(np.percentile(size, 99)) < 0.5 * scale.limit

    def scaled(self, scale: Scale, unit: float = 1.0) -> Pixels:
        """The scaled values, as large as the photo.

        Args:
            scale: How values are clipped and scaled.
            unit: Number by which they are divided then.
        """
        values = scale(self.values) / unit
        return values if self.enlarged is None else self.enlarged(values, smooth=self.smooth)


def read_map(
    explanation: Explanation,
    item: int | None,
    variable: str | None,
    *,
    hatches: bool,
    counted: bool = True,
    smoothing: Smoothing | None = None,
) -> Map:
    """Read the map of one item, or the mean map over all items.

    Signs are tested where ``hatches`` is true, the aggregator keeps them and there are several
    draws; not those of smoothed maps, whose errors are unknown.

    Args:
        explanation: The explanation.
        item: Index of the item; ``None`` for the mean over all items.
        variable: Name of the target variable; ``None`` where there is only one.
        hatches: Whether places whose sign is uncertain are marked.
        counted: Whether a note says how many places differ from 0 by false discovery rate.
        smoothing: How the map is smoothed; ``None`` for not at all.

    Raises:
        InputError: The saliency has other axes than (item, height, width), or shares of draws are
            to be smoothed.
    """
    flat = _flat(explanation, variable)
    values = _values(flat, item)
    is_share, notes = is_top_share(explanation), _notes(explanation)
    if smoothing is not None:
        if is_share:
            raise InputError(
                "shares of draws are not smoothed, since a sum of shares is no share; leave out "
                "smooth, or aggregate by 'abs'"
            )
        values, notes = smoothing(values), (*notes, smoothing.words)
    uncertain = None
    if item is not None and hatches and not is_share and smoothing is None:
        uncertain, tested = uncertain_places(explanation, item, variable, counted=counted)
        notes = (*tested, *notes)
    smooth = smoothing is None or smoothing.kind == "gaussian"
    signed = not is_share and bool((flat < 0).any())
    top = explanation.provenance["aggregator"]["share"] if is_share else Map.top
    drawn = Map(values, None, signed, uncertain, notes, is_share, smooth=smooth, top=top)
    return _over_photo(drawn, explanation, item)


def faint_words(maps: Sequence[Map], scales: Sequence[Scale], mend: str) -> str:
    """What is said where a map has only faint colours on the scale that it shares."""
    for drawn, scale in zip(maps, scales, strict=True):
        if not drawn.is_share and drawn.is_faint(scale):
            return f"faint on the shared scale: {mend} scales each map by itself"
    return ""


def map_values(
    explanation: Explanation, item: int, variable: str | None, smoothing: Smoothing | None
) -> Pixels:
    """The values of the map of an item, smoothed where that is asked for."""
    values = _values(_flat(explanation, variable), item)
    return values if smoothing is None else smoothing(values)


def read_shares(explanation: Explanation, item: int, variable: str | None) -> Map | None:
    """The share of draws in which each place of an item is among the top; ``None`` if unknown."""
    saliency = explanation.only if variable is None else explanation[variable]
    shares = saliency.flat_parts.get("top_share")
    if shares is None or shares.ndim != 3:
        return None
    drawn = Map(_values(shares, item), notes=_notes(explanation), is_share=True, smooth=False)
    return _over_photo(drawn, explanation, item)


def refusal_of(explanation: Explanation, variable: str | None) -> str | None:
    """Why no map shows a target variable of an explanation; ``None`` where one does."""
    try:
        saliency = explanation.only if variable is None else explanation[variable]
    except InputError as error:  # there are several variables, or none of that name
        return str(error)
    if saliency.names is not None:
        return (
            "an overlay draws maps, and not sums of groups; pool by salience.Blocks(16), whose "
            "sums are a map, or read the groups in to_dataframe()"
        )
    shape = tuple(saliency.flat.shape)
    if saliency.counts is not None or len(shape) != 3:
        return (
            f"an overlay draws saliency of shape (item, height, width), but got {shape}; pick a "
            f"target variable with the axes height and width"
        )
    return None


def _flat(explanation: Explanation, variable: str | None) -> Tensor:
    if reason := refusal_of(explanation, variable):
        raise InputError(reason)
    return (explanation.only if variable is None else explanation[variable]).flat


def _values(flat: Tensor, item: int | None) -> Pixels:
    one = flat.mean(0) if item is None else flat[item]
    return np.asarray(one.detach().cpu().double())


def _over_photo(drawn: Map, explanation: Explanation, item: int | None) -> Map:
    """The map with its photo, to whose size it is brought."""
    photo, small = photo_of(explanation, item), drawn.values.shape
    if photo is None:
        if item is not None or not blocks_of(explanation) or not explanation.annotations:
            return drawn
        first = photo_of(explanation, 0)  # blocks are as wide as those of items
        if first is None:
            return drawn
        return replace(
            drawn, enlarged=Enlarged.of(explanation, small, first.shape[:2]), smooth=False
        )
    shape = photo.shape[:2]
    if small == shape:
        return replace(drawn, photo=photo)
    enlarged, notes, uncertain = Enlarged.of(explanation, small, shape), drawn.notes, None
    if not enlarged.has_edges and not drawn.is_share:
        notes = (*notes, f"upsampled from {small[0]} × {small[1]} places")
    if drawn.uncertain is not None:
        uncertain = enlarged(drawn.uncertain.astype(float), smooth=False) > 0.5
    return replace(drawn, photo=photo, enlarged=enlarged, notes=notes, uncertain=uncertain)


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


def photo_of(explanation: Explanation, item: int | None) -> NDArray[np.uint8] | None:
    """The photo of an item, uint8 of shape (height, width, 3); ``None`` where it has none."""
    if item is None or not explanation.annotations:
        return None
    image = explanation.annotations[item].get("image")
    return None if image is None else np.asarray(image, dtype=np.uint8)


def uncertain_places(
    explanation: Explanation, item: int, variable: str | None, *, counted: bool = True
) -> tuple[NDArray[np.bool_] | None, tuple[str, ...]]:
    """Places of an item whose sign is uncertain, and what that says; ``None`` if not tested.

    Args:
        explanation: The explanation.
        item: Index of the item.
        variable: Name of the target variable; ``None`` where there is only one.
        counted: Whether to say how many places differ from 0 by false discovery rate.
    """
    # Of this item only: a grid would otherwise compute all items' p-values for each picture.
    one = explanation.item(item)
    saliency = one.only if variable is None else one[variable]
    if not one.signed or not bool(saliency.flat_error.isfinite().any()):
        return None, ()
    # Where p is .05 or more, without the p-values, which take longer than the picture's axes.
    low, high = (bound[0].detach().cpu().numpy() for bound in one.interval(0.95, variable=variable))
    uncertain = ~((low > 0) | (high < 0))
    said = f"hatched: the 95 % interval of {one.interval_about} holds 0"
    if not counted:
        return uncertain, (said,)
    found = one.significant(0.05, variable)[0]
    return uncertain, (said, f"{int(found.sum())} of {found.numel()} places at FDR 5 %")


@dataclass(frozen=True)
class Enlarged:
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
    def of(explanation: Explanation, small: tuple[int, ...], shape: tuple[int, int]) -> Enlarged:
        """How a map of the shape ``small`` is brought to ``shape``."""
        sides = blocks_of(explanation)
        if not sides:
            return Enlarged(shape, None, has_edges=False)
        blocks = sides[0], sides[-1]
        # Of the photo's own places, where the numbers of blocks say so, or of a layer's.
        own = all(n == -(-s // b) for n, s, b in zip(small, shape, blocks, strict=True))
        return Enlarged(shape, blocks if own else None, has_edges=True)

    def __call__(self, values: Pixels, *, smooth: bool) -> Pixels:
        """Enlarge a map, bilinearly where ``smooth`` is true and values have no edges."""
        if self.blocks is not None:
            return spread(values, self.blocks, self.shape)
        kind = Image.Resampling
        kept = kind.BILINEAR if smooth and not self.has_edges else kind.NEAREST
        small = Image.fromarray(values.astype(np.float32))
        return np.asarray(small.resize(self.shape[::-1], kept))
