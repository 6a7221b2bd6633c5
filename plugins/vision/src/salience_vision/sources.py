"""The items of the user's data, classified and checked without decoding any file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from salience import InputError
from salience.errors import an
from salience_vision.decode import (
    DEEP,
    check_decodes,
    check_header,
    loses_bits,
    n_pictures,
    open_photo,
    upright,
)

_KINDS = "paths, PIL images, arrays (height, width, channel) or tensors (channel, height, width)"


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo, which the transform converts to the tensor that the model takes.

    Args:
        number: Index of the item.
        name: Name of the item in titles.
        source: A file, an image, or pixels: of shape (height, width, channel), uint8; or of shape
            (height, width), uint8, uint16, int32 or float32.
        size: Width and height, before the photo is turned upright.
        deep: Whether it is a grey photo of more than 8 bits.
        loses_bits: Whether the photo has more bits than the image that is made of it.
        n_pictures: Number of pictures in the file, of which the first is the photo.
    """

    number: int
    name: str
    source: Path | Image.Image | NDArray[Any]
    size: tuple[int, int] = (0, 0)
    deep: bool = False
    loses_bits: bool = False
    n_pictures: int = 1

    def image(self) -> Image.Image:
        """Decode the photo into a new, upright image: RGB, or grey of more than 8 bits.

        Raises:
            InputError: The file no longer exists, or is truncated.
        """
        source = self.source
        if isinstance(source, np.ndarray):
            source = Image.fromarray(np.ascontiguousarray(source))
        return upright(source, call(self))


@dataclass(frozen=True, eq=False)
class Ready:
    """An item that is passed to the model as it is: numbers of shape (channel, height, width)."""

    number: int
    name: str
    source: NDArray[Any] | Tensor

    def tensor(self) -> Tensor:
        """A copy of the numbers as a floating-point tensor on the CPU."""
        if isinstance(self.source, Tensor):
            return self.source.detach().cpu().clone()
        kind = np.float64 if self.source.dtype.itemsize > 4 else np.float32
        return torch.from_numpy(np.array(self.source, dtype=kind, order="C"))


def call(item: Photo | Ready) -> str:
    """Designation of an item in error messages: its number and, where it has one, its name."""
    number = f"item {item.number}"
    return number if item.name == number else f"{number} ({item.name!r})"


def listed(data: Any) -> list[Any]:
    """List the items of the user's data: a batch is split, a single photo is a list of one.

    Raises:
        InputError: There is no item, or the data is of a kind that this domain does not read.
    """
    if isinstance(data, str | os.PathLike | Image.Image):
        return [data]
    if isinstance(data, np.ndarray | Tensor):
        items = list(data) if data.ndim == 4 else [data]
    elif isinstance(data, Mapping | bytes) or not isinstance(data, Iterable):
        raise InputError(f"cannot read photos from {an(type(data).__name__)}; pass {_KINDS}")
    else:
        items = list(data)
    if not items:
        raise InputError(f"there are no photos in the data; pass at least one of {_KINDS}")
    return items


def sort_out(number: int, item: Any, max_pixels: int) -> Photo | Ready:
    """Classify an item as a photo or as numbers for the model, and check it.

    Raises:
        InputError: The item has a wrong kind, shape, dtype or range, or values that are not finite;
            or its file is not an image, or too large.
    """
    name = f"item {number}"
    if isinstance(item, str | os.PathLike):
        path = Path(item)
        with open_photo(path, call(Photo(number, path.name, path))) as image:
            return _photo(Photo(number, path.name, path), image, max_pixels)
    if isinstance(item, Image.Image):
        title = Path(getattr(item, "filename", "") or name).name
        return _photo(Photo(number, title, item), item, max_pixels)
    if isinstance(item, Tensor):
        return _tensor(number, name, item)
    if isinstance(item, np.ndarray):
        return _array(number, name, item)
    raise InputError(f"{name} is {an(type(item).__name__)}; pass {_KINDS}")


def _photo(photo: Photo, image: Image.Image, max_pixels: int) -> Photo:
    """Check an image, and note of the photo what is known before it is decoded."""
    name = call(photo)
    check_header(image, name, max_pixels)
    own, size, rounded = image is photo.source, image.size, loses_bits(image)
    pictures = 1 if own else n_pictures(image)
    check_decodes(image, name, draft=not own)
    return replace(
        photo, size=size, deep=image.mode in DEEP, loses_bits=rounded, n_pictures=pictures
    )


def _tensor(number: int, name: str, item: Tensor) -> Photo | Ready:
    shape = tuple(item.shape)
    if item.ndim != 3 or not item.numel():
        raise InputError(
            f"{name} is a tensor of shape {shape}; a tensor has the axes (channel, height, width), "
            f"or (item, channel, height, width) for all the items in one"
        )
    if not item.is_floating_point():
        if item.is_complex() or item.dtype == torch.bool:
            raise _wrong_dtype(name, item.dtype)
        if shape[0] not in (1, 3, 4):
            raise InputError(
                f"{name} is {an(str(item.dtype).removeprefix('torch.'))} tensor of shape {shape}; "
                f"a photo as a tensor has 1, 3 or 4 channels along its first axis, so use "
                f".permute(2, 0, 1) if they come last"
            )
        return _pixels(number, name, item.detach().cpu().permute(1, 2, 0).numpy())
    if item.dtype.itemsize < 2:  # models take no floats of 8 bits
        raise _wrong_dtype(name, item.dtype)
    if not bool(torch.isfinite(item).all()):
        raise _not_finite(name)
    return Ready(number, name, item)


def _array(number: int, name: str, item: NDArray[Any]) -> Photo | Ready:
    shape = item.shape
    if item.ndim not in (2, 3) or not item.size:
        raise InputError(
            f"{name} is an array of shape {shape}; expected (height, width, channel) for a photo "
            f"or (channel, height, width) for numbers that the model takes as they are"
        )
    last = item.ndim == 2 or shape[2] in (1, 3, 4)
    if item.dtype.kind in "iu":
        if not last:
            raise InputError(
                f"{name} is {an(str(item.dtype))} array of shape {shape}; a photo as an array "
                f"has 1, 3 or 4 channels along its last axis, so use .transpose(1, 2, 0) if they "
                f"come first"
            )
        return _pixels(number, name, item)
    if not np.issubdtype(item.dtype, np.floating):
        raise _wrong_dtype(name, item.dtype)
    if not np.isfinite(item).all():
        raise _not_finite(name)
    if not last:
        return Ready(number, name, item)
    if item.ndim == 3 and shape[0] in (1, 3, 4):
        raise InputError(
            f"{name} is a float array of shape {shape}, which has channels at either end; pass "
            f"uint8 for a photo, or torch.from_numpy(array) for (channel, height, width)"
        )
    return _pixels(number, name, item)


def _pixels(number: int, name: str, pixels: NDArray[Any]) -> Photo:
    """A photo of an array (height, width) or (height, width, channel), in a dtype of Pillow's.

    One channel keeps all its bits (floats those of float32). Pillow has no colours of more than 8
    bits, so that colours are rounded where they have more.

    Raises:
        InputError: The dtype or the range of the values has no image.
    """
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    size, kind = (pixels.shape[1], pixels.shape[0]), pixels.dtype.kind
    sixteen = (pixels.dtype.itemsize, kind) == (2, "u")
    if pixels.dtype == np.uint8:
        return Photo(number, name, pixels, size)
    if pixels.ndim == 2:
        if not sixteen and kind != "f" and np.abs(pixels.astype(float)).max() >= 2**31:
            raise _wrong_dtype(name, pixels.dtype)
        grey = pixels.astype(np.uint16 if sixteen else np.float32 if kind == "f" else np.int32)
        return Photo(number, name, grey, size, deep=True)
    if kind == "f":
        low, high = float(pixels.min()), float(pixels.max())
        if low < 0 or high > 1:
            raise InputError(
                f"{name} is a float photo with values from {low:.4g} to {high:.4g}; expected 0 to "
                f"1, so divide by 255, or pass (channel, height, width) to feed the model directly"
            )
        levels, near = pixels.astype(np.float64) * 255, 255 * float(np.finfo(pixels.dtype).eps)
    elif sixteen:
        levels, near = pixels.astype(np.float64) / 257, 1e-9
    else:
        raise _wrong_dtype(name, pixels.dtype)
    rounded = np.rint(levels)
    loses = bool(np.abs(levels - rounded).max() > near)
    return Photo(number, name, rounded.astype(np.uint8), size, loses_bits=loses)


def _wrong_dtype(name: str, dtype: object) -> InputError:
    return InputError(
        f"{name} has dtype {dtype}; pass uint8 or uint16 for a photo, or floats for numbers that "
        f"the model takes as they are"
    )


def _not_finite(name: str) -> InputError:
    return InputError(f"{name} holds NaN or infinite values; replace them before explaining it")
