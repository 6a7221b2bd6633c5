"""On a GPU the numbers are those of the CPU, and the user's model stays where it is.

Where there is no GPU the same tests compare the CPU with itself, apart from those of its memory.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import salience

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"

IMAGES = salience.Tensors(axes=("item", "channel", "height", "width"), reduce=("channel",))
WAYS: list[tuple[str, list[Any], int]] = [
    ("gradient", [], 1),
    ("integrated_gradients:steps=8", [], 1),
    ("occlusion:window=3,stride=2", [], 1),
    ("gradient", ["gaussian"], 6),
    ("gradient", ["mc_dropout"], 6),
    ("integrated_gradients:steps=4", ["gaussian", "mc_dropout"], 3),
]


def explained(model: nn.Module, data: Any, domain: Any, *parts: Any, **settings: Any) -> Any:
    """The explanations of the CPU and of the GPU, by calculator, samplers and number of draws."""
    calculator, samplers, n_samples = parts
    return [
        salience.explain(
            model,
            data,
            domain,
            calculator,
            samplers=samplers,
            n_samples=n_samples,
            device=device,
            **settings,
        )
        for device in ("cpu", DEVICE)
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
    results = explained(model, x, IMAGES, calculator, samplers, n_samples, max_rows=max_rows)
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
    results = explained(
        model, graphs.data, domain, calculator, samplers, n_samples, target="embed", output="value"
    )
    for ours, theirs in zip(results[1].values, results[0].values, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


@needs_gpu
def test_a_model_on_the_gpu_is_explained_there() -> None:
    model, x = Convolutional().cuda(), torch.randn(4, 3, 9, 9)
    before = torch.cuda.get_rng_state()
    found = salience.explain(model, x, IMAGES, "gradient", samplers=["gaussian"], n_samples=4)
    assert found.values.device.type == "cpu"
    assert torch.equal(torch.cuda.get_rng_state(), before)


@pytest.mark.parametrize("domain", ["tensor", "tabular"])
@pytest.mark.parametrize("calculator", ["gradient", "integrated_gradients:steps=4", "occlusion"])
def test_data_baselines_and_labels_may_lie_on_the_gpu(domain: str, calculator: str) -> None:
    torch.manual_seed(0)
    net, rows = nn.Linear(3, 4).double(), torch.randn(6, 3, dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 3, 0, 1])
    settings: dict[str, Any] = {"samplers": ["gaussian"], "n_samples": 2, "device": DEVICE}

    def made(device: str) -> Tensor:
        output = salience.CrossEntropy(labels.to(device))
        return salience.explain(
            net, rows.to(device), domain, calculator, output=output, **settings
        ).values

    assert torch.equal(made("cpu"), made(DEVICE))


def test_a_baseline_may_lie_on_the_gpu() -> None:
    net, rows = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)), torch.randn(6, 3)

    def made(device: str) -> Tensor:
        integrated = salience.IntegratedGradients(baseline=torch.ones(3, device=device))
        found = salience.explain(net, rows, "tensor", integrated, output="value", device=DEVICE)
        return found.values

    assert torch.equal(made("cpu"), made(DEVICE))


@needs_gpu
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


class Recurrent(nn.Module):
    """A recurrent network over frames, and the mean over them."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = getattr(nn, kind)(3, 5, batch_first=True, bidirectional=True)
        self.drop, self.head = nn.Dropout(0.3), nn.Linear(10, 2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.drop(self.body(x)[0]).mean(1))
        return out


FRAMES = salience.Tensors(axes=("item", "frame", "channel"), output="class:1")


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize(("calculator", "samplers", "n_samples"), [WAYS[i] for i in (0, 1, 3, 4)])
def test_recurrent_networks_have_a_way_back(
    kind: str, calculator: str, samplers: list[Any], n_samples: int
) -> None:
    # cuDNN has no backward pass of recurrent layers in eval mode.
    model, x = Recurrent(kind).double(), torch.randn(4, 6, 3).double()
    results = []
    for device in ("cpu", DEVICE):
        explainer = salience.Explainer(model, FRAMES, device=device)
        if device == "cuda":
            with pytest.warns(salience.Notice, match="cuDNN"):
                results.append(explainer.explain(x, calculator, samplers, n_samples))
        else:
            results.append(explainer.explain(x, calculator, samplers, n_samples))
    torch.testing.assert_close(results[1].values, results[0].values, rtol=1e-9, atol=1e-12)
    assert torch.backends.cudnn.enabled


@pytest.mark.parametrize(("calculator", "samplers", "n_samples"), [WAYS[i] for i in (0, 1, 3, 4)])
def test_scatter_adds_of_varying_order_are_no_fault(
    graphs: Any, calculator: str, samplers: list[Any], n_samples: int
) -> None:
    # Atomic additions in float32 come in another order each time, so that digits differ.
    data = [graphs.data[i % len(graphs.data)] for i in range(60)]
    results = explained(
        graphs.models(0.3)[0],
        data,
        graphs.ragged(),
        calculator,
        samplers,
        n_samples,
        target="embed",
        output="value",
    )
    for ours, theirs in zip(results[1].values, results[0].values, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


class Drawing(nn.Module):
    """Adds noise from the generator of its device, in eval mode as well."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layer(x + 0.1 * torch.randn_like(x))
        return out


def test_draws_from_the_generator_of_the_device_are_refused() -> None:
    own = salience.Explainer(Drawing(), "tensor", device=DEVICE)
    with pytest.raises(salience.InputError):
        own.explain(torch.randn(4, 3))


class Mixing(nn.Module):
    """Subtracts the mean over the rows of the pass."""

    def forward(self, x: Tensor) -> Tensor:
        return (x - x.mean(0)).square().sum(1)


def test_rows_that_meet_run_alone() -> None:
    x = torch.randn(5, 3).double()
    explainer = salience.Explainer(Mixing(), salience.Tensors(output="value"), device=DEVICE)
    with pytest.warns(salience.Notice):
        found = explainer.explain(x)
    torch.testing.assert_close(found.values, torch.zeros(5, 3).double())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_results_are_float32(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    model, x = nn.Linear(4, 2).to(dtype), torch.randn(3, 4).to(dtype)
    found = salience.explain(model, x, "tensor", output="class:0", device=DEVICE)
    assert found.values.dtype == torch.float32
    torch.testing.assert_close(found.values, model.weight[0].detach().float().expand(3, 4))


class Attending(nn.Module):
    """Self-attention with dropout inside, over padded-free sequences."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.MultiheadAttention(4, 2, dropout=0.3, batch_first=True)
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.body(x, x, x, need_weights=False)[0].mean(1))
        return out


@pytest.mark.parametrize(("calculator", "samplers", "n_samples"), [WAYS[i] for i in (0, 1, 4)])
def test_attention_gets_the_numbers_of_the_cpu(
    calculator: str, samplers: list[Any], n_samples: int
) -> None:
    model, x = Attending().double(), torch.randn(4, 6, 4).double()
    results = explained(model, x, FRAMES, calculator, samplers, n_samples)
    torch.testing.assert_close(results[1].values, results[0].values, rtol=1e-9, atol=1e-12)
