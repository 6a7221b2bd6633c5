"""Inputs: photos and image tensors, whole and broken, and the settings of their domain."""

from __future__ import annotations

from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
import torch
from hypothesis import assume
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor, nn

from salience import Explainer
from salience_vision import ImageTransform, Vision

from .data import folder
from .oracle import Case
from .specs import brief
from .subject import told
from .values import MAYBE, wild

SIZE = 6


@cache
def network() -> nn.Module:
    """Scores of two classes for images of any size, in double precision."""

    class Pixels(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(1)
            self.conv = nn.Conv2d(3, 2, 2).double()

        def forward(self, image: Tensor) -> Tensor:
            found: Tensor = self.conv(image.double()).tanh().mean((2, 3))
            return found

    return Pixels().eval()


def cases() -> st.SearchStrategy[Case]:
    return st.one_of(images(), images(), files(), files(), settings())


def domain(**options: Any) -> Vision:
    return Vision(ImageTransform(resize=None, crop=None), **options)


def _pixels(seed: int, *shape: int) -> Any:
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


#: Photo of uint8 (height, width, 3) → the same photo in another form.
_FORMS: dict[str, Any] = {
    "array": lambda a: a,
    "image": Image.fromarray,
    "float array": lambda a: a / 255,
    "uint8 tensor": lambda a: torch.from_numpy(a.copy()).permute(2, 0, 1),
    "with opacity": lambda a: np.dstack([a, np.full(a.shape[:2], 255, np.uint8)]),
    "turned array": lambda a: np.ascontiguousarray(a[::-1])[::-1],
}


@st.composite
def images(draw: Any) -> Case:
    """A list of photos in several forms; each alone has the same saliency."""
    number = draw(st.integers(1, 3))
    plain = [_pixels(i, SIZE, SIZE, 3) for i in range(number)]
    forms = [draw(st.sampled_from(sorted(_FORMS))) for _ in plain]
    given: Any = [_FORMS[form](photo) for form, photo in zip(forms, plain, strict=True)]
    odd = draw(st.sampled_from(("", "", "wild item", "wild", "mode", "dtype", "shape")))
    text = f"Vision: {forms} {odd}"
    if odd == "wild item":
        given[draw(st.integers(0, number - 1))] = value = draw(wild())
        text += f" {brief(value)}"
    elif odd == "wild":
        given = draw(wild())
        text = f"Vision: {brief(given)}"
    elif odd == "mode":
        mode = draw(
            st.sampled_from(
                ("L", "P", "1", "CMYK", "LAB", "HSV", "YCbCr", "I", "F", "RGBA", "LA", "I;16")
            )
        )
        given[0] = (
            Image.fromarray(plain[0]).convert("L").convert(mode)
            if mode not in ("I;16", "LAB", "HSV")
            else Image.new(mode, (SIZE, SIZE))
        )
        text += f" {mode}"
    elif odd == "dtype":
        dtype = draw(
            st.sampled_from(
                (np.uint16, np.int64, np.float16, np.bool_, np.complex64, np.int8, object, ">f4")
            )
        )
        given[0] = plain[0].astype(dtype)
        text += f" {dtype}"
    elif odd == "shape":
        shape = draw(
            st.sampled_from(
                (
                    (0, 0, 3),
                    (SIZE, SIZE),
                    (SIZE,),
                    (SIZE, SIZE, 2),
                    (1, 1, 3),
                    (3, SIZE, SIZE),
                    (2, SIZE, SIZE, 3),
                    (SIZE + 1, SIZE, 3),
                )
            )
        )
        given[0] = _pixels(5, *shape)
        text += f" {shape}"

    def expected() -> Any:
        own = [
            Explainer(network(), domain(), max_rows=1).explain([Image.fromarray(p)]) for p in plain
        ]
        return {"values": [torch.cat([e.values for e in own])]}

    right = MAYBE if odd else expected
    run = lambda: told(Explainer(network(), domain()).explain(given))  # noqa: E731
    return Case(text, run, right, tolerance=1e-4)


@cache
def encoded(kind: str, seed: int) -> bytes:
    stream = BytesIO()
    Image.fromarray(_pixels(seed, SIZE, SIZE, 3)).save(stream, kind)
    return stream.getvalue()


@st.composite
def damaged(draw: Any, raw: bytes) -> bytes:
    """Bytes of a file: flipped, cut, inserted, repeated or whole."""
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, max(0, len(raw) - 1)))
        how = draw(st.sampled_from(("flip", "cut", "insert", "drop", "tail", "zero")))
        if how == "flip" and raw:
            raw = raw[:at] + bytes([raw[at] ^ (1 << draw(st.integers(0, 7)))]) + raw[at + 1 :]
        elif how == "cut":
            raw = raw[:at]
        elif how == "insert":
            raw = raw[:at] + draw(st.binary(max_size=5)) + raw[at:]
        elif how == "drop":
            raw = raw[:at] + raw[at + draw(st.integers(1, 20)) :]
        elif how == "tail":
            raw += draw(st.binary(max_size=9))
        else:
            raw = raw[:at] + b"\0" * len(raw[at : at + 8]) + raw[at + 8 :]
    return raw


@st.composite
def files(draw: Any) -> Case:
    """Files of photos, of which one is damaged."""
    kind = draw(st.sampled_from(("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")))
    whole = encoded(kind, 0)
    raw = draw(damaged(whole))
    skip = draw(st.booleans())
    suffix = draw(st.sampled_from((kind.lower(), "png", "txt", "")))

    def paths() -> list[str]:
        made = []
        for name, data in (("first", encoded(kind, 1)), ("second", raw)):
            path = folder() / f"{name}.{suffix}"
            path.write_bytes(data)
            made.append(str(path))
        return made

    def run() -> Any:
        return told(
            Explainer(network(), domain(on_error="skip" if skip else "raise")).explain(paths())
        )

    def expected() -> Any:
        opened = [Image.open(path).convert("RGB") for path in paths()]
        own = [Explainer(network(), domain(), max_rows=1).explain([photo]) for photo in opened]
        return {"values": [torch.cat([e.values for e in own])]}

    text = f"photo {kind} .{suffix} skip={skip} {raw!r}"
    right = expected if raw == whole and kind != "GIF" else MAYBE
    return Case(text, run, right, tolerance=1e-4)


@st.composite
def settings(draw: Any) -> Case:
    """Settings of the domain and of its transform."""
    transform = draw(st.booleans())
    names = (
        ("resize", "crop", "mean", "std", "interpolation")
        if transform
        else ("transform", "display", "class_names", "max_pixels", "on_error")
    )
    given = draw(st.dictionaries(st.sampled_from(names), wild(), min_size=1, max_size=2))
    # What a user's transform raises is raised as it is, by design.
    assume(not callable(given.get("transform")))
    as_mapping = draw(st.booleans())
    own = {"resize": None, "crop": None}

    def run() -> Any:
        if transform:
            chosen: Any = own | given
            made = Vision(chosen if as_mapping else ImageTransform(**chosen))
        else:
            made = (
                {"name": "vision", "transform": own} | given
                if as_mapping
                else domain(**given)
                if "transform" not in given
                else Vision(**given)
            )
        found = Explainer(network(), made).explain([_pixels(0, SIZE, SIZE, 3)])
        return told(found)

    what = "ImageTransform" if transform else "Vision"
    return Case(f"{what}(**{brief(given)}) mapping={as_mapping}", run)
