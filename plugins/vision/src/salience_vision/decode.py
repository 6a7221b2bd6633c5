"""Opening of image files, checks of their headers, and conversion of images to upright RGB."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from salience import InputError

#: Pillow's modes with one conversion to RGB. "I" and "F" are left out: their range is unknown.
_MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV"}
_DEEP = {"I;16", "I;16L", "I;16B", "I;16N"}
_BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning)


def open_photo(path: Path, name: str) -> Image.Image:
    """Open an image file, of which Pillow reads the header and decodes no pixel.

    Raises:
        InputError: The file is a folder, missing, not an image, unreadable, or too large for
            Pillow.
    """
    if path.is_dir():
        raise InputError(
            f"{name}: {str(path)!r} is a folder; pass its files, e.g. sorted(folder.glob('*.jpg'))"
        )
    try:
        return Image.open(path)
    except FileNotFoundError:
        raise InputError(f"{name}: there is no file {str(path)!r}; check the path") from None
    except UnidentifiedImageError:
        raise InputError(
            f"{name}: {str(path)!r} is not an image that Pillow can read; pass JPEG, PNG, WebP, "
            f"TIFF or the like"
        ) from None
    except _BOMB as error:
        raise InputError(
            f"{name}: Pillow refuses {str(path)!r} as too large ({error}); make it smaller, or "
            f"raise PIL.Image.MAX_IMAGE_PIXELS and max_pixels if you trust the file"
        ) from error
    except (OSError, ValueError) as error:
        raise InputError(
            f"{name}: cannot open {str(path)!r} ({error}); pass a readable image"
        ) from error


def check_header(image: Image.Image, name: str, max_pixels: int) -> None:
    """Check the size and the mode of an image, without decoding it.

    Raises:
        InputError: The image has no pixels, more than ``max_pixels``, or a mode that has no
            conversion to RGB.
    """
    width, height = image.size
    if not width or not height:
        raise InputError(f"{name} has {width} × {height} pixels; pass an image that has some")
    if width * height > max_pixels:
        raise InputError(
            f"{name} has {width} × {height} = {width * height} pixels, more than max_pixels = "
            f"{max_pixels}; make it smaller, or set Vision(max_pixels=...)"
        )
    if image.mode not in _MODES | _DEEP:
        raise InputError(
            f"{name} has the mode {image.mode!r}, whose range is not known; scale it to 8 bits and "
            f"convert it to 'L' or 'RGB' first"
        )


def to_rgb(source: Path | Image.Image, name: str) -> Image.Image:
    """Decode an image, turn it upright by its EXIF tag and convert it to RGB without opacity.

    Grey values of 16 bits are scaled to 8 bits; Pillow's own conversion would clip them to white.

    Raises:
        InputError: The file cannot be opened, or is truncated or broken.
    """
    try:
        if isinstance(source, Path):
            with open_photo(source, name) as opened:
                opened.load()
                image = ImageOps.exif_transpose(opened)
        else:
            image = ImageOps.exif_transpose(source)
        if image.mode in _DEEP:
            deep = np.asarray(image).astype(np.float32)
            image = Image.fromarray(np.rint(deep / 257).astype(np.uint8))
        if image.mode in ("P", "PA"):
            # Pillow warns where it converts a palette with opacity to RGB in one step.
            image = image.convert("RGBA")
        return image.convert("RGB")
    except InputError:
        raise
    except (OSError, ValueError, SyntaxError, *_BOMB) as error:
        raise InputError(
            f"{name} cannot be decoded ({error}); the file may be cut short, so make it anew"
        ) from error
