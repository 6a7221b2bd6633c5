"""The default transform: converts a photo to the input of an ImageNet network, and back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from salience import InputError
from salience.errors import brief, nearest

_FILTERS = {filter_.name.lower(): filter_ for filter_ in Image.Resampling}
#: Largest number of pixels after resizing, so that 1 × 10 000 do not become 256 × 2 560 000.
_MAX_RESIZED = 64_000_000


@dataclass(frozen=True)
class ImageTransform:
    """Resize the shorter side, crop the centre, scale to [0, 1], normalise each channel.

    Sizes are rounded as in torchvision's ``Resize`` and ``CenterCrop``. As in torchvision, photos
    are resized in 8-bit pixels.

    Args:
        resize: Length of the shorter side in pixels, with the aspect ratio kept; ``None`` keeps the
            size.
        crop: Side of the square cut from the centre, in pixels; ``None`` cuts nothing.
        mean: Values subtracted from the channels, in units of [0, 1]; ImageNet's by default. One
            value instead of three makes a grey image of one channel.
        std: Values by which the channels are divided, in the same units, as many as in ``mean``.
        interpolation: ``"bicubic"``, ``"bilinear"``, ``"nearest"``, ``"lanczos"``, ``"box"`` or
            ``"hamming"``, each with Pillow's antialiasing.

    Raises:
        InputError: Settings are invalid or contradict each other, or a photo is smaller than the
            crop.
    """

    resize: int | None = 256
    crop: int | None = 224
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    interpolation: str = "bicubic"

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", _numbers(self.mean, "mean"))
        object.__setattr__(self, "std", _numbers(self.std, "std"))
        if len(self.mean) != len(self.std) or len(self.mean) not in (1, 3):
            raise InputError(
                f"mean has {len(self.mean)} values and std {len(self.std)}; "
                f"give both three (RGB) or both one (grey)"
            )
        if min(self.std) <= 0:
            raise InputError(f"std must be above 0 in every channel, got {self.std}")
        for name, side in (("resize", self.resize), ("crop", self.crop)):
            if side is not None and (not isinstance(side, int) or side < 1):
                raise InputError(
                    f"{name} must be a whole number of pixels or None, got {brief(side)}"
                )
        if self.resize is not None and self.crop is not None and self.crop > self.resize:
            raise InputError(
                f"a crop of {self.crop} does not fit into a shorter side of {self.resize}; "
                f"make resize at least as large as crop"
            )
        if not isinstance(self.interpolation, str) or self.interpolation not in _FILTERS:
            raise InputError(
                f"unknown interpolation {brief(self.interpolation)}; "
                f"{nearest(self.interpolation, _FILTERS)}"
            )

    def __call__(self, image: Image.Image) -> Tensor:
        """Convert a photo to a float32 tensor of shape (channel, height, width).

        A grey image of 16 bits (mode ``"I;16"``) or of floats from 0 to 1 (mode ``"F"``) is resized
        as floats, so that it keeps its grey levels.
        """
        if image.mode in ("I;16", "I", "F"):
            image = _unit_floats(image)
        else:
            image = image.convert("L" if len(self.mean) == 1 else "RGB")
        image = self._cropped(self._resized(image))
        pixels: NDArray[Any] = np.asarray(image, dtype=np.float32)
        pixels = pixels.reshape(image.height, image.width, -1)
        # The filters of resizing may overshoot; Pillow clips 8-bit pixels by itself.
        pixels = pixels.clip(0, 1) if image.mode == "F" else pixels / 255
        pixels = np.broadcast_to(pixels, (*pixels.shape[:2], len(self.mean)))
        mean, std = np.array([self.mean, self.std], dtype=np.float32)
        normal = (pixels - mean) / std
        return torch.from_numpy(np.ascontiguousarray(normal.transpose(2, 0, 1)))

    def check_size(self, width: int, height: int) -> None:
        """Check that a photo of this size can be resized and cropped.

        Raises:
            InputError: It is too small or of too extreme a shape.
        """
        self._check_crop(self._new_size(width, height), (width, height))

    def display(self, tensor: Tensor) -> NDArray[np.float32]:
        """Undo the normalisation of :meth:`__call__`.

        Returns:
            A picture (height, width, channel), clipped to [0, 1].
        """
        normal = tensor.float().numpy().transpose(1, 2, 0)
        mean, std = np.array([self.mean, self.std], dtype=np.float32)
        shown: NDArray[np.float32] = np.clip(normal * std + mean, 0, 1)
        return shown

    def _new_size(self, width: int, height: int) -> tuple[int, int]:
        if self.resize is None:
            return width, height
        shorter = min(width, height)
        new = self.resize * width // shorter, self.resize * height // shorter
        if new[0] * new[1] > _MAX_RESIZED:
            raise InputError(
                f"a photo of {width} × {height} pixels would become one of {new[0]} × {new[1]}; "
                f"cut it to a less extreme shape"
            )
        return new

    def _check_crop(self, size: tuple[int, int], given: tuple[int, int]) -> None:
        if self.crop is not None and min(size) < self.crop:
            raise InputError(
                f"a photo of {given[0]} × {given[1]} pixels is smaller than the crop of "
                f"{self.crop}; set resize, or pass a larger photo"
            )

    def _resized(self, image: Image.Image) -> Image.Image:
        if self.resize is None:
            return image
        return image.resize(self._new_size(*image.size), _FILTERS[self.interpolation])

    def _cropped(self, image: Image.Image) -> Image.Image:
        if self.crop is None:
            return image
        self._check_crop(image.size, image.size)
        left, top = round((image.width - self.crop) / 2), round((image.height - self.crop) / 2)
        return image.crop((left, top, left + self.crop, top + self.crop))


def _unit_floats(image: Image.Image) -> Image.Image:
    """Convert a grey image of more than 8 bits to floats within [0, 1].

    Raises:
        InputError: The range of the grey levels is not known, or is not that of the mode.
    """
    levels = np.asarray(image).astype(np.float32)
    if image.mode == "I":
        raise _unknown_range()
    if image.mode == "I;16":
        levels /= 65535
    low, high = float(levels.min()), float(levels.max())
    if not 0 <= low <= high <= 1:
        raise InputError(
            f"a float photo has values from {low:.4g} to {high:.4g}; expected 0 to 1, so scale "
            f"it, or pass Vision(transform=...) for its range"
        )
    return Image.fromarray(levels)


def _unknown_range() -> InputError:
    return InputError(
        "a photo of whole numbers of 32 bits has no known range; pass uint16 or floats from 0 to "
        "1, or Vision(transform=...) for its range"
    )


def _numbers(values: Any, name: str) -> tuple[float, ...]:
    """Numbers of channels as Python's own."""
    plain = values.tolist() if isinstance(values, np.ndarray | Tensor) else values
    listed = plain if isinstance(plain, list | tuple) else ()
    if not listed or not all(
        isinstance(v, Real) and not isinstance(v, bool) and math.isfinite(v) for v in listed
    ):
        raise InputError(f"{name}={brief(values)}; pass a finite number for each channel")
    return tuple(float(value) for value in listed)
