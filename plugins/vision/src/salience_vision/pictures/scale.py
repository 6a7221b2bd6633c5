"""How the values of maps become colours: clipped, scaled, and shared between pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salience import Explanation, number_words, score_name
from salience.scalers import Scaler, Scaling, get_scaler

Pixels = NDArray[np.floating[Any]]

# The most items, and places of them, that are looked at for the scale of an explanation.
_LOOKED_AT, _PLACES = 32, 4_000_000


@dataclass(frozen=True)
class Scale:
    """How the values of some maps become colours.

    Args:
        bound: Magnitude above which colours do not change; ``None`` where none is above.
        scaling: The scaling of the clipped values.
        limit: The largest scaled magnitude, at which the colours end.
        signed: Whether the colours must distinguish negative from positive values.
    """

    bound: float | None
    scaling: Scaling
    limit: float
    signed: bool

    def __call__(self, values: Pixels) -> Pixels:
        """Scale the values of a map; those beyond the bound have the colour of the limit."""
        return self.scaling(values)

    @property
    def ends(self) -> str:
        """Which ends of a colour bar are arrows: matplotlib's parameter ``extend``."""
        return ("neither", "max", "both")[(self.bound is not None) * (1 + self.signed)]

    @property
    def words(self) -> str:
        """The magnitude at which colours end, in words."""
        return f"{'±' if self.signed else '0 to '}{number_words(self.limit)}"


#: What the picture of one item may share its scale with.
SCALES = ("explanation", "item")
#: The scale of shares of draws, which have a range of their own.
SHARES = Scale(None, Scaling(), 1.0, signed=False)


def scale_of(
    maps: Sequence[Pixels], scaler: str | Scaler, percentile: float, *, signed: bool
) -> Scale:
    """The scale that some maps share.

    Magnitudes are clipped at the percentile of the map in which it is largest. The scale is signed
    where any scaled value is negative, and where ``signed`` says so, unless the scaler shifts
    values.

    Args:
        maps: The maps, as computed.
        scaler: Name of a scaler, or a function.
        percentile: The percentile of the magnitudes of a map.
        signed: Whether any value of the explanation is negative.
    """
    sizes = [np.abs(values) for values in maps]
    tops = [float(size.max()) for size in sizes]
    # A map that is 0 nearly everywhere has a percentile of 0; clipping there would erase it.
    bounds = [
        float(np.percentile(size, percentile)) or top for size, top in zip(sizes, tops, strict=True)
    ]
    bound = max(bounds) if max(bounds) < max(tops) else None
    clipped = np.concatenate([values.ravel() for values in maps])
    if bound is not None:
        clipped = np.clip(clipped, -bound, bound)
    scaling = get_scaler(scaler)(clipped)
    scaled = scaling(clipped)
    is_signed = bool(scaled.min() < 0) or (scaling.offset == 0 and signed)
    return Scale(bound, scaling, float(np.abs(scaled).max()), is_signed)


def differ(scales: Sequence[Scale]) -> bool:
    """Whether scales end at different magnitudes."""
    limits = [scale.limit for scale in scales if scale.limit]
    return bool(limits) and max(limits) > min(limits) * (1 + 1e-6)


def looked_at(explanation: Explanation, size: int) -> list[int]:
    """The items that set the scale of an explanation: all, or evenly spaced ones of many.

    Args:
        explanation: The explanation.
        size: Number of places of an item.
    """
    n = len(explanation)
    number = min(n, _LOOKED_AT, max(1, _PLACES // max(size, 1)))
    return sorted({round(at) for at in np.linspace(0, n - 1, number)})


def looked_at_words(explanation: Explanation, size: int) -> str:
    """These items in words."""
    n, number = len(explanation), len(looked_at(explanation, size))
    return "all maps" if number == n else f"{number} of {n} maps"


def value_words(explanations: Sequence[Explanation], *, in_units: bool) -> str:
    """What values are, for the label of a colour bar.

    Args:
        explanations: The explanations that are drawn.
        in_units: Whether values are drawn as computed.
    """
    signed = all(explanation.signed for explanation in explanations)
    differences = any("minus" in explanation.provenance for explanation in explanations)
    what = "difference of saliency" if differences else "saliency"
    if not in_units:
        return what
    if not all(explanation.is_complete for explanation in explanations):
        return f"{what}, as computed"
    names = {score_name(explanation) for explanation in explanations}
    f = f"the {names.pop()}" if len(names) == 1 else "f"
    if not signed:
        return f"{what},\nin units of {f}"
    return f"{'difference in ' * differences}contribution to\n{f}"


_SCALED = {
    "abs_max": "{top} of {of} = 1",
    "min_max": "min of {of} = 0, max = 1",
    "normalize": "magnitudes of {of} sum to 1",
}


def bar_words(
    explanations: Sequence[Explanation],
    scaler: str | Scaler,
    of: str,
    *,
    percentile: float,
    clips: bool,
) -> str:
    """Label of the colour bar: what values are, and how they are scaled.

    Args:
        explanations: The explanations that are drawn.
        scaler: The scaler.
        of: What shares a scale, such as ``"all photos"``.
        percentile: The percentile at which values are clipped.
        clips: Whether any value is.
    """
    if scaler == "identity":
        return value_words(explanations, in_units=True)
    what = value_words(explanations, in_units=False)
    known = _SCALED.get(scaler, "scaled") if isinstance(scaler, str) else "scaled"
    top = f"percentile {percentile:g}" if clips else "largest"
    return f"{what},\n{known.format(top=top, of=of)}"
