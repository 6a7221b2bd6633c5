"""The look that the maps of a figure share: colours, opacity, photos and notes."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize
from numpy.typing import NDArray

from salience_vision.pictures.hatching import draw_shares, hatch
from salience_vision.pictures.maps import Map, Pixels

#: The colour map of saliency without signs.
PLAIN = "inferno"


@dataclass(frozen=True)
class Look:
    """The look that the maps of a figure share.

    Args:
        cmap: The colour map.
        norm: The range of values that the colour map spans.
        alpha: ``"fade"``, or one opacity for all values.
        backdrop: The photo in ``"colour"``, ``"grey"``, ``"dark"`` or ``"light"``.
        ends: Which ends of the colour bar are arrows: matplotlib's parameter ``extend``.
        below: Lines below the colour bar that explain hatching and contours.
        is_share: Whether all maps are shares of draws, which have a colour bar of steps.
    """

    cmap: Colormap
    norm: Normalize
    alpha: float | str
    backdrop: str
    ends: str
    below: tuple[str, ...]
    is_share: bool = False

    def opacity(self, values: Pixels) -> Any:
        """Opacity of each value, an array of the shape of ``values``, or one number for all.

        Where ``alpha`` is ``"fade"``, the opacity of a value grows with its magnitude, from 0 at
        the value 0 to 1 at the largest value that the colours show.
        """
        if self.alpha != "fade":
            return self.alpha
        # An exponent below 1 makes weak saliency visible.
        return np.clip(np.abs(values) / float(self.norm.vmax or 1), 0, 1) ** 0.75

    def toned(self, photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Tone the photo behind a map by ``backdrop``: as it is, grey, dim, or light grey."""
        if self.backdrop == "colour":
            return photo
        grey = (photo @ np.array([0.299, 0.587, 0.114]))[..., None]
        if self.backdrop == "grey":
            toned = np.broadcast_to(0.15 * 255 + 0.75 * grey, photo.shape)
        elif self.backdrop == "dark":
            toned = 0.65 * (0.65 * grey + 0.35 * photo)
        else:
            # Grey, since red and blue parts of the photo could be mistaken for saliency.
            toned = np.broadcast_to(0.45 * 255 + 0.55 * grey, photo.shape)
        return np.asarray(np.rint(toned), dtype=np.uint8)


def draw_map(axes: Axes, drawn: Map, look: Look) -> None:
    """Draw a map over its photo, hatched or outlined where it says so."""
    if drawn.is_share and drawn.photo is not None:
        axes.imshow(replace(look, backdrop="grey").toned(drawn.photo))
        draw_shares(axes, drawn.values)
        return
    alpha: Any = None
    if drawn.photo is not None:
        axes.imshow(look.toned(drawn.photo))
        alpha = look.opacity(drawn.values)
    axes.imshow(drawn.values, cmap=look.cmap, norm=look.norm, alpha=alpha)
    if drawn.uncertain is not None and drawn.uncertain.any():
        hatch(axes, drawn.uncertain)


def notes_below(maps: Sequence[Map]) -> tuple[str, ...]:
    """Lines below the colour bar that explain hatching and contours; empty where there is none."""
    found = list(dict.fromkeys(note for drawn in maps for note in drawn.notes))
    if len(maps) > 1:  # counts of single maps would be many
        found = [note for note in found if "FDR" not in note]
    if any(drawn.is_share for drawn in maps):
        found.append("yellow: among the top places in 50 % of draws, red: in 95 %")
    # Numbers stay with their units.
    kept = [re.sub(r" (?=[%×=])|(?<=[×=]) ", "\N{NO-BREAK SPACE}", note) for note in found]
    return tuple(line for note in kept for line in textwrap.wrap(note, 24))
