"""Models as they come, on the CPU and, where there is one, on a GPU."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import salience
from salience import ClassScore, Tensors
from salience.support import cudnn

DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
    ),
]
X = torch.randn(5, 6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
DOMAIN = Tensors(axes=("item", "time", "channel"))


class Recurrent(nn.Module):
    def __init__(self, kind: Callable[..., nn.RNNBase], seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.layers = kind(4, 5, num_layers=2, bidirectional=True, batch_first=True)
        self.out = nn.Linear(10, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.out(self.layers(x)[0][:, -1])
        return out


class Holder:
    def __init__(self, net: nn.Module) -> None:
        self.net = net

    def __call__(self, x: Tensor) -> Tensor:
        out: Tensor = self.net(x)
        return out


WAYS: dict[str, Callable[[nn.Module], Any]] = {
    "module": lambda net: net,
    "object": Holder,
    "function": lambda net: lambda x: net(x),
}
SETTINGS: list[dict[str, Any]] = [
    {},
    {"calculator": "integrated_gradients:steps=4"},
    {"samplers": ["gaussian:mode=absolute"], "n_samples": 4},
]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("settings", SETTINGS, ids=["plain", "path", "noise"])
def test_a_recurrent_network_has_the_same_numbers_on_any_device(
    device: str, kind: Any, way: str, settings: dict[str, Any]
) -> None:
    alone = Recurrent(kind).double().eval()
    truth = salience.explain(alone, X, DOMAIN, output=ClassScore(1), **settings)
    net = Recurrent(kind).double().to(device).train()
    told = pytest.warns(salience.Notice, match="cuDNN") if device == "cuda" else nullcontext()
    with told:
        found = salience.explain(WAYS[way](net), X, DOMAIN, output=ClassScore(1), **settings)
    torch.testing.assert_close(found.values, truth.values, rtol=1e-9, atol=1e-12)
    assert torch.backends.cudnn.enabled
    assert next(net.parameters()).device.type == device
    if not settings:
        x = X.clone().requires_grad_()
        expected = torch.autograd.grad(alone(x)[:, 1].sum(), x)[0]
        torch.testing.assert_close(found.values, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("device", DEVICES)
def test_drawn_weights_of_a_recurrent_network_on_any_device(device: str) -> None:
    members = [Recurrent(nn.LSTM, seed).double() for seed in (1, 2, 3)]
    net = Recurrent(nn.LSTM).double().to(device)
    with pytest.warns(salience.Notice) if device == "cuda" else nullcontext():
        found = salience.explain(
            net, X, DOMAIN, output=ClassScore(0), samplers=[salience.Ensemble(members)], n_samples=3
        )
    x = X.clone().requires_grad_()
    score = torch.stack([member.eval()(x)[:, 0].sum() for member in members]).mean()
    expected = torch.autograd.grad(score, x)[0]
    torch.testing.assert_close(found.values, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.filterwarnings("ignore::salience.Notice")
@pytest.mark.parametrize("error", [None, ValueError])
def test_cudnn_is_off_in_recurrent_layers_alone(
    error: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cudnn, "on_cuda", lambda module: True)  # as on a GPU
    seen: dict[str, bool] = {}

    class Seeing(nn.LSTM):
        def forward(self, *args: Any) -> Any:
            seen["inside"] = torch.backends.cudnn.enabled
            if error is not None:
                raise error("stop")
            return super().forward(*args)

    net = Recurrent(Seeing).double()
    net.out.register_forward_pre_hook(lambda *_: seen.update(outside=torch.backends.cudnn.enabled))
    if error is None:
        salience.explain(net, X, DOMAIN, output=ClassScore(0))
        assert seen == {"inside": False, "outside": True}
    else:
        with pytest.raises(salience.InputError, match="stop"):
            salience.explain(net, X, DOMAIN, output=ClassScore(0))
    assert torch.backends.cudnn.enabled
