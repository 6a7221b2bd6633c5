"""The two-dimensional colour bar: saliency upwards, certainty to the right."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.colorbar import Colorbar

from salience_vision.look import Look

_STEPS = 256, 64


def fade(bar: Colorbar, look: Look) -> None:
    """Redraw the colour bar as the pixels of a map are drawn: faded by certainty, over grey.

    The axes of the bar then hold two images: in the back a grey photo, in front the colours of the
    values, with an opacity of shape (value, certainty).
    """
    low, high = float(look.norm.vmin or 0), float(look.norm.vmax or 1)
    values, certainty = np.meshgrid(
        np.linspace(low, high, _STEPS[0]), np.linspace(0, 1, _STEPS[1]), indexing="ij"
    )
    place: dict[str, Any] = {"extent": (0, 1, low, high), "aspect": "auto", "origin": "lower"}
    if bar.solids is not None:
        bar.solids.set_visible(False)
    bar.ax.imshow(look.toned(np.full((*values.shape, 3), 128, dtype=np.uint8)), **place)
    alpha = look.opacity(values, certainty)
    bar.ax.imshow(values, cmap=look.cmap, norm=look.norm, alpha=alpha, **place)
