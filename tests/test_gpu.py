"""On a GPU the numbers are those of the CPU, and the user's model stays where it is."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import salience

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

IMAGES = salience.Tensors(axes=("item", "channel", "height", "width"), reduce=("channel",))
WAYS: list[tuple[str, list[Any], int]] = [
    ("gradient", [], 1),
    ("integrated_gradients:steps=8", [], 1),
    ("occlusion:window=3,stride=2", [], 1),
    ("gradient", ["gaussian"], 6),
    ("gradient", ["mc_dropout"], 6),
    ("integrated_gradients:steps=4", ["gaussian", "mc_dropout"], 3),
]


class Convolutional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Softplus(), nn.AdaptiveAvgPool2d(2)
        )
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(0.3), nn.Linear(32, 5))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.body(x))
        return out


@pytest.mark.parametrize(("calculator", "samplers", "n_samples"), WAYS)
@pytest.mark.parametrize("max_rows", [3, "auto"])
def test_images_get_the_numbers_of_the_cpu(
    calculator: str, samplers: list[Any], n_samples: int, max_rows: int | str
) -> None:
    model, x = Convolutional().double(), torch.randn(5, 3, 9, 9, dtype=torch.float64)
    results = [
        salience.explain(
            model,
            x,
            IMAGES,
            calculator,
            samplers=samplers,
            n_samples=n_samples,
            device=device,
            max_rows=max_rows,
        )
        for device in ("cpu", "cuda")
    ]
    torch.testing.assert_close(results[1].values, results[0].values, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(
        results[1].std_error, results[0].std_error, rtol=1e-8, atol=1e-12, equal_nan=True
    )
    assert {parameter.device.type for parameter in model.parameters()} == {"cpu"}


@pytest.mark.parametrize(("calculator", "samplers", "n_samples"), [WAYS[i] for i in (0, 1, 3, 4)])
@pytest.mark.parametrize("form", ["ragged", "padded"])
def test_graphs_get_the_numbers_of_the_cpu(
    graphs: Any, form: str, calculator: str, samplers: list[Any], n_samples: int
) -> None:
    domain = getattr(graphs, form)()
    model = graphs.models(0.3)[form == "padded"].double()
    results = [
        salience.explain(
            model,
            graphs.data,
            domain,
            calculator,
            samplers=samplers,
            n_samples=n_samples,
            target="embed",
            output="value",
            device=device,
        )
        for device in ("cpu", "cuda")
    ]
    for ours, theirs in zip(results[1].values, results[0].values, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


def test_a_model_on_the_gpu_is_explained_there() -> None:
    model, x = Convolutional().cuda(), torch.randn(4, 3, 9, 9)
    before = torch.cuda.get_rng_state()
    found = salience.explain(model, x, IMAGES, "gradient", samplers=["gaussian"], n_samples=4)
    assert found.values.device.type == "cpu"
    assert torch.equal(torch.cuda.get_rng_state(), before)


def test_running_out_of_gpu_memory_halves_the_passes() -> None:
    free, _ = torch.cuda.mem_get_info()

    class Hungry(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            # Two rows and more ask for more than there is.
            torch.empty(int(free * 0.6) * len(x), dtype=torch.uint8, device=x.device)
            return x.square().sum(1)

    x = torch.randn(8, 3)
    found = salience.explain(
        Hungry(),
        x,
        "tensor",
        output=salience.model.outputs.Custom(lambda y: y),
        device="cuda",
        max_rows=8,
    )
    torch.testing.assert_close(found.values, 2 * x)
