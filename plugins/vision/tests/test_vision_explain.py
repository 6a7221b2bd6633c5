"""From photos to pictures, through the public API."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import salience
from salience_vision import ImageTransform, Overlay, Vision

TRANSFORM = ImageTransform(resize=16, crop=12)


class Net(nn.Module):
    """Convolution, ReLU, pooling, dropout, three classes."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(channels, 4, 3, stride=2, padding=1)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(4, 3)

    def forward(self, image: Tensor) -> Tensor:
        scores: Tensor = self.head(self.drop(self.conv(image).relu().mean((2, 3))))
        return scores


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"photo{number}.png" for number in range(3)]
    rng = np.random.default_rng(0)
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(path)
    return paths


def test_the_gradient_of_a_linear_model_is_its_weights(photos: list[Path]) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 12 * 12, 2))
    made = salience.explain(model, photos, Vision(TRANSFORM), output="class:1")
    expected = model[1].weight[1].reshape(3, 12, 12).sum(0)
    assert made.values.shape == (3, 12, 12)
    assert torch.allclose(made.values, expected.expand(3, 12, 12))


def test_results_do_not_depend_on_how_photos_are_packed(photos: list[Path]) -> None:
    def run(max_rows: int) -> Tensor:
        settings = {"samplers": ["gaussian", "mc_dropout"], "n_samples": 4}
        domain = Vision(TRANSFORM)
        made = salience.explain(Net(), photos, domain, max_rows=max_rows, **settings)
        values: Tensor = made.values
        return values

    assert torch.allclose(run(1), run(64), atol=1e-6)


def test_integrated_gradients_are_complete(photos: list[Path]) -> None:
    made = salience.explain(
        Net().double(), photos, Vision(TRANSFORM), "integrated_gradients:steps=200"
    )
    assert made.values.dtype == torch.float64
    assert torch.allclose(made.values.sum((1, 2)), made.delta, atol=1e-3)


def test_occlusion_uses_the_named_axes(photos: list[Path]) -> None:
    window = {"height": 4, "width": 4}
    made = salience.explain(
        Net(), photos, Vision(TRANSFORM), salience.Occlusion(window=window, stride=window)
    )
    assert made.values.shape == (3, 12, 12)


def test_a_feature_map_is_explained_and_drawn_over_the_photo(photos: list[Path]) -> None:
    made = salience.explain(Net(), photos, Vision(TRANSFORM), target="conv")
    assert made.values.shape == (3, 6, 6)
    figure = made.visualize(1)
    assert figure.axes[0].images[-1].get_array().shape == (12, 12)


def test_one_channel_tensors_work() -> None:
    data = torch.rand(2, 1, 9, 9)
    made = salience.explain(Net(1), data, "vision")
    assert made.values.shape == (2, 9, 9)
    assert made.visualize(0).texts[0].get_text() == "item 0"


def test_names_go_from_the_domain_to_the_title(photos: list[Path]) -> None:
    model = Net()
    made = salience.explain(
        model, photos, Vision(TRANSFORM, class_names=["cat", "cup", "rocket"]), output="predicted"
    )
    best = int(made.prediction[2].argmax())
    share = f"{float(made.prediction[2].softmax(0)[best]):.2f}".removeprefix("0")
    logit = f"{float(made.score[2]):.3g}".replace("-", "−")
    expected = f"{['cat', 'cup', 'rocket'][best]}, probability {share}, logit {logit}"
    assert [text.get_text() for text in made.visualize(2).texts] == ["photo2.png", expected]


def test_pictures_are_written(photos: list[Path], tmp_path: Path) -> None:
    made = salience.explain(Net(), photos, Vision(TRANSFORM))
    made.visualize(0, path=tmp_path / "one.png", cmap="jet", alpha=0.5)
    made.visualize(path=tmp_path / "mean.svg")
    salience.grid({"a": made, "b": made}, [0, 2], path=tmp_path / "grid.png")
    with Image.open(tmp_path / "one.png") as one, Image.open(tmp_path / "grid.png") as grid:
        assert one.format == grid.format == "PNG"
        assert grid.width > grid.height
    assert "<svg" in (tmp_path / "mean.svg").read_text()


def test_saved_explanations_can_be_drawn_again(photos: list[Path], tmp_path: Path) -> None:
    for domain in (Vision(TRANSFORM), Vision(lambda image: TRANSFORM(image))):
        made = salience.explain(Net(), photos, domain)
        made.save(tmp_path / "run.salience")
        again = salience.Explanation.load(tmp_path / "run.salience")
        assert torch.equal(again.annotations[1]["image"], made.annotations[1]["image"])
        assert again.visualize(1).texts[0].get_text() == "photo1.png"


def test_drawing_leaves_the_settings_of_matplotlib_alone(photos: list[Path]) -> None:
    before = dict(matplotlib.rcParams)
    made = salience.explain(Net(), photos, Vision(TRANSFORM))
    salience.grid({"a": made}, visualizer=Overlay())
    assert dict(matplotlib.rcParams) == before


def test_a_long_list_is_read_without_decoding_it(photos: list[Path]) -> None:
    opened = []
    domain = Vision(lambda image: opened.append(1) or TRANSFORM(image))
    samples = domain.read(photos * 100)
    assert len(samples) == 300
    assert len(opened) == 1
