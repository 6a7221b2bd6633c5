"""What stands in an image file is what the transform gets; broken files are named at once."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import salience
from salience import InputError, Notice
from salience_vision import ImageTransform, Vision

PLAIN = ImageTransform(None, None, (0,) * 3, (1,) * 3)
GREY = ImageTransform(None, None, (0.0,), (1.0,))
RAMP = np.arange(4096).reshape(64, 64) * 16
Array = np.ndarray[Any, Any]


class Seen:
    """A transform of the user's own, which keeps the images that it gets."""

    def __init__(self) -> None:
        self.images: list[Image.Image] = []

    def __call__(self, image: Image.Image) -> Tensor:
        self.images.append(image)
        levels = np.array(image).astype("float32")
        return torch.from_numpy(levels if levels.ndim == 3 else levels[..., None]).permute(2, 0, 1)


def png16(path: Path, levels: Array) -> Path:
    """Write a PNG of 16 bits and 1 to 4 channels; Pillow writes those of one alone."""
    height, width, channels = levels.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    text = b"\x89PNG\r\n\x1a\n"
    for name, body in parts:
        text += struct.pack(">I", len(body)) + name + body
        text += struct.pack(">I", zlib.crc32(name + body))
    path.write_bytes(text)
    return path


def saved(name: str, dtype: str, scale: float = 1.0) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        Image.fromarray((RAMP * scale).astype(dtype)).save(folder / name)
        return folder / name

    return make


def pgm(folder: Path) -> Path:
    (folder / "a.pgm").write_bytes(b"P5 64 64 65535\n" + RAMP.astype(">u2").tobytes())
    return folder / "a.pgm"


@pytest.mark.parametrize(
    ("make", "mode"),
    [
        (saved("a.png", "uint16"), "I;16"),
        (saved("a.tif", "uint16"), "I;16"),
        (saved("a.tif", ">u2"), "I;16"),
        (saved("a.tif", "int32"), "I"),
        (saved("a.tif", "float32", 1e-3), "F"),
        (pgm, "I"),
        (lambda folder: Image.fromarray(RAMP.astype("uint16")), "I;16"),
        (lambda folder: Image.fromarray(RAMP.astype("float32")), "F"),
        (lambda folder: RAMP.astype("uint16"), "I;16"),
        (lambda folder: RAMP.astype(">u2")[..., None], "I;16"),
        (lambda folder: RAMP.astype("int64"), "I"),
        (lambda folder: RAMP / 65535, "F"),
        (lambda folder: (RAMP[::-1] / 65535).astype("float32")[::-1], "F"),
        (lambda folder: torch.from_numpy(RAMP.astype("uint16"))[None], "I;16"),
        (lambda folder: torch.from_numpy(RAMP)[None], "I"),
    ],
)
def test_grey_of_many_bits_reaches_the_transform(tmp_path: Path, make: Any, mode: str) -> None:
    seen = Seen()
    given = make(tmp_path)
    with pytest.warns(Notice, match=r"more than 8 bits reach the transform.*must not convert"):
        image = Vision(seen).collate(Vision(seen).read([given])).arguments["image"]
    assert {one.mode for one in seen.images} == {mode}
    assert all(len(np.unique(np.array(one))) == 4096 for one in seen.images)
    assert isinstance(image, Tensor)
    assert torch.allclose(image[0, 0] / image.max(), torch.from_numpy(RAMP / RAMP.max()).float())


def test_the_transform_of_imagenet_keeps_the_levels_of_grey(tmp_path: Path) -> None:
    path = saved("a.png", "uint16")(tmp_path)
    domain = Vision(GREY)
    for given in (path, RAMP.astype("uint16"), RAMP / 65535):
        image = domain.collate(domain.read([given])).arguments["image"]
        assert isinstance(image, Tensor)
        assert torch.allclose(image[0, 0], torch.from_numpy(RAMP / 65535).float(), atol=1e-6)
    sharp = (np.indices((64, 64)).sum(0) // 8 % 2 * 65535).astype("uint16")
    resized = ImageTransform(40, 32, (0.0,), (1.0,), "bilinear")(Image.fromarray(sharp))
    assert 0 <= float(resized.min()) < float(resized.max()) <= 1
    eight = ImageTransform(40, 32, (0.0,), (1.0,), "bilinear")(
        Image.fromarray((sharp / 257).astype("uint8"))
    )
    assert torch.allclose(resized, eight, atol=2 / 255)


def test_a_transform_that_fails_on_deep_grey_is_told_the_mode() -> None:
    def broken(image: Image.Image) -> Tensor:
        raise TypeError("three channels expected")

    with pytest.warns(Notice), pytest.raises(TypeError) as caught:
        Vision(broken).read(RAMP.astype("uint16"))
    assert "mode 'I;16'" in caught.value.__notes__[0]
    whole = Vision(lambda image: torch.from_numpy(np.array(image)).int())
    with pytest.warns(Notice), pytest.raises(InputError, match=r"grey photo of more than 8 bits"):
        whole.read(RAMP.astype("uint16"))


def colours(channels: int) -> Array:
    return np.arange(64 * channels).reshape(8, 8, channels) * 250


@pytest.mark.parametrize(
    "make",
    [
        *(lambda folder, c=c: png16(folder / "a.png", colours(c)) for c in (2, 3, 4)),
        lambda folder: colours(3).astype("uint16"),
        lambda folder: torch.from_numpy(colours(3).astype("uint16")).permute(2, 0, 1),
        lambda folder: colours(3) / 65535,
        lambda folder: Image.open(png16(folder / "a.png", colours(3))),
    ],
)
def test_colours_of_many_bits_are_refused_or_told(tmp_path: Path, make: Any) -> None:
    with pytest.raises(InputError, match=r"item 0.*more than 8 bits"):
        Vision(Seen()).read([make(tmp_path)])
    with pytest.warns(Notice, match="reduced to 8 bits"):
        samples = Vision(PLAIN).read([make(tmp_path)])
    image = Vision(PLAIN).collate(samples).arguments["image"]
    assert isinstance(image, Tensor)
    if image.shape[-1] == 8 and not isinstance(make(tmp_path), Path):
        truth = torch.from_numpy(colours(3) / 65535).permute(2, 0, 1).float()
        assert torch.allclose(image[0], truth, atol=1.1 / 255)


def test_colours_of_8_bits_in_another_dtype_are_exact() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (5, 6, 3))
    seen = Seen()
    kinds = [photo / 255, (photo / 255).astype("float32"), (photo * 257).astype("uint16")]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = Vision(seen).collate(Vision(seen).read(kinds)).arguments["image"]
    assert isinstance(image, Tensor)
    assert torch.equal(image, torch.from_numpy(photo).permute(2, 0, 1).float().expand(3, 3, 5, 6))


@pytest.mark.parametrize("suffix", ["gif", "tif", "png", "webp"])
def test_further_pictures_of_a_file_are_told(tmp_path: Path, suffix: str) -> None:
    pages = [Image.new("RGB", (8, 8), (shade, 0, 0)) for shade in (0, 90, 200)]
    path = tmp_path / f"a.{suffix}"
    pages[0].save(path, save_all=True, append_images=pages[1:])
    with pytest.warns(Notice, match="only the first picture.*of 3 in item 0"):
        Vision(PLAIN).read(path)


# --- Broken files ---------------------------------------------------------------------------------


def folder_of(path: Path, suffix: str) -> list[Path]:
    """Six photos, of which the second is cut short, the fourth no image and the fifth missing."""
    noise = np.random.default_rng(0).integers(0, 256, (6, 40, 40, 3), dtype=np.uint8)
    files = [path / f"{i}.{suffix}" for i in range(6)]
    for file, photo in zip(files, noise, strict=True):
        Image.fromarray(photo).save(file)
    whole = files[1].read_bytes()
    files[1].write_bytes(whole[: len(whole) // 2])
    files[3].write_text("no pixels")
    files[4].unlink()
    return files


class Reds(nn.Module):
    def forward(self, image: Tensor) -> Tensor:
        return image[:, :1].mean((2, 3))


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "bmp", "gif", "webp"])
def test_broken_files_are_named_at_once_or_left_out(tmp_path: Path, suffix: str) -> None:
    files = folder_of(tmp_path, suffix)
    with pytest.raises(InputError, match="3 of 6 items cannot be read, items 1, 3, 4: ") as caught:
        Vision(PLAIN).read(files)
    for number in (1, 3, 4):
        assert f"item {number} ('{number}.{suffix}')" in str(caught.value)
    domain = Vision(PLAIN, on_error="skip")
    with pytest.warns(Notice, match="3 of 6 items cannot be read and are left out, items 1, 3, 4"):
        found = salience.explain(Reds(), files, domain, output="value")
    truth = Vision(PLAIN).collate(Vision(PLAIN).read([files[i] for i in (0, 2, 5)]))
    image = truth.arguments["image"]
    assert isinstance(image, Tensor)
    assert torch.allclose(found.score, Reds()(image)[:, 0])
    assert [note["name"] for note in found.annotations] == [f"{i}.{suffix}" for i in (0, 2, 5)]
    with pytest.raises(InputError, match="no item is left by on_error='skip'"):
        domain.read([files[1], files[3]])


def test_faults_of_arrays_and_of_sizes_are_named_with_them() -> None:
    given = [np.zeros((9, 9), "u1"), np.zeros((2, 9), "u1"), np.full((9, 9), np.nan), "none.png", 3]
    domain = Vision(ImageTransform(None, 8, (0.0,), (1.0,)))
    with pytest.raises(InputError, match="4 of 5 items cannot be read, items 1, 2, 3, 4"):
        domain.read(given)


def test_an_unknown_way_with_errors_is_refused() -> None:
    with pytest.raises(InputError, match="unknown on_error='ignore'"):
        Vision(on_error="ignore")
