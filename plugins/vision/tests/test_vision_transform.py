from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from salience import InputError
from salience_vision import ImageTransform


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    shape = (height, width, 3) if mode == "RGB" else (height, width)
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))


@pytest.mark.parametrize(
    ("size", "resized", "corner"),
    [
        ((451, 300), (384, 256), (80, 16)),
        ((300, 451), (256, 384), (16, 80)),
        ((224, 224), (256, 256), (16, 16)),
        # int(256 * 1000 / 257) = 996, and half of 996 - 224 is 386.
        ((1000, 257), (996, 256), (386, 16)),
        # Half of 479 - 224 = 255 is 127.5, rounded to the even 128.
        ((524, 280), (479, 256), (128, 16)),
    ],
)
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear", "lanczos"])
def test_the_shorter_side_is_resized_and_the_centre_cut(
    size: tuple[int, int], resized: tuple[int, int], corner: tuple[int, int], interpolation: str
) -> None:
    image = noise(*size)
    transform = ImageTransform(mean=(0,) * 3, std=(1,) * 3, interpolation=interpolation)
    large = np.asarray(image.resize(resized, Image.Resampling[interpolation.upper()]))
    left, top = corner
    got = (transform(image) * 255).round().permute(1, 2, 0).numpy()
    assert np.array_equal(got, large[top : top + 224, left : left + 224])


def test_values_are_normalised_by_channel() -> None:
    red = Image.new("RGB", (300, 280), (255, 0, 51))
    tensor = ImageTransform()(red)
    assert tensor.dtype == torch.float32
    expected = [(1 - 0.485) / 0.229, (0 - 0.456) / 0.224, (0.2 - 0.406) / 0.225]
    assert torch.allclose(tensor[:, 100, 100], torch.tensor(expected))


def test_display_undoes_the_normalisation() -> None:
    image = noise(224, 224)
    transform = ImageTransform(resize=None)
    shown = transform.display(transform(image))
    assert np.allclose(shown * 255, np.asarray(image), atol=1e-3)


def test_without_sizes_the_pixels_stay() -> None:
    image = noise(31, 17)
    tensor = ImageTransform(None, None, (0,) * 3, (1,) * 3)(image)
    assert np.array_equal((tensor * 255).round().permute(1, 2, 0), np.asarray(image))


def test_one_mean_makes_a_grey_image() -> None:
    transform = ImageTransform(28, 28, mean=(0.5,), std=(0.5,))
    tensor = transform(Image.new("RGB", (40, 30), (255, 255, 255)))
    assert tensor.shape == (1, 28, 28)
    assert torch.allclose(tensor, torch.ones(()))
    assert transform.display(tensor).shape == (28, 28, 1)


def test_a_thin_photo_is_refused_before_it_grows() -> None:
    with pytest.raises(InputError, match="100000 × 1 pixels would become one of 25600000 × 256"):
        ImageTransform()(Image.new("RGB", (100_000, 1)))


def test_a_photo_smaller_than_the_crop_is_refused() -> None:
    with pytest.raises(InputError, match="100 × 90 pixels is smaller than the crop of 224"):
        ImageTransform(resize=None)(Image.new("RGB", (100, 90)))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"resize": 200, "crop": 224}, "does not fit"),
        ({"mean": (0.5, 0.5)}, "three"),
        ({"std": (1.0, 0.0, 1.0)}, "above 0"),
        ({"crop": 0}, "whole number"),
        ({"resize": 25.5}, "whole number"),
        ({"interpolation": "bicubik"}, "did you mean 'bicubic'"),
    ],
)
def test_contradicting_settings_are_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        ImageTransform(**settings)  # type: ignore[arg-type]
