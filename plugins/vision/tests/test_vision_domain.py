from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from salience import InputError
from salience_vision import ImageTransform, Vision

PLAIN = ImageTransform(None, None, (0,) * 3, (1,) * 3)
RNG = np.random.default_rng(0)


def pixels(height: int = 6, width: int = 8) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)


def image_of(domain: Vision, data: Any) -> torch.Tensor:
    image = domain.collate(domain.read(data)).arguments["image"]
    assert isinstance(image, torch.Tensor)
    return image


def test_all_kinds_of_one_photo_give_the_same_numbers(tmp_path: Path) -> None:
    photo = pixels()
    path = tmp_path / "photo.png"
    Image.fromarray(photo).save(path)
    chw = torch.from_numpy(photo).permute(2, 0, 1)
    kinds = [
        path,
        str(path),
        Image.fromarray(photo),
        photo,
        photo / 255,
        np.concatenate([photo, photo[..., :1]], axis=2),
        chw,
        chw.float() / 255,
        (chw.double() / 255).numpy(),
    ]
    image = image_of(Vision(PLAIN), kinds)
    assert image.shape == (9, 3, 6, 8)
    assert torch.allclose(image, chw.to(image.dtype) / 255, atol=1e-6)


def test_four_axes_are_several_items() -> None:
    photos = np.stack([pixels(), pixels(), pixels()])
    domain = Vision(PLAIN)
    from_photos = image_of(domain, photos)
    from_tensor = image_of(domain, torch.from_numpy(photos).permute(0, 3, 1, 2) / 255)
    from_array = image_of(domain, (photos / 255).transpose(0, 3, 1, 2))
    assert from_photos.shape == (3, 3, 6, 8)
    assert torch.allclose(from_photos, from_tensor, atol=1e-6)
    assert torch.allclose(from_photos.double(), from_array, atol=1e-6)


def test_layout_names_the_axes_and_sums_over_channels() -> None:
    batch = Vision(PLAIN).collate(Vision(PLAIN).read([pixels(), pixels()]))
    assert batch.layout.fields["image"].axes == ("item", "channel", "height", "width")
    assert batch.layout.reduce == ("channel",)
    assert batch.layout.inner == batch.layout.fields["image"].axes
    assert batch.n_items == 2


def test_ready_numbers_are_neither_changed_nor_aliased() -> None:
    tensor = torch.randn(2, 1, 5, 5, dtype=torch.float64) * 40
    before = tensor.clone()
    image = image_of(Vision(), tensor)
    assert torch.equal(image, before)
    image.zero_()
    assert torch.equal(tensor, before)


def test_the_camera_is_turned_upright(tmp_path: Path) -> None:
    photo = pixels(4, 7)
    path = tmp_path / "turned.png"
    exif = Image.Exif()
    exif[0x0112] = 6  # The camera was held so that the photo must turn by 90° clockwise.
    Image.fromarray(photo).save(path, exif=exif)
    image = image_of(Vision(PLAIN), path)
    assert image.shape == (1, 3, 7, 4)
    turned = np.rot90(photo, -1)
    assert np.array_equal((image[0] * 255).round().permute(1, 2, 0), turned)
    with Image.open(path) as handed:
        image_of(Vision(PLAIN), handed)
        assert handed.size == (7, 4)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV"])
def test_every_kind_of_image_becomes_rgb(mode: str) -> None:
    source = Image.new("RGB", (9, 5), (255, 255, 255)).convert(mode)
    image = image_of(Vision(PLAIN), source)
    assert image.shape == (1, 3, 5, 9)
    assert torch.allclose(image, torch.ones(()), atol=0.02)
    assert source.mode == mode


def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path: Path) -> None:
    deep = np.array([[0, 257 * 100], [257 * 200, 65535]], dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    image = image_of(Vision(PLAIN), tmp_path / "deep.png")
    assert torch.equal((image[0, 1] * 255).round(), torch.tensor([[0.0, 100.0], [200.0, 255.0]]))


def test_a_transparent_palette_does_not_warn(tmp_path: Path) -> None:
    palette = Image.fromarray(pixels()).convert("P")
    palette.save(tmp_path / "p.png", transparency=bytes(range(256)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert image_of(Vision(PLAIN), tmp_path / "p.png").shape == (1, 3, 6, 8)


def test_samples_hold_paths_and_no_pixels(tmp_path: Path) -> None:
    good = tmp_path / "good.png"
    Image.fromarray(pixels(60, 80)).save(good)
    domain = Vision(PLAIN)
    samples = domain.read([good, good, good])
    assert all(isinstance(sample.item.source, Path) for sample in samples)
    assert len(pickle.dumps(samples)) < 2000
    assert domain.collate(samples[2:]).n_items == 1
    good.write_bytes(good.read_bytes()[:2000])
    with pytest.raises(InputError, match=r"item 1 \('good.png'\) cannot be decoded"):
        domain.collate(samples[1:])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder / "none.png", r"item 1 \('none.png'\): there is no file"),
        (lambda folder: folder, "is a folder; pass its files"),
        (lambda folder: folder / "words.txt", "not an image that Pillow can read"),
        (lambda folder: {"a": 1}, "item 1 is a dict; pass paths"),
        (lambda folder: pixels().transpose(2, 0, 1), r"\(3, 6, 8\).*use .transpose\(1, 2, 0\)"),
        (lambda folder: torch.from_numpy(pixels()), r"\(6, 8, 3\).*use .permute\(2, 0, 1\)"),
        (lambda folder: pixels().astype(float), "values from .* to 2..; expected 0 to 1"),
        (lambda folder: pixels().astype(int), "dtype int64; pass uint8"),
        (lambda folder: torch.ones(3, 4, 4, dtype=torch.long), "dtype int64; pass uint8"),
        (lambda folder: np.ones((3, 5, 3)), "channels at either end"),
        (lambda folder: torch.ones(4, 4), r"shape \(4, 4\); a tensor has the axes"),
        (lambda folder: torch.ones(2, 3, 4, 4), r"shape \(2, 3, 4, 4\); a tensor has the axes"),
        (lambda folder: np.ones(4), "expected .height, width, channel."),
        (lambda folder: torch.full((3, 4, 4), torch.nan), "item 1 holds NaN"),
        (lambda folder: np.full((3, 5, 5), np.inf), "item 1 holds NaN"),
        (lambda folder: torch.ones(3, 4, 4), r"item 1 has shape \(3, 4, 4\) but item 0 has"),
        (lambda folder: Image.new("LAB", (4, 4)), "mode 'LAB', which is not known here"),
        (lambda folder: Image.new("I", (4, 4)), "32 bits has no known range"),
        (lambda folder: Image.new("F", (4, 4), 2.0), "from 2 to 2; expected 0 to 1"),
    ],
)
def test_what_cannot_be_served_is_refused_by_its_number(
    tmp_path: Path, make: Any, words: str
) -> None:
    (tmp_path / "words.txt").write_text("no pixels here")
    with pytest.raises(InputError, match=words):
        Vision(PLAIN).read([pixels(), make(tmp_path)])


@pytest.mark.parametrize("data", [7, {"a": 1}, b"bytes", None])
def test_data_of_another_kind_is_refused(data: Any) -> None:
    with pytest.raises(InputError, match="cannot read photos from a"):
        Vision().read(data)


def test_no_photos_are_refused() -> None:
    with pytest.raises(InputError, match="no photos"):
        Vision().read([])


def test_large_photos_are_refused_before_decoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "large.png"
    Image.new("1", (400, 300)).save(path)
    with pytest.raises(InputError, match=r"large.png'\) has 400 × 300 = 120000 pixels"):
        Vision(max_pixels=100_000).read(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(InputError, match="Pillow refuses"):
        Vision().read(path)


def test_photos_of_two_sizes_are_told_apart(tmp_path: Path) -> None:
    domain = Vision(ImageTransform(resize=32, crop=None))
    samples = domain.read([pixels(40, 50), pixels(40, 60)])
    with pytest.raises(InputError, match=r"item 1 has shape \(3, 32, 48\) but item 0 has \(3, 32,"):
        domain.collate(samples[1:])


@pytest.mark.parametrize(
    ("transform", "words"),
    [
        (lambda image: np.asarray(image), "transform made an ndarray of item 0"),
        (lambda image: torch.ones(4, 4), r"float32 tensor of shape \(4, 4\)"),
        (lambda image: torch.ones(3, 4, 4, dtype=torch.uint8), "must return a float tensor"),
        (lambda image: torch.full((3, 4, 4), torch.nan), "NaN or infinite values of item 0"),
    ],
)
def test_a_transform_that_does_not_work_is_found_while_reading(transform: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Vision(transform).read(pixels())


def test_annotations_hold_the_photo_as_the_model_sees_it(tmp_path: Path) -> None:
    photo = pixels(32, 40)
    path = tmp_path / "cat.png"
    Image.fromarray(photo).save(path)
    domain = Vision(ImageTransform(resize=None, crop=32))
    batch = domain.collate(domain.read([path, photo]))
    assert [note["name"] for note in batch.annotations] == ["cat.png", "item 1"]
    image = batch.annotations[0]["image"]
    assert image.dtype == torch.uint8
    assert np.array_equal(image, photo[:, 4:36])


def test_numbers_of_unknown_scale_are_stretched_to_a_picture() -> None:
    domain = Vision()
    ready = torch.tensor([[[-2.0, 0.0], [2.0, 6.0]]])
    inside = torch.full((3, 2, 2), 0.5)
    many = torch.rand(7, 2, 2) * 9
    shown = domain.collate(domain.read(ready)).annotations[0]["image"]
    assert shown.shape == (2, 2, 3)
    assert shown[..., 0].tolist() == [[0, 64], [128, 255]]
    assert domain.collate(domain.read(inside)).annotations[0]["image"].unique().tolist() == [128]
    assert domain.collate(domain.read(many)).annotations[0]["image"].max() == 255


def test_your_own_display_is_used_and_checked() -> None:
    domain = Vision(display=lambda tensor: tensor.permute(1, 2, 0).numpy() * 0 + 0.2)
    image = domain.collate(domain.read(torch.randn(3, 4, 4))).annotations[0]["image"]
    assert image.unique().tolist() == [51]
    with pytest.raises(InputError, match=r"display made a picture of shape \(3, 4, 4\)"):
        Vision(display=lambda tensor: tensor.numpy()).read(torch.randn(3, 4, 4))


def test_class_names_are_facts_only_where_given() -> None:
    assert Vision().dataset_info([]) == {}
    assert Vision(class_names=["cat", "dog"]).dataset_info([]) == {"class_names": ["cat", "dog"]}
    with pytest.raises(InputError, match="one string"):
        Vision(class_names="cat")


def test_settings_of_the_transform_can_be_a_mapping() -> None:
    made = Vision(transform={"resize": 40, "crop": 32})
    assert made.transform == ImageTransform(resize=40, crop=32)
    with pytest.raises(InputError, match="transform is 3"):
        Vision(transform=3)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no setting 'resise'; did you mean 'resize'"):
        Vision(transform={"resise": 40})


def test_the_record_of_a_function_is_refused_where_it_would_run() -> None:
    with pytest.raises(InputError, match="transform is '⟨f⟩', the record of a function"):
        Vision(transform="⟨f⟩").read(pixels())
    with pytest.raises(InputError, match="display is '⟨f⟩', the record of a function"):
        Vision(PLAIN, display="⟨f⟩").read(pixels())
