"""Sound domains that mutants are made of, with their data and models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from salience import Batch, Field, Layout
from salience.testing.examples import Net, Padded, PaddedNet, Ragged

SPECTRA = np.random.default_rng(0).normal(size=(4, 2, 5))
SERIES = [
    torch.randn(n, 2, generator=torch.Generator().manual_seed(n), dtype=torch.float64)
    for n in (3, 1, 5, 4)
]


class SpectraNet(Net):
    """A smooth function of spectra, and a second one."""

    def __init__(self) -> None:
        super().__init__(10)
        self.head = nn.Linear(6, 2).double()
        torch.nn.init.normal_(self.head.weight, generator=torch.Generator().manual_seed(1))

    def forward(self, intensity: Tensor) -> Tensor:
        return super().forward(intensity.flatten(1))


class Words(Padded):
    """Padded series with ids, annotations, positions and a payload."""

    def ids(self, samples: Sequence[Tensor]) -> Sequence[Any] | None:
        return [f"series {len(sample)}" for sample in samples]

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        notes = [
            {"size": len(sample), "values": sample.clone(), "names": self.named(sample)}
            for sample in samples
        ]
        return replace(super().collate(samples), annotations=notes)

    def named(self, sample: Tensor) -> list[str]:
        return [f"word {i}" for i in range(len(sample))]

    def dataset_info(self, samples: Sequence[Tensor]) -> dict[str, Any]:
        return {"n_channels": int(samples[0].shape[1]), "unit": "m"}

    def positions(
        self, annotation: Mapping[str, Any], axes: tuple[str, ...]
    ) -> Mapping[str, Sequence[Any]]:
        return {"word": annotation["names"]}

    def payload(self, explanation: Any, item: int) -> Mapping[str, Any] | None:
        return {"view": "tokens", "tokens": explanation.annotations[item]["names"]}


@dataclass(frozen=True)
class Sets(Ragged):
    """Sets whose elements are linked in a ring."""

    @property
    def layout(self) -> Layout:
        own = super().layout
        fields = {**own.fields, "link": Field(("end", "edge"), refers_to="element")}
        return replace(own, fields=fields, elements=("element", "edge"), main="x")

    def collate(self, samples: Sequence[Tensor]) -> Batch:
        counts = torch.tensor([len(sample) for sample in samples])
        starts = counts.cumsum(0) - counts
        links = [
            torch.stack([torch.arange(n), (torch.arange(n) + 1) % n]) + start
            for n, start in zip(counts.tolist(), starts.tolist(), strict=True)
        ]
        arguments = {
            "x": torch.cat(list(samples)),
            "owner": torch.repeat_interleave(counts),
            "n_sets": len(samples),
            "link": torch.cat(links, 1),
        }
        return Batch(arguments, self.layout, len(samples), {"element": counts, "edge": counts})


class SetsNet(Net):
    """Each element adds to the one that it is linked to."""

    def forward(  # type: ignore[override]
        self, x: Tensor, owner: Tensor, n_sets: int, link: Tensor
    ) -> Tensor:
        x = x.index_add(0, link[1], 0.3 * x[link[0]])
        hidden = torch.tanh(self.body(x))
        out: Tensor = self.head(hidden.new_zeros(n_sets, 6).index_add(0, owner, hidden))
        return out


ON_SPECTRA: dict[str, Any] = {"data": SPECTRA, "model": SpectraNet()}
ON_SERIES: dict[str, Any] = {"data": SERIES, "model": PaddedNet(2)}
ON_SETS: dict[str, Any] = {"data": SERIES, "model": SetsNet(2)}
