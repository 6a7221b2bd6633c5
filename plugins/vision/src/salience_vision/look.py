"""What the maps of one figure share: colours, opacity, the photo behind them, words for fading."""

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
    """How the maps of a figure look.

    Args:
        cmap: The colour map.
        norm: The range of values that it spans.
        alpha: ``"fade"``, or one opacity.
        backdrop: The photo in ``"colour"``, ``"dark"`` or ``"light"``.
        ends: Which ends of the colour bar are arrows, in matplotlib's words.
        below: What fading means, line by line; empty where nothing fades.
    """

    cmap: Colormap
    norm: Normalize
    alpha: float | str
    backdrop: str
    ends: str
    below: tuple[str, ...]

    def opacity(self, values: Pixels, certainty: Pixels | None) -> Any:
        """An opacity for each value, of their shape, or one number for all.

        Where ``alpha`` is ``"fade"`` it goes from 0 where a value is 0 to 1 at the end of the
        range; certainty, from 0 to 1, multiplies it.
        """
        base: Any = self.alpha
        if self.alpha == "fade":
            # The power lets weak saliency show.
            base = np.clip(np.abs(values) / float(self.norm.vmax or 1), 0, 1) ** 0.75
        return base if certainty is None else base * certainty

    def toned(self, photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The photo behind a map: in colour, dim with a trace of colour, or as a light grey."""
        if self.backdrop == "colour":
            return photo
        grey = (photo @ np.array([0.299, 0.587, 0.114]))[..., None]
        if self.backdrop == "dark":
            toned = 0.65 * (0.65 * grey + 0.35 * photo)
        else:
            # No colour here: red and blue parts of the photo would pass for saliency.
            toned = np.broadcast_to(0.45 * 255 + 0.55 * grey, photo.shape)
        return np.asarray(np.rint(toned), dtype=np.uint8)


def words_for_fading(maps: Sequence[Map]) -> tuple[str, ...]:
    """What stands below the colour bar; nothing where no map fades."""
    fading = [drawn for drawn in maps if drawn.certainty is not None]
    if not fading:
        return ()
    causes = {drawn.cause for drawn in fading}
    cause = causes.pop() if len(causes) == 1 else "uncertain"
    lines = ("certainty", *textwrap.wrap(f"faded: {cause}", 15))
    # Else a map of one draw, which is drawn in full, would pass for a certain one.
    never = ("one draw:", "never faded")
    return lines if len(fading) == len(maps) else (*lines[:-1], f"{lines[-1]};", *never)
