"""Items padded in front: a baseline of an item lies on its real positions."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import salience
from salience import IntegratedGradients, Occlusion, PerItem

WEIGHT = torch.arange(1.0, 4.0)[:, None]


@pytest.mark.parametrize("calculator", ["path", "occlusion"])
def test_a_baseline_of_an_item_lies_on_its_real_positions(calculator: str, series: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    data = [torch.randn(3, n, generator=generator) for n in (5, 3, 4)]
    bases = [torch.randn(one.shape, generator=generator) for one in data]
    parts = {
        "path": IntegratedGradients(baseline=PerItem(bases)),
        "occlusion": Occlusion(value=PerItem(bases), window={"band": 1, "frame": 1}),
    }
    found = salience.explain(
        lambda x, mask: (x * WEIGHT * mask[:, None]).sum((1, 2)),
        data,
        series(in_front=True),
        parts[calculator],
        output="value",
    )
    for one, base, values in zip(data, bases, found.values, strict=True):
        torch.testing.assert_close(values, WEIGHT * (one - base), rtol=1e-4, atol=1e-5)
