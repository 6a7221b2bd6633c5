"""What needs no gradient is served without one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import salience
from salience import ClassScore, InputError, Tensors

WEIGHT = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))


def linear(x: Tensor) -> Tensor:
    return x.float() @ WEIGHT


@pytest.mark.parametrize("max_rows", [1, 3, "auto"])
@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.bool, torch.uint8])
def test_occlusion_serves_integers(dtype: torch.dtype, max_rows: Any) -> None:
    x = torch.tensor([[0, 1, 1, 0], [1, 1, 0, 1]], dtype=dtype)
    domain, output = Tensors(), ClassScore(1)
    found = salience.explain(linear, x, domain, "occlusion", output=output, max_rows=max_rows)
    torch.testing.assert_close(found.values, x.float() * WEIGHT[:, 1], rtol=1e-4, atol=1e-5)


def test_occlusion_of_an_index_keeps_it_an_index() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Embedding(5, 3), nn.Flatten(), nn.Linear(12, 2))
    x = torch.tensor([[1, 2, 3, 4], [4, 0, 0, 1]])
    found = salience.explain(net, x, Tensors(), "occlusion", output=ClassScore(0)).values
    for item, column in ((0, 1), (1, 0), (1, 1)):
        other = x[item : item + 1].clone()
        other[0, column] = 0
        drop = net(x[item : item + 1])[0, 0] - net(other)[0, 0]
        torch.testing.assert_close(found[item, column], drop.detach(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "settings",
    [{}, {"calculator": "integrated_gradients"}, {"samplers": ["gaussian"], "n_samples": 2}],
)
def test_gradients_and_noise_need_real_numbers(settings: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="holds integers"):
        salience.explain(linear, torch.ones(2, 4, dtype=torch.int64), Tensors(), **settings)


@pytest.mark.parametrize("kind", ["gradient", "integrated_gradients:steps=3", "occlusion"])
def test_data_of_inference_mode_is_served(kind: str) -> None:
    with torch.inference_mode():
        x = torch.ones(2, 4)
    found = salience.explain(linear, x, Tensors(), kind, output=ClassScore(1)).values
    torch.testing.assert_close(found, WEIGHT[:, 1].expand(2, 4))
