"""Levers: memory layout, precision, the allocator."""

from __future__ import annotations

import platform
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import salience

IMAGES = salience.Tensors(axes=("item", "channel", "height", "width"), reduce=("channel",))
WHOLE = salience.Tensors(axes=("item", "channel", "height", "width"))


class Seeing(nn.Module):
    """Keeps what it was given, as far as memory goes."""

    layouts: list[bool]

    def __init__(self, flatten: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.convolution = nn.Conv2d(3, 4, 3)
        self.head = nn.Linear(4 * 6 * 6, 3)
        self.flatten = flatten
        Seeing.layouts = []

    def forward(self, x: Tensor) -> Tensor:
        Seeing.layouts.append(x.is_contiguous(memory_format=torch.channels_last))
        out: Tensor = self.head(self.flatten(self.convolution(x).tanh()))
        return out


def by_view(x: Tensor) -> Tensor:
    return x.view(len(x), -1)


def test_images_lie_with_channels_last_while_the_users_model_stays() -> None:
    model = Seeing(nn.Flatten())
    x = torch.randn(2, 3, 8, 8)
    salience.explain(model, x, IMAGES, samplers=["gaussian"])
    # Single rows are compared with those of a replica without it.
    assert True in Seeing.layouts
    assert model.convolution.weight.is_contiguous()
    assert x.is_contiguous()


def test_a_forward_that_views_memory_is_run_as_it_came() -> None:
    x = torch.randn(2, 3, 8, 8)
    viewing = salience.explain(Seeing(by_view), x, IMAGES, samplers=["gaussian"])
    assert True in Seeing.layouts
    assert not Seeing.layouts[-1]
    flattening = salience.explain(Seeing(nn.Flatten()), x, IMAGES, samplers=["gaussian"])
    torch.testing.assert_close(viewing.values, flattening.values, rtol=1e-5, atol=1e-7)


#: Eight draws a row that move nothing.
STILL: dict[str, Any] = {"samplers": ["gaussian:scale=0"], "n_samples": 8, "max_rows": 2}


class Normalised(nn.Module):
    """A convolution and its batch normalisation, which has seen data."""

    def __init__(self, bias: bool, elsewhere: float = 0.0) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3, bias=bias)
        self.norm = nn.BatchNorm2d(4)
        self.elsewhere = elsewhere
        with torch.no_grad():
            for values in (self.norm.running_mean, self.norm.weight, self.norm.bias):
                values.normal_()
            self.norm.running_var.uniform_(0.1, 2)

    def forward(self, x: Tensor) -> Tensor:
        found = self.convolution(x)
        out = self.norm(found).tanh()
        if self.elsewhere:
            out = out + self.elsewhere * found.square()
        return out.flatten(2).mean(2)


def gradients(model: nn.Module, x: Tensor) -> Tensor:
    """Of the predicted class, by plain autograd."""
    x = x.clone().requires_grad_()
    scores = model.eval()(x)
    (found,) = torch.autograd.grad(scores.max(1).values.sum(), x)
    return found


@pytest.mark.parametrize("bias", [False, True])
def test_batch_normalisation_is_folded_without_a_trace(bias: bool, normalised: list[int]) -> None:
    model, x = Normalised(bias).double(), torch.randn(3, 3, 8, 8).double()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    expected = gradients(model, x)
    normalised.clear()
    found = salience.explain(
        model, x, WHOLE, samplers=["gaussian:scale=0"], n_samples=8, max_rows=2
    )
    # A row that shows what to fold, where a function mode makes the call twice, and four passes of
    # reference rows; the others would be 18.
    assert len(normalised) == 6
    torch.testing.assert_close(found.values, expected, rtol=1e-12, atol=1e-14)
    assert isinstance(model.norm, nn.BatchNorm2d)
    assert model.convolution.bias is None or bias
    torch.testing.assert_close(dict(model.state_dict()), before, rtol=0, atol=0)


@pytest.mark.parametrize("elsewhere", [1e-6, 1.0])
def test_a_convolution_that_is_read_elsewhere_is_not_folded(elsewhere: float) -> None:
    model, x = Normalised(True, elsewhere).double(), torch.randn(3, 3, 8, 8).double()
    found = salience.explain(
        model, x, WHOLE, samplers=["gaussian:scale=0"], n_samples=8, max_rows=2
    )
    torch.testing.assert_close(found.values, gradients(model, x), rtol=1e-12, atol=1e-14)


def test_a_normalisation_that_a_hook_looks_at_is_not_folded() -> None:
    model, seen = Normalised(True), []
    model.norm.register_forward_hook(lambda module, args, output: seen.append(output.shape))
    salience.explain(model, torch.randn(3, 3, 8, 8), IMAGES, samplers=["gaussian"], max_rows=2)
    assert len(seen) >= 6


def test_bfloat16_is_near_and_comes_back_in_float32() -> None:
    model, x = Seeing(nn.Flatten()), torch.randn(4, 3, 8, 8)
    full = salience.explain(model, x, IMAGES)
    half = salience.explain(model, x, IMAGES, precision="bf16")
    assert half.values.dtype == half.score.dtype == torch.float32
    error = (half.values - full.values).norm() / full.values.norm()
    assert 1e-5 < error < 0.05


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(salience.InputError, match="bf16"):
        salience.Explainer(nn.Linear(4, 3), "tensor", precision="fp8")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a lever of glibc")
def test_freed_memory_stays_with_the_process() -> None:
    script = """
import resource, torch, salience
assert salience.tune_allocator()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(12):
    torch.ones(16_000_000)
before = faults()  # the first blocks fill the caches of the allocator
for _ in range(10):
    torch.ones(16_000_000)
print(faults() - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    # 64 MB of fresh pages are 15 625 faults each time.
    assert int(done.stdout) < 1000


# --- Several devices ------------------------------------------------------------------------------


@pytest.mark.parametrize("n_devices", [2, 3, 9])
@pytest.mark.parametrize("calculator", ["gradient", "integrated_gradients:steps=3", "occlusion"])
def test_items_shared_out_among_devices_give_the_same(calculator: str, n_devices: int) -> None:
    x = torch.randn(7, 4).double()
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Dropout(0.3), nn.Linear(5, 3)).double()
    settings: dict[str, Any] = {
        "output": salience.CrossEntropy([0, 1, 2, 0, 1, 2, 0]),
        "samplers": ["gaussian", "mc_dropout"],
        "n_samples": 4,
        "ids": [f"row {i}" for i in range(7)],
        "max_rows": 3,
    }
    one = salience.explain(model, x, "tensor", calculator, **settings)
    several = salience.explain(
        model, x, "tensor", calculator, device=["cpu"] * n_devices, **settings
    )
    torch.testing.assert_close(several.values, one.values, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(several.std_error, one.std_error, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(several.prediction, one.prediction, rtol=1e-12, atol=1e-14)
    assert list(several.ids) == list(one.ids)
    assert several.provenance == one.provenance


def test_graphs_are_shared_out_among_devices(graphs: Any) -> None:
    domain = graphs.ragged(target="embed")
    model, chain = graphs.models()[0], ((0, 1), (1, 2))
    data = [graphs.graph((1,) * n, chain[: n - 1]) for n in (1, 2, 3, 2, 3)]
    one = salience.explain(model, data, domain, "integrated_gradients:steps=4")
    several = salience.explain(
        model, data, domain, "integrated_gradients:steps=4", device=["cpu", "cpu"]
    )
    for item in range(5):
        torch.testing.assert_close(several.values[item], one.values[item])


class Broken(nn.Module):
    """Cannot take the last item."""

    def forward(self, x: Tensor) -> Tensor:
        return x.square().sum(1) / (x[:, 0] != 6)


def test_what_is_wrong_on_one_of_the_devices_is_said_with_the_items_own_number() -> None:
    x = torch.arange(7.0)[:, None].expand(7, 2).contiguous()
    with pytest.raises(salience.InputError, match="item 6"):
        salience.explain(Broken(), x, "tensor", output="value", device=["cpu", "cpu"])


class Interrupting(nn.Module):
    """Interrupts at the item that holds ``at``, when it is to be explained."""

    def __init__(self, at: float) -> None:
        super().__init__()
        self.at = at

    def forward(self, x: Tensor) -> Tensor:
        if x.requires_grad and (x == self.at).any():
            raise KeyboardInterrupt
        return x.square().sum(1)


@pytest.mark.parametrize("devices", [1, 2, 3])
@pytest.mark.parametrize("at", [0.0, 4.0, 8.0])
def test_what_several_devices_finished_before_an_interrupt_can_be_had(
    devices: int, at: float
) -> None:
    x = torch.arange(9.0)[:, None]
    explainer = salience.Explainer(
        Interrupting(at), "tensor", output="value", device=["cpu"] * devices, max_rows=1
    )
    with pytest.raises(KeyboardInterrupt):
        explainer.explain(x)
    if at == 0 and devices == 1:
        with pytest.raises(KeyboardInterrupt):
            explainer.explain(x, partial=True)
        return
    try:
        found = explainer.explain(x, partial=True)
    except KeyboardInterrupt:  # the interrupt may reach all threads before any item is done
        assert devices > 1
        return
    assert int(at) not in found.ids
    assert len(found) == len(found.ids) == len(found.annotations or found.ids) < 9
    torch.testing.assert_close(found.values, 2 * x[list(found.ids)])


def test_no_device_is_refused() -> None:
    with pytest.raises(salience.InputError, match="device is empty"):
        salience.Explainer(nn.Linear(2, 3), "tensor", device=[])


# --- Compiling ------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("samplers", [["gaussian"], ["mc_dropout"]])
def test_a_model_that_the_user_compiled_gives_the_numbers_of_the_plain_one(
    samplers: list[str],
) -> None:
    plain = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Dropout(0.5), nn.Linear(6, 2)).double()
    x = torch.randn(3, 4, dtype=torch.float64)
    settings: dict[str, Any] = {"samplers": samplers, "n_samples": 4, "max_rows": 6}
    found = salience.explain(torch.compile(plain), x, "tensor", **settings)
    expected = salience.explain(plain, x, "tensor", **settings)
    torch.testing.assert_close(found.values, expected.values, rtol=1e-12, atol=1e-14)


def test_explaining_alone_does_not_load_what_only_tests_and_pictures_need() -> None:
    code = (
        "import sys, torch, salience; "
        "salience.explain(torch.nn.Linear(2, 2), torch.ones(3, 2), 'tensor', "
        "samplers=['gaussian'], n_samples=3); "
        "print([m for m in ('scipy.stats', 'matplotlib', 'pandas') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("device", [None, ["cpu", "cpu"]], ids=["one", "two"])
def test_autocast_around_a_call_rounds_no_gradients(device: Any) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 2))
    x = torch.randn(6, 4)
    explainer = salience.Explainer(net, salience.Tensors(), device=device)
    settings: dict[str, Any] = {"samplers": ["mc_dropout"], "n_samples": 4}
    plain = explainer.explain(x, **settings)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = explainer.explain(x, **settings)
        assert torch.is_autocast_enabled("cpu")
        assert net(x).dtype == torch.bfloat16
    assert torch.equal(found.values, plain.values)
    assert torch.equal(found.std_error, plain.std_error)
