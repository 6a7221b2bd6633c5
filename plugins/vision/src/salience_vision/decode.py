"""Opening and checks of image files, and conversion of images to upright RGB or deep grey."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from salience import InputError

#: Endings of the files that are taken for photos where a folder is given.
SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"),
    *(".jp2", ".avif", ".ppm", ".pgm", ".pbm", ".pnm", ".tga"),
)
#: Pillow's modes of 8 bits a channel, which have one conversion to RGB.
_MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV"}
_SIXTEEN = {"I;16", "I;16L", "I;16B", "I;16N"}
#: Modes of one channel of more than 8 bits: whole numbers of 16 or 32 bits, or floats.
DEEP = {*_SIXTEEN, "I", "F"}
#: Formats that may hold several pictures of equal rank, of which Pillow opens the first.
_SERIES = {"GIF", "PNG", "TIFF", "WEBP"}
_BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning)


def open_photo(path: Path, name: str) -> Image.Image:
    """Open an image file, of which Pillow reads the header and decodes no pixel.

    Raises:
        InputError: The file is a folder, missing, not an image, unreadable, or too large for
            Pillow.
    """
    try:
        if path.is_dir():
            raise InputError(
                f"{name}: {str(path)!r} is a folder; pass its files, e.g. "
                f"sorted(folder.glob('*.jpg'))"
            )
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
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise InputError(
            f"{name}: cannot open {str(path)!r} ({error}); pass a readable image"
        ) from error


def check_header(image: Image.Image, name: str, max_pixels: int) -> None:
    """Check the size and the mode of an image, without decoding it.

    Raises:
        InputError: The image has no pixels, more than ``max_pixels``, or a mode that is not known.
    """
    width, height = image.size
    if not width or not height:
        raise InputError(f"{name} has {width} × {height} pixels; pass an image that has some")
    if width * height > max_pixels:
        raise InputError(
            f"{name} has {width} × {height} = {width * height} pixels, more than max_pixels = "
            f"{max_pixels}; make it smaller, or set Vision(max_pixels=...)"
        )
    if image.mode not in _MODES | DEEP:
        raise InputError(
            f"{name} has the mode {image.mode!r}, which is not known here; convert it to 'L', "
            f"'RGB', 'I;16' or 'F' first"
        )


def loses_bits(image: Image.Image) -> bool:
    """Whether Pillow decodes an image of 16 bits a channel, not decoded yet, to 8 bits."""
    tiles: Any = getattr(image, "tile", ()) if image.mode in _MODES else ()
    for tile in tiles:
        codec, args = tile[0], tile[3]
        raw = str(args[0] if isinstance(args, tuple) and args else args)
        deepest = args[-1] if codec in ("ppm", "ppm_plain") and isinstance(args, tuple) else 0
        if ";16" in raw or (isinstance(deepest, int) and deepest > 255):
            return True
    return False


def n_pictures(image: Image.Image) -> int:
    """Number of pictures in a file whose first one Pillow opens."""
    return int(getattr(image, "n_frames", 1)) if image.format in _SERIES else 1


def check_decodes(image: Image.Image, name: str, *, draft: bool) -> None:
    """Decode an image once to find a broken file.

    Args:
        image: The image, with its header read.
        name: Its name in messages.
        draft: Whether a JPEG may be decoded at an eighth of its size, which is faster.

    Raises:
        InputError: The image is truncated or broken, or holds numbers that are not finite.
    """
    try:
        if draft and image.format == "JPEG":
            image.draft(None, (1, 1))
        image.load()
    except (OSError, ValueError, SyntaxError, *_BOMB) as error:
        raise _broken(name, error) from error
    if image.mode == "F" and not np.isfinite(np.asarray(image)).all():
        raise InputError(f"{name} holds NaN or infinite values; replace them before explaining it")


def upright(source: Path | Image.Image, name: str) -> Image.Image:
    """Decode an image, turn it upright by its EXIF tag and convert it to RGB without opacity.

    Grey images of more than 8 bits keep all their bits: they become images of the mode ``"I;16"``,
    ``"I"`` or ``"F"``.

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
        if image.mode in _SIXTEEN:
            # Most functions, torchvision's among them, know this byte order alone.
            return Image.fromarray(np.asarray(image).astype("<u2"))
        if image.mode in DEEP:
            return image
        if image.mode in ("P", "PA"):
            # Pillow warns where it converts a palette with opacity to RGB in one step.
            image = image.convert("RGBA")
        return image.convert("RGB")
    except InputError:
        raise
    except (OSError, ValueError, SyntaxError, *_BOMB) as error:
        raise _broken(name, error) from error


def _broken(name: str, error: Exception) -> InputError:
    return InputError(
        f"{name} cannot be decoded ({error}); the file may be cut short, so make it anew"
    )
