"""The look that the maps of a figure share: colours, opacity, photos and notes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize
from numpy.typing import NDArray

from salience_vision.pictures.hatching import draw_shares, hatch
from salience_vision.pictures.maps import Map
from salience_vision.pictures.scale import SHARES, Pixels, Scale

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
    """

    cmap: Colormap
    norm: Normalize
    alpha: float | str
    backdrop: str

    @property
    def limit(self) -> float:
        """The magnitude at which the colours end."""
        return float(self.norm.vmax or 1.0)

    def opacity(self, values: Pixels) -> Any:
        """Opacity of each value, an array of the shape of ``values``, or one number for all.

        Where ``alpha`` is ``"fade"``, the opacity of a value grows with its magnitude, from 0 at
        the value 0 to 1 at the largest value that the colours show.
        """
        if self.alpha != "fade":
            return self.alpha
        # An exponent below 1 makes weak saliency visible.
        return np.clip(np.abs(values) / self.limit, 0, 1) ** 0.75

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


def draw_map(axes: Axes, drawn: Map, look: Look, scale: Scale) -> None:
    """Draw a map over its photo, hatched or outlined where it says so.

    Args:
        axes: The axes.
        drawn: The map.
        look: The look of the figure.
        scale: The scale of the map; the colours of the look end at its limit.
    """
    if drawn.photo is not None and drawn.is_share:
        axes.imshow(replace(look, backdrop="grey").toned(drawn.photo))
        draw_shares(axes, drawn.scaled(SHARES))
        return
    values = drawn.scaled(scale, scale.limit / look.limit if scale.limit else 1.0)
    alpha: Any = None
    if drawn.photo is not None:
        axes.imshow(look.toned(drawn.photo))
        alpha = look.opacity(values)
    axes.imshow(values, cmap=look.cmap, norm=look.norm, alpha=alpha)
    if drawn.uncertain is not None and drawn.uncertain.any():
        hatch(axes, drawn.uncertain)


def notes_of(maps: Sequence[Map], more: str = "") -> tuple[str, ...]:
    """Sentences that explain hatching and contours; empty where there is none.

    Args:
        maps: The maps that are drawn.
        more: A further sentence.
    """
    found = list(dict.fromkeys(note for drawn in maps for note in drawn.notes))
    if len(maps) > 1:  # counts of single maps would be many
        found = [note for note in found if "FDR" not in note]
    if any(drawn.is_share for drawn in maps):
        found.append(f"yellow: among {_top(maps)} of places in 50 % of draws, red: in 95 %")
    found += [more] if more else []
    # Numbers stay with their units.
    return tuple(re.sub(r" (?=[%×=])|(?<=[×=]) ", "\N{NO-BREAK SPACE}", note) for note in found)


def share_label(maps: Sequence[Map]) -> str:
    """The label of the colours of shares of draws."""
    return f"share of draws among {_top(maps)}"


def _top(maps: Sequence[Map]) -> str:
    """Which places are the top ones of a draw: "the top 10 %"."""
    shares = dict.fromkeys(100 * drawn.top for drawn in maps if drawn.is_share)
    return "the top " + " or ".join(f"{share:.3g} %" for share in shares)
