"""Items padded in front: a baseline of an item lies on its real positions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor
from torch.nn.functional import pad

import salience
from salience import Batch, Domain, Field, IntegratedGradients, Layout, Occlusion, PerItem

WEIGHT = torch.arange(1.0, 4.0)[:, None]


@dataclass(frozen=True)
class InFront(Domain):
    """Items of shape (band, frames), padded in front."""

    visualizer: ClassVar[str] = ""

    @property
    def layout(self) -> Layout:
        axes = ("item", "band", "frame")
        return Layout({"x": Field(axes, mask="mask"), "mask": Field(("item", "frame"))})

    def read(self, data: Any) -> list[Tensor]:
        return list(data)

    def collate(self, samples: Any) -> Batch:
        lengths = torch.tensor([one.shape[1] for one in samples])
        longest = int(lengths.max())
        x = torch.stack([pad(one, (longest - one.shape[1], 0)) for one in samples])
        mask = torch.arange(longest).flip(0) < lengths[:, None]
        return Batch({"x": x, "mask": mask}, self.layout, len(samples))


@pytest.mark.parametrize("calculator", ["path", "occlusion"])
def test_a_baseline_of_an_item_lies_on_its_real_positions(calculator: str) -> None:
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
        InFront(),
        parts[calculator],
        output="value",
    )
    for one, base, values in zip(data, bases, found.values, strict=True):
        torch.testing.assert_close(values, WEIGHT * (one - base), rtol=1e-4, atol=1e-5)
