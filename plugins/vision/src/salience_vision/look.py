"""The look that the maps of a figure share: colours, opacity, photos and the note on fading."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.colors import Colormap, Normalize
from numpy.typing import NDArray

from salience_vision.maps import Map, Pixels


@dataclass(frozen=True)
class Look:
    """The look that the maps of a figure share.

    Args:
        cmap: The colour map.
        norm: The range of values that the colour map spans.
        alpha: ``"fade"``, or one opacity for all values.
        backdrop: The photo in ``"colour"``, ``"dark"`` or ``"light"``.
        ends: Which ends of the colour bar are arrows: matplotlib's parameter ``extend``.
        below: Lines below the colour bar that explain the fading; empty where nothing fades.
    """

    cmap: Colormap
    norm: Normalize
    alpha: float | str
    backdrop: str
    ends: str
    below: tuple[str, ...]

    def opacity(self, values: Pixels, certainty: Pixels | None) -> Any:
        """Opacity of each value, an array of the shape of ``values``, or one number for all.

        Where ``alpha`` is ``"fade"``, the opacity of a value grows with its magnitude, from 0 at
        the value 0 to 1 at the largest value that the colours show. Certainty, from 0 to 1,
        multiplies the opacity.
        """
        base: Any = self.alpha
        if self.alpha == "fade":
            # An exponent below 1 makes weak saliency visible.
            base = np.clip(np.abs(values) / float(self.norm.vmax or 1), 0, 1) ** 0.75
        return base if certainty is None else base * certainty

    def toned(self, photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Tone the photo behind a map by ``backdrop``: unchanged, dim and nearly grey, or light."""
        if self.backdrop == "colour":
            return photo
        grey = (photo @ np.array([0.299, 0.587, 0.114]))[..., None]
        if self.backdrop == "dark":
            toned = 0.65 * (0.65 * grey + 0.35 * photo)
        else:
            # Grey, since red and blue parts of the photo could be mistaken for saliency.
            toned = np.broadcast_to(0.45 * 255 + 0.55 * grey, photo.shape)
        return np.asarray(np.rint(toned), dtype=np.uint8)


def words_for_fading(maps: Sequence[Map]) -> tuple[str, ...]:
    """Lines below the colour bar that explain the fading; empty where no map fades."""
    fading = [drawn for drawn in maps if drawn.certainty is not None]
    if not fading:
        return ()
    causes = {drawn.cause for drawn in fading}
    cause = causes.pop() if len(causes) == 1 else "uncertain"
    lines = ("certainty", *textwrap.wrap(f"faded: {cause}", 15))
    # A map of one draw is never faded; without this note it could be mistaken for a certain map.
    never = ("one draw:", "never faded")
    return lines if len(fading) == len(maps) else (*lines[:-1], f"{lines[-1]};", *never)
