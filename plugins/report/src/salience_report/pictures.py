"""Pictures as data addresses: photos below maps, and figures of visualizers."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from salience import Explanation

# Pixels of the longer side of a photo, its JPEG quality, and pixels of a figure.
_SIDE, _QUALITY, _WIDTH = 224, 70, 640


def photo(pixels: Any) -> str:
    """A photo, uint8 of shape (height, width, 3), as a small JPEG."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.thumbnail((_SIDE, _SIDE), Image.Resampling.BILINEAR)
    return _jpeg(image, _QUALITY)


def figure(explanation: Explanation, item: int) -> str:
    """The picture that the visualizer draws of an item, as PNG or, where it is smaller, JPEG.

    Raises:
        InputError: The domain has no visualizer, or it cannot draw the item.
    """
    drawn, stream = explanation.visualize(item), BytesIO()
    options: dict[str, Any] = {}
    if hasattr(drawn, "get_facecolor"):  # a style of matplotlib may have another for files
        options["facecolor"] = "auto"
    if hasattr(drawn, "get_size_inches"):
        options["dpi"] = _WIDTH / float(drawn.get_size_inches()[0])
    drawn.savefig(stream, format="png", **options)
    with Image.open(BytesIO(stream.getvalue())) as opened:
        image = opened.convert("RGB")
    image.thumbnail((_WIDTH, 2 * _WIDTH))
    few = BytesIO()
    image.quantize(256, dither=Image.Dither.NONE).save(few, "PNG", optimize=True)
    png, jpeg = _address("png", few.getvalue()), _jpeg(image, 80)
    return png if len(png) < 1.5 * len(jpeg) else jpeg


def _jpeg(image: Image.Image, quality: int) -> str:
    stream = BytesIO()
    image.save(stream, "JPEG", quality=quality, optimize=True)
    return _address("jpeg", stream.getvalue())


def _address(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{b64encode(data).decode()}"
