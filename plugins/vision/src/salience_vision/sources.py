"""The items of the user's data, classified and checked without decoding any file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from salience import InputError
from salience_vision.decode import check_header, open_photo, to_rgb

_KINDS = "paths, PIL images, arrays (height, width, channel) or tensors (channel, height, width)"


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo, which the transform converts to the tensor that the model takes.

    Args:
        number: Index of the item.
        name: Name of the item in titles.
        source: A file, an image, or pixels of shape (height, width) or (height, width, channel),
            uint8 or within [0, 1].
    """

    number: int
    name: str
    source: Path | Image.Image | NDArray[Any]

    def image(self) -> Image.Image:
        """Decode the photo into a new, upright RGB image.

        Raises:
            InputError: The file no longer exists, or is truncated.
        """
        source = self.source
        if isinstance(source, np.ndarray):
            if source.dtype != np.uint8:
                source = np.rint(source * 255).astype(np.uint8)
            if source.ndim == 3 and source.shape[2] == 1:
                source = source[..., 0]
            source = Image.fromarray(np.ascontiguousarray(source))
        return to_rgb(source, call(self))


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
        raise InputError(f"cannot read photos from a {type(data).__name__}; pass {_KINDS}")
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
        photo = Photo(number, path.name, path)
        with open_photo(path, call(photo)) as image:
            check_header(image, call(photo), max_pixels)
        return photo
    if isinstance(item, Image.Image):
        photo = Photo(number, Path(getattr(item, "filename", "") or name).name, item)
        check_header(item, call(photo), max_pixels)
        return photo
    if isinstance(item, Tensor):
        return _tensor(number, name, item)
    if isinstance(item, np.ndarray):
        return _array(number, name, item)
    raise InputError(f"{name} is a {type(item).__name__}; pass {_KINDS}")


def _tensor(number: int, name: str, item: Tensor) -> Photo | Ready:
    shape = tuple(item.shape)
    if item.ndim != 3 or not item.numel():
        raise InputError(
            f"{name} is a tensor of shape {shape}; a tensor has the axes (channel, height, width), "
            f"or (item, channel, height, width) for all the items in one"
        )
    if item.dtype == torch.uint8:
        if shape[0] not in (1, 3, 4):
            raise InputError(
                f"{name} is a uint8 tensor of shape {shape}; a photo as a tensor has 1, 3 or 4 "
                f"channels along its first axis, so use .permute(2, 0, 1) if they come last"
            )
        return Photo(number, name, item.detach().cpu().permute(1, 2, 0).numpy())
    if not item.is_floating_point():
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
    if item.dtype == np.uint8:
        if not last:
            raise InputError(
                f"{name} is a uint8 array of shape {shape}; a photo as an array has 1, 3 or 4 "
                f"channels along its last axis, so use .transpose(1, 2, 0) if they come first"
            )
        return Photo(number, name, item)
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
    low, high = float(item.min()), float(item.max())
    if low < 0 or high > 1:
        raise InputError(
            f"{name} is a float photo with values from {low:.4g} to {high:.4g}; expected 0 to 1, "
            f"so divide by 255, or pass (channel, height, width) to feed the model directly"
        )
    return Photo(number, name, item)


def _wrong_dtype(name: str, dtype: object) -> InputError:
    return InputError(
        f"{name} has dtype {dtype}; pass uint8 (0 to 255) for a photo, or floats for numbers that "
        f"the model takes as they are"
    )


def _not_finite(name: str) -> InputError:
    return InputError(f"{name} holds NaN or infinite values; replace them before explaining it")
