"""The vision domain: reads photos or image tensors and collates them into the model's argument."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from salience import (
    Batch,
    BrokenItems,
    Domain,
    Explanation,
    Field,
    InputError,
    Layout,
    is_placeholder,
    names_of,
    tell,
)
from salience.errors import an, brief, nearest
from salience.scalers import watched
from salience_vision.decode import SUFFIXES
from salience_vision.payload import payload_of
from salience_vision.sources import Photo, Ready, call, listed, sort_out
from salience_vision.transform import ImageTransform

_AXES = ("item", "channel", "height", "width")
_LAYOUT = Layout({"image": Field(_AXES)}, reduce=("channel",), inner=_AXES)


@dataclass(frozen=True, eq=False)
class _Sample:
    """An item, with the name (``first``) and the tensor shape of the first item.

    Every item must have this shape. ``shape`` is empty until the first item is transformed.
    """

    item: Photo | Ready
    first: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Vision(Domain):
    """The domain of photos, for a network that takes one tensor (item, channel, height, width).

    A photo is converted to a tensor by ``transform``; a ready item is passed to the model as it is:

    ==================================================  =======================================
    path, PIL image                                     photo
    uint8 array (height, width[, 1, 3 or 4])            photo
    uint16 array of the same shapes                     photo
    float array of the same shapes, colours in [0, 1]   photo
    uint8 or uint16 tensor (1, 3 or 4, height, width)   photo
    float tensor (channel, height, width)               ready
    float array (channel, height, width)                ready
    ==================================================  =======================================

    A list may mix these kinds, and one array or tensor with four axes holds several items. Photos
    are turned upright by their EXIF tag and converted to RGB; opacity is dropped. Grey photos of
    more than 8 bits are not converted: the transform gets them with all their bits, as images of
    Pillow's modes ``"I;16"``, ``"I"`` (32 bits) or ``"F"`` (floats). Pillow has no colours of more
    than 8 bits: such photos are reduced to 8 for an :class:`ImageTransform`, which is told, and
    refused for any other transform.

    All files are checked first, each decoded once (JPEG at an eighth of its size). They are then
    decoded slice by slice, so the photos of a long list are never in memory at the same time.

    Args:
        transform: Function from a PIL image, in RGB or deep grey, to a float tensor (channel,
            height, width), or the settings of an :class:`ImageTransform` as a mapping. The tensors
            of all photos must have one shape.
        display: Function from the tensor that the model takes (channel, height, width) to a picture
            (height, width, 3) within [0, 1]. Where ``None``, photos are shown by inverting the
            :class:`ImageTransform`. Tensors, and photos of another transform, are shown as they
            are if within [0, 1], and otherwise rescaled from their minimum and maximum to 0 and 1.
        class_names: Name of each class, for titles.
        credits: Name of a file → attribution that its licence asks for, which pictures carry.
        max_pixels: Photos with more pixels are refused before they are decoded.
        on_error: ``"raise"`` refuses data with items that cannot be read, and names them all;
            ``"skip"`` goes on without them and tells which.
    """

    transform: Callable[[Image.Image], Tensor] | Mapping[str, Any] | str = field(
        default_factory=ImageTransform
    )
    display: Callable[[Tensor], NDArray[Any]] | str | None = None
    class_names: Sequence[str] | None = None
    credits: Mapping[str, str] | None = None
    max_pixels: int = 64_000_000
    on_error: str = "raise"

    visualizer: ClassVar[str] = "overlay"
    counts_top_places: ClassVar[bool] = True
    suffixes: ClassVar[Sequence[str]] = SUFFIXES

    def __post_init__(self) -> None:
        super().__post_init__()
        BrokenItems(self.on_error)  # raises InputError for an unknown setting
        if self.max_pixels < 1:
            raise InputError(f"max_pixels={self.max_pixels} leaves no photo; pass 1 or more")
        if isinstance(self.transform, Mapping):
            object.__setattr__(self, "transform", _image_transform(self.transform))
        if not callable(self.transform) and not is_placeholder(self.transform):
            raise InputError(
                f"transform is {brief(self.transform)}; pass a callable from a PIL image to a "
                f"tensor (channel, height, width), or ImageTransform(...)"
            )
        if isinstance(self.class_names, str):
            raise InputError("class_names is one string; pass a list with a name for each class")
        if self.class_names is not None:
            names = names_of(self.class_names, "class_names", as_text=True)
            object.__setattr__(self, "class_names", names)

    @property
    def layout(self) -> Layout:
        """Layout of the single field ``"image"``; saliency is summed over its channels."""
        return _LAYOUT

    def read(self, data: Any) -> Sequence[_Sample]:
        """Check every item and transform the first, so that faults are found before computation.

        Returns:
            One sample per item.

        Raises:
            InputError: The data is of the wrong kind, a file is missing, broken or too large,
                values are not finite, shapes differ, or ``transform`` or ``display`` fails its
                check.
        """
        items = self._readable(listed(data))
        _tell_losses(items, deep=not isinstance(self.transform, ImageTransform))
        first = _Sample(items[0], call(items[0]), ())
        tensor = self._tensor(first)
        self._picture(items[0], tensor)
        shape = tuple(tensor.shape)
        samples = [replace(first, item=item, shape=shape) for item in items]
        for sample in samples:
            if isinstance(sample.item, Ready):
                _check_shape(sample, tuple(sample.item.source.shape))
        return samples

    def collate(self, samples: Sequence[_Sample]) -> Batch:
        """Decode, transform and stack a slice of samples.

        The argument is ``image`` of shape (item, channel, height, width). The annotation of an item
        holds ``image``, the model's input as a picture, uint8 of shape (height, width, 3), and
        ``name``, the file's name or ``"item i"``.

        Raises:
            InputError: A file is truncated, or its tensor differs in shape from the first item's.
        """
        tensors = [self._tensor(sample) for sample in samples]
        annotations = [
            {"image": self._picture(sample.item, tensor), "name": sample.item.name}
            | self._credit(sample.item.name)
            for sample, tensor in zip(samples, tensors, strict=True)
        ]
        image = torch.stack(tensors)
        return Batch({"image": image}, self.layout, len(samples), annotations=annotations)

    def _credit(self, name: str) -> dict[str, str]:
        text = (self.credits or {}).get(name)
        return {} if text is None else {"credit": text}

    def ids(self, samples: Sequence[Any]) -> Sequence[Any] | None:
        """Names of files; arrays and tensors have none."""
        return [
            None if sample.item.name == f"item {sample.item.number}" else sample.item.name
            for sample in samples
        ]

    def dataset_info(self, samples: Sequence[Any]) -> dict[str, Any]:
        """A mapping with the names of the classes as ``class_names``; empty without names."""
        return {} if self.class_names is None else {"class_names": list(self.class_names)}

    def payload(self, explanation: Explanation, item: int) -> Mapping[str, Any] | None:
        """The photo below a map, for reports."""
        return payload_of(explanation, item)

    def _readable(self, data: Sequence[Any]) -> list[Photo | Ready]:
        """The items that can be read, the others being named or left out."""
        broken, items = BrokenItems(self.on_error), []
        for number, given in enumerate(data):
            try:
                item = sort_out(number, given, self.max_pixels)
                self._check(item)
            except InputError as error:
                broken.add(number, str(error))
            else:
                items.append(item)
        broken.settle(len(data))
        return items

    def _check(self, item: Photo | Ready) -> None:
        """Check that the transform can be given a photo."""
        if not isinstance(item, Photo):
            return
        if isinstance(self.transform, ImageTransform):
            if item.deep:
                self._tensor(_Sample(item, call(item), ()))
            self.transform.check_size(*item.size)
            return
        if item.loses_bits:
            raise InputError(
                f"{call(item)} has colours of more than 8 bits, for which Pillow has no image, so "
                f"that the transform would not get all its bits; pass it as the tensor (channel, "
                f"height, width) that the model takes, or convert it to 8 bits"
            )

    def _tensor(self, sample: _Sample) -> Tensor:
        """The checked tensor of an item, (channel, height, width), as the model takes it."""
        item, name = sample.item, call(sample.item)
        if isinstance(item, Ready):
            return item.tensor()
        kind = " (a grey photo of more than 8 bits)" if item.deep else ""
        image = item.image()
        try:
            tensor = _function("transform", self.transform)(image)
        except Exception as error:
            if kind and not isinstance(error, InputError):
                error.add_note(f"The transform was given {name}{kind}, mode {image.mode!r}.")
            raise
        if not isinstance(tensor, Tensor) or tensor.ndim != 3 or not tensor.is_floating_point():
            got = (
                f"{an(str(tensor.dtype))} tensor of shape {tuple(tensor.shape)}"
                if isinstance(tensor, Tensor)
                else an(type(tensor).__name__)
            )
            raise InputError(
                f"transform made {got} of {name}{kind}; it must return a float tensor "
                f"(channel, height, width)"
            )
        if not bool(torch.isfinite(tensor).all()):
            raise InputError(f"transform made NaN or infinite values of {name}; mend the transform")
        if sample.shape:
            _check_shape(sample, tuple(tensor.shape))
        return tensor.detach().cpu()

    def _picture(self, item: Photo | Ready, tensor: Tensor) -> Tensor:
        """Convert the model's input for an item to a picture, uint8 of shape (height, width, 3).

        Args:
            item: Where the tensor comes from, which decides how it is shown.
            tensor: The input, of shape (channel, height, width).
        """
        if self.display is not None:
            display = _function("display", self.display)
            show = watched(display, "display", "a picture (height, width, 3)", _is_array)
            pixels = np.asarray(show(tensor.clone()), dtype=np.float64)
        elif isinstance(item, Photo) and isinstance(self.transform, ImageTransform):
            pixels = self.transform.display(tensor).astype(np.float64)
        else:
            pixels = _stretched(tensor)
        size = tuple(tensor.shape[1:])
        if pixels.ndim != 3 or pixels.shape[:2] != size or pixels.shape[2] not in (1, 3):
            raise InputError(
                f"display made a picture of shape {pixels.shape} of {call(item)}; expected "
                f"(height, width, 3) = {(*size, 3)}"
            )
        pixels = np.broadcast_to(pixels, (*size, 3))
        return torch.from_numpy(np.rint(255 * np.clip(pixels, 0, 1)).astype(np.uint8))


def _is_array(shown: Any) -> bool:
    try:
        return np.asarray(shown, dtype=np.float64) is not None
    except (TypeError, ValueError, RuntimeError):
        return False


def _tell_losses(items: Sequence[Photo | Ready], *, deep: bool) -> None:
    """Tell what of the user's files does not reach the model, or may be lost on the way.

    Args:
        items: The items.
        deep: Whether to tell which photos the transform gets with more than 8 bits.
    """
    photos = [item for item in items if isinstance(item, Photo)]
    rounded = [photo for photo in photos if photo.loses_bits]
    if rounded:
        tell(
            f"colours of more than 8 bits are reduced to 8 bits (photos: {len(rounded)}, the "
            f"first: {call(rounded[0])}); pass float tensors (channel, height, width) to keep them"
        )
    many = [photo for photo in photos if photo.deep and deep]
    if many:
        tell(
            f"grey photos of more than 8 bits reach the transform with all their bits, as images "
            f"of the mode 'I;16', 'I' or 'F' (photos: {len(many)}, the first: {call(many[0])}); "
            f"a transform must not convert them by Pillow's convert('RGB'), which clips them"
        )
    series = [photo for photo in photos if photo.n_pictures > 1]
    if series:
        tell(
            f"only the first picture of a file is explained, of {series[0].n_pictures} in "
            f"{call(series[0])} (such files: {len(series)}); pass the others as PIL images"
        )


def _image_transform(settings: Mapping[str, Any]) -> ImageTransform:
    known = [setting.name for setting in fields(ImageTransform)]
    for name in settings:
        if name not in known:
            raise InputError(f"ImageTransform has no setting {name!r}; {nearest(name, known)}")
    return ImageTransform(**settings)


def _function(setting: str, value: Any) -> Callable[[Any], Any]:
    if not callable(value):
        raise InputError(
            f"{setting} is {value!r}, the record of a function that was not saved; pass the "
            f"function itself, Vision({setting}=...)"
        )
    made: Callable[[Any], Any] = value
    return made


def _stretched(tensor: Tensor) -> NDArray[np.float64]:
    """Convert a tensor (channel, height, width) to a picture (height, width, 1 or 3) in [0, 1].

    Three channels are taken as RGB; any other number of channels is averaged to grey. If any value
    lies outside [0, 1], the whole picture is rescaled: its minimum to 0 and its maximum to 1.
    """
    pixels = tensor.double().numpy().transpose(1, 2, 0)
    if pixels.shape[2] != 3:
        pixels = pixels.mean(2, keepdims=True)
    low, high = float(pixels.min()), float(pixels.max())
    if low >= 0 and high <= 1:
        return np.asarray(pixels)
    return np.asarray((pixels - low) / (high - low or 1.0))


def _check_shape(sample: _Sample, shape: tuple[int, ...]) -> None:
    if shape != sample.shape:
        raise InputError(
            f"{call(sample.item)} has shape {shape} but {sample.first} has {sample.shape}; resize "
            f"or crop them to one (channel, height, width), or explain them apart"
        )
